"""Read frames in order from a video file, a folder of images or a camera."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracking_env.datasets.images import IMAGE_SUFFIXES, ImageFiles
from tracking_env.datasets.sequence import Frames
from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError, option
from tracking_env.files import check_no_address, list_folder, natural_key
from tracking_env.log_levels import quiet_opencv

_UNKNOWN_FPS = 25.0  # of images and cameras, which do not say how fast they play


@dataclass(frozen=True)
class Source:
    """Frames that can be read once, in order.

    Attributes:
        name: of the file or the folder; results are named after it.
        frames: ``(height, width, 3)`` uint8 RGB each. Raises `InputError` if they break off early.
        total: number of frames, for a progress bar: a video file may state a wrong one. None if it is unknown.
        fps: frames per second at which they play.
    """

    name: str
    frames: Iterator[np.ndarray]
    total: int | None
    fps: float


def open_source(video: str, start: int = 1) -> Source:
    """Open a video file, a folder of images or a camera.

    Args:
        video: path of a video file; a folder of images, read in the order of the numbers in their names; a sequence's
            folder with its images in ``img``; or the number of a camera, 0 for the first.
        start: number of the first frame, counted from 1. A camera skips at least the frames before it.

    Raises:
        InputError: the video does not exist, does not decode, or has fewer than ``start`` frames.

    Example:
        >>> source = open_source("video.mp4", start=10)
        >>> for frame in source.frames:
        ...     print(frame.shape)
    """
    check_no_address(video)
    path = Path(video)
    if start < 1:
        raise InputError(f"{option('start')} is {start}; frames count from 1")
    # A file or folder may have a number as its name; it comes before a camera.
    if video.isdecimal() and not path.exists():
        return Source(f"camera-{int(video)}", _camera(int(video), start), None, _UNKNOWN_FPS)
    frames: Frames
    total: int | None
    played: Iterator[np.ndarray]
    if path.is_dir():
        frames, fps = _images(path), _UNKNOWN_FPS
        # The images of a sequence lie in SEQUENCE/img. Results are named after the sequence.
        name = (path if path.resolve().name != "img" else path.resolve().parent).resolve().name
        total, played = len(frames), (frames[index] for index in range(start - 1, len(frames)))
    else:
        name, frames = path.stem, VideoFrames(path)
        total, played, fps = frames.stated, frames.play(start - 1), frames.fps
    # Reading the first frame tells whether there is one, without a count of all.
    try:
        first = next(played)
    except StopIteration:
        raise InputError(f"{option('start')} is {start}, but {path} has {len(frames)} frames") from None
    remaining = total - start + 1 if total is not None and total >= start else None
    return Source(name, itertools.chain([first], played), remaining, fps)


def _images(folder: Path) -> ImageFiles:
    for place in (folder, folder / "img"):
        if not place.is_dir():
            continue
        paths = [path for path in list_folder(place) if path.suffix.lower() in IMAGE_SUFFIXES]
        if paths:
            return ImageFiles(sorted(paths, key=natural_key))
    raise InputError(f"no images in {folder}; wanted files that end in {', '.join(sorted(IMAGE_SUFFIXES))}")


def _camera(number: int, start: int) -> Iterator[np.ndarray]:
    with quiet_opencv():  # OpenCV tries several drivers, and each that fails prints a warning.
        capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise InputError(f"there is no camera {number}, or another program has it; give a file, or another number")
        for _ in range(start - 1):
            capture.grab()
        while True:
            success, image = capture.read()
            if not success:
                raise InputError(f"camera {number} gives no more frames; check that it is connected")
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()
