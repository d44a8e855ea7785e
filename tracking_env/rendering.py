"""Boxes on frames: pictures, windows and videos."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env.errors import InputError
from tracking_env.files import whole

COLOURS = {"truth": (60, 220, 90), "agent": (240, 60, 60), "rival": (70, 130, 250)}
"""RGB by role."""
SMALLEST = 320  # pixels: narrower frames are enlarged, so that lines and labels stay thin
WINDOW = "tracking-env"


def draw(frame: np.ndarray, boxes: Mapping[str, np.ndarray], caption: str = "") -> np.ndarray:
    """A copy of a frame with boxes drawn on it.

    Args:
        frame: ``(height, width, 3)`` uint8 RGB.
        boxes: pixel boxes ``(4,)`` by role, one of `COLOURS`; a true one without sides is left out: there is none.
        caption: written in the top-left corner.

    Returns:
        uint8 RGB; frames narrower than `SMALLEST` are enlarged by a whole factor.
    """
    factor = -(-SMALLEST // frame.shape[1])
    picture = np.repeat(np.repeat(frame, factor, axis=0), factor, axis=1)
    for role, box in boxes.items():
        if role == "truth" and not bx.annotated(np.asarray(box)):
            continue
        x, y, w, h = (np.asarray(box, dtype=np.float64) - [1, 1, 0, 0]) * factor  # boxes are 1-based
        start, end = (round(x), round(y)), (round(x + w), round(y + h))
        for colour, thickness in (((0, 0, 0), 4), (COLOURS[role], 2)):
            cv2.rectangle(picture, start, end, colour, thickness, cv2.LINE_AA)
    if caption:
        (width, height), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        cv2.rectangle(picture, (0, 0), (width + 12, height + 12), (0, 0, 0), -1)
        cv2.putText(picture, caption, (6, height + 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,) * 3, 1, cv2.LINE_AA)
    return picture


def show(picture: np.ndarray, fps: float) -> None:
    """Show a picture ``(height, width, 3)`` uint8 RGB in a window, for one frame's time.

    Raises:
        InputError: there is no display.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("render_mode 'human' needs a display, and there is none; use render_mode='rgb_array'")
    cv2.imshow(WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    cv2.waitKey(max(1, round(1000 / fps)))


def close() -> None:
    """Close the window of `show`."""
    cv2.destroyAllWindows()


def strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size side by side, ``(height, n * width, 3)``."""
    return np.concatenate(pictures, axis=1)


def write_video(path: Path, pictures: Iterable[np.ndarray], fps: float = 25) -> None:
    """Write pictures of one size ``(height, width, 3)`` uint8 RGB as an ``.mp4``; it appears whole or not at all.

    Raises:
        InputError: the file cannot be written, there are no pictures or of several sizes, or this OpenCV has no MPEG-4
            encoder.
    """
    with whole(path) as partial:
        writer, written = None, 0
        try:
            for picture in pictures:
                if writer is None:
                    shape = picture.shape
                    writer = cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*"mp4v"), fps, shape[1::-1])
                    if not writer.isOpened():
                        raise InputError(f"cannot write the video {path}: no MPEG-4 encoder in this OpenCV")
                if picture.shape != shape:  # OpenCV would leave it out without a word
                    raise InputError(f"cannot write the video {path}: pictures of size {shape} and {picture.shape}")
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                written += 1
        finally:
            if writer is not None:
                writer.release()
        if writer is None:
            raise InputError(f"cannot write the video {path}: it has no pictures")
        if int(cv2.VideoCapture(str(partial)).get(cv2.CAP_PROP_FRAME_COUNT)) != written:  # OpenCV says nothing
            raise InputError(f"cannot write the video {path}: it broke off; make room on the disk")
