"""Frames as they come: from a video file, a folder of images or a camera. Nothing is known of what they show."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracking_env.datasets.sequence import IMAGES, Frames, ImageFiles
from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError
from tracking_env.files import natural
from tracking_env.log_levels import quiet


@dataclass(frozen=True)
class Source:
    """Frames that are read once, in order.

    Attributes:
        name: the file's or the folder's, to name results by.
        frames: each ``(height, width, 3)`` uint8 RGB; raises an `InputError` where they break off before their end.
        total: how many there are; None of a camera.
        fps: how fast they play.
    """

    name: str
    frames: Iterator[np.ndarray]
    total: int | None
    fps: float


def open_source(video: str, start: int = 1) -> Source:
    """The frames from number ``start`` (counted from 1) on.

    Args:
        video: a video file; a folder of images, in the order of their names (frame9.jpg before frame10.jpg), or of a
            sequence with its images in ``img``; or the number of a camera, 0 for the first.
        start: of a camera it is how many frames to wait for, at least.

    Raises:
        InputError: there is no such thing, or it does not decode, or has fewer frames.
    """
    path = Path(video)
    if start < 1:
        raise InputError(f"--start is {start}; frames count from 1")
    if video.isdecimal() and not path.exists():
        return Source(f"camera-{int(video)}", _camera(int(video), start), None, 25.0)
    frames: Frames
    if path.is_dir():
        frames, fps = _images(path), 25.0
        name = (path if path.resolve().name != "img" else path.resolve().parent).resolve().name
    else:
        name, frames = path.stem, VideoFrames(path)
        fps = frames.fps
    if start > len(frames):
        raise InputError(f"--start is {start}, but {path} has {len(frames)} frames")
    chosen = range(start - 1, len(frames))
    return Source(name, (frames[index] for index in chosen), len(chosen), fps)


def _images(folder: Path) -> ImageFiles:
    for place in (folder, folder / "img"):
        paths = [one for one in place.iterdir() if one.suffix.lower() in IMAGES] if place.is_dir() else []
        if paths:
            return ImageFiles(sorted(paths, key=natural))
    raise InputError(f"no images in {folder}; wanted files that end in {', '.join(sorted(IMAGES))}")


def _camera(number: int, start: int) -> Iterator[np.ndarray]:
    with quiet():  # each of its backends would complain
        capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise InputError(f"there is no camera {number}, or another program has it; give a file, or another number")
        for _ in range(start - 1):
            capture.grab()
        while (read := capture.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
        raise InputError(f"the camera {number} gives no more frames; see that it is connected")
    finally:
        capture.release()
