"""Drawing boxes on frames, and showing or writing the pictures."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env.errors import InputError, MissingPackageError, first_line, option
from tracking_env.files import write_atomically

COLOURS = {"truth": (60, 220, 90), "agent": (240, 60, 60), "rival": (70, 130, 250)}
"""Colours of boxes by role, RGB."""
LEAST_WIDTH = 320  # pixels; narrower frames are enlarged, so that lines and labels look thin
WINDOW = "tracking-env"
_H264 = "-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -vf pad=ceil(iw/2)*2:ceil(ih/2)*2 -movflags +faststart"
"""Options of ffmpeg for a video that browsers, phones and office programs play; they need sides of even length."""
_FAR = 30_000  # pixels; OpenCV draws nothing at larger coordinates
_SCREEN = 1280, 720  # pixels; larger frames are shown smaller while the user draws a box
QUIT_KEYS = {ord("q"), 27}  # 27 is Esc


class VideoWriteError(InputError):
    """A video cannot be written, for a reason in words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write the video {path}: {reason}")


def draw(
    frame: np.ndarray, boxes: Mapping[str, np.ndarray], caption: str = "", spread: np.ndarray | None = None
) -> np.ndarray:
    """A copy of a frame with boxes drawn on it.

    Args:
        frame: ``(height, width, 3)`` uint8 RGB.
        boxes: pixel boxes ``(4,)`` by role, one of `COLOURS`. Boxes that are not finite are left out, and so is a
            ground-truth box without sides, which stands for no box.
        caption: text in the top-left corner.
        spread: standard deviation ``(4,)`` of the agent's box in pixels: centre x, centre y, width, height. An ellipse
            with radii of two deviations of the centre shows it.

    Returns:
        The picture ``(height, width, 3)`` uint8 RGB. Frames narrower than `LEAST_WIDTH` are enlarged by a whole factor.

    Example::

        picture = draw(sequence.frames[0], {"truth": sequence.boxes[0]}, caption="frame 0")
    """
    factor = -(-LEAST_WIDTH // frame.shape[1])  # rounded up
    # Repeated, not interpolated, so that the picture shows the very pixels that a tracker gets.
    picture = np.repeat(np.repeat(frame, factor, axis=0), factor, axis=1)
    for role, box in boxes.items():
        if (role == "truth" and not bx.annotated(np.asarray(box))) or not np.isfinite(box).all():
            continue
        x, y, w, h = bx.to_zero_based(np.asarray(box, dtype=np.float64)) * factor
        left, top, right, bottom = np.rint([x, y, x + w, y + h]).clip(-_FAR, _FAR).astype(int).tolist()
        # A black edge, so that the box stands out from a background of its own colour.
        for colour, thickness in (((0, 0, 0), 4), (COLOURS[role], 2)):
            cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)
        if role == "agent" and spread is not None:
            middle = (left + right) // 2, (top + bottom) // 2
            radii = np.rint(2 * factor * spread[:2]).clip(1, _FAR).astype(int).tolist()
            cv2.ellipse(picture, middle, radii, 0, 0, 360, COLOURS[role], 1, cv2.LINE_AA)
    if caption:
        (width, height), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        cv2.rectangle(picture, (0, 0), (width + 12, height + 12), (0, 0, 0), -1)
        cv2.putText(picture, caption, (6, height + 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,) * 3, 1, cv2.LINE_AA)
    return picture


def has_display() -> bool:
    """Whether windows can be opened."""
    # On Linux OpenCV ends the whole process if it finds no display, so ask before it does.
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def require_display(purpose: str, instead: str) -> None:
    """Check that windows can be opened.

    Args:
        purpose: what needs a display, for the error message.
        instead: what the user can do without one.

    Raises:
        InputError: there is no display, or this OpenCV has no windows.
    """
    if not has_display():
        raise InputError(f"{purpose} needs a display, and there is none; {instead}")
    if not cv2.currentUIFramework():  # opencv-python-headless, which other packages install in its place
        raise MissingPackageError(f"{purpose} in a window", "opencv-python")


def show(picture: np.ndarray, fps: float) -> bool:
    """Show a picture ``(height, width, 3)`` uint8 RGB in a window, for the time of a frame at ``fps``.

    Returns:
        False if the user pressed q or Esc, else True. Call it only if `has_display`.
    """
    cv2.imshow(WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return cv2.waitKey(max(1, round(1000 / fps))) not in QUIT_KEYS


def select_box(frame: np.ndarray) -> np.ndarray:
    """Let the user drag a box on a frame ``(height, width, 3)`` uint8 RGB.

    Returns:
        The pixel box ``(4,)`` float64; its sides are 0 if the user drew none.

    Raises:
        InputError: there is no display.
    """
    require_display("drawing a box", f"give it as {option('box', 'x,y,w,h')}, in pixels, the top-left one being 1,1")
    height, width, _ = frame.shape
    scale = min(1, _SCREEN[0] / width, _SCREEN[1] / height)
    cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    # The window is made smaller, not the frame, so the box comes in the frame's own pixels.
    cv2.resizeWindow(WINDOW, round(width * scale), round(height * scale))
    cv2.setWindowTitle(WINDOW, "Drag a box, then press Enter; c cancels")
    picture = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    x, y, w, h = cv2.selectROI(WINDOW, picture, showCrosshair=False, fromCenter=False, printNotice=False)
    close_window()
    return bx.to_one_based(np.array([x, y, w, h], dtype=np.float64))


def close_window() -> None:
    """Close the window of `show` and `select_box`."""
    cv2.destroyAllWindows()


def join_horizontally(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures ``(height, width, 3)`` of one size side by side: ``(height, n * width, 3)``."""
    return np.concatenate(pictures, axis=1)


@contextmanager
def open_video_writer(path: Path, fps: float = 25) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a video picture by picture: H.264, which browsers play. (OpenCV's builds do not write it; ffmpeg does.)

    The file is complete when the block ends without an error, or else absent.

    Args:
        path: an ``.mp4`` file.
        fps: frames per second.

    Yields:
        A function that adds a picture ``(height, width, 3)`` uint8 RGB. All pictures must have one size.

    Raises:
        InputError: the folder cannot be created.
        VideoWriteError: the file cannot be written, there are no pictures or of several sizes, or there is no ffmpeg.
            An error of the function that adds pictures is raised again at the end of the block.

    Example::

        with open_video_writer(Path("overlay.mp4")) as write:
            for frame in frames:
                write(draw(frame, {}))
    """
    with write_atomically(path) as partial, tempfile.TemporaryFile() as messages:
        encoder: subprocess.Popen[bytes] | None = None
        shape: tuple[int, ...] = ()
        # Until a picture is added: without any, ffmpeg would leave a file that no player opens.
        failure: VideoWriteError | None = VideoWriteError(path, "it has no pictures")

        def write(picture: np.ndarray) -> None:
            nonlocal encoder, shape, failure
            if encoder is None:
                # Only the first picture tells the size, so ffmpeg is started here.
                shape, failure = picture.shape, None
                try:
                    encoder = _start_encoder(partial, shape, fps, messages)
                except (RuntimeError, OSError) as error:
                    failure = VideoWriteError(path, f"ffmpeg does not start: {first_line(error)}")
            if picture.shape != shape:  # ffmpeg would take its bytes for a part of another picture
                failure = VideoWriteError(path, f"pictures of size {shape} and {picture.shape}")
            if failure is not None:
                raise failure
            assert encoder is not None and encoder.stdin is not None
            try:
                encoder.stdin.write(picture.tobytes())
            except OSError:  # ffmpeg has ended
                failure = VideoWriteError(path, _read_last_line(messages))
                raise failure from None

        try:
            yield write
        finally:
            if encoder is not None:
                encoder.communicate()
        if failure is None and encoder is not None and encoder.returncode != 0:
            failure = VideoWriteError(path, _read_last_line(messages))
        if failure is not None:
            raise failure


def _start_encoder(path: Path, shape: tuple[int, ...], fps: float, messages: IO[bytes]) -> subprocess.Popen[bytes]:
    """ffmpeg, which reads pictures of this shape from its standard input and writes its errors to ``messages``."""
    from imageio_ffmpeg import get_ffmpeg_exe  # here, since only videos need it: on other machines it need not be

    pictures = f"-f rawvideo -pix_fmt rgb24 -s {shape[1]}x{shape[0]} -r {fps} -i -"
    # Absolute, since ffmpeg takes what stands before a colon for a protocol.
    command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", *pictures.split(), *_H264.split(), str(path.absolute())]
    # In a process group of its own: a terminal sends Ctrl-C to all of a group, and the frames until then are kept.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages, process_group=0)


def _read_last_line(messages: IO[bytes]) -> str:
    messages.seek(0)
    lines = messages.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it is incomplete; make room on the disk"


def write_video(path: Path, pictures: Iterable[np.ndarray], fps: float = 25) -> None:
    """Write pictures ``(height, width, 3)`` uint8 RGB of one size as a video, see `open_video_writer`."""
    with open_video_writer(path, fps) as write:
        for picture in pictures:
            write(picture)
