"""Frames of a video file."""

import os
import threading
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.images import MOST_PIXELS
from tracking_env.datasets.sequence import short_hash
from tracking_env.errors import InputError

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""How the names of video files end."""
_HEAD, _TEXT = 64, frozenset(b"\t\n\r" + bytes(range(32, 127)) + b"\xef\xbb\xbf")
_CACHED = 16  # the last decoded frames, which are the likeliest to be asked for again: 100 MB of full HD
_INHERITED: list[cv2.VideoCapture] = []  # kept open in a forked process: closing would wait for threads not copied


class VideoFrames:
    """The frames of a video file. A frame is the same whichever was decoded before.

    Reading forwards is as fast as the decoder. Reading backwards through a long video is slow, since frames are
    decoded from the beginning; extract its frames to images for that. Threads take turns. A forked process opens the
    file anew, and pickling keeps the path alone.

    Args:
        path: a file that OpenCV can decode.

    Attributes:
        fps: frames per second at which it plays; 25 if the file does not say.

    Raises:
        InputError: the file cannot be read, or does not say how many frames it has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._capture, self._process = cv2.VideoCapture(), 0  # the id of the process that has it open; 0 for none
        self._open()
        self._length = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < np.inf else 25.0
        self._close()
        if self._length < 1:
            raise InputError(f"the video {path} does not say how many frames it has; convert it to .mp4, or to images")

    def __reduce__(self) -> tuple[Any, ...]:
        return VideoFrames, (self.path,)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB.

        Raises:
            InputError: the video ends or breaks off before it.
        """
        # A range counts negative indices from the end, and raises IndexError as a list does.
        index = range(self._length)[index]
        with self._lock:
            if index not in self._cache:
                self._decode(index)
            # The caller may change its frame; the cached one must stay.
            return self._cache[index].copy()

    @cached_property
    def size(self) -> Size:
        """Width and height of the first frame, in pixels."""
        height, width, _ = self[0].shape
        return width, height

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the file's name and its size in bytes."""
        return short_hash(f"{self.path.name} {self.path.stat().st_size}")

    def _open(self) -> None:
        if not self.path.is_file():
            raise InputError(f"there is no video {self.path}; check the path")
        with self.path.open("rb") as file:
            head = file.read(_HEAD)
        # A playlist is text: FFmpeg would open the files and addresses in it.
        if all(byte in _TEXT for byte in head):
            raise InputError(f"{self.path} does not decode as a video: it is empty or a text; give the video itself")
        if self._process not in (0, os.getpid()):
            _INHERITED.append(self._capture)
        self._capture, self._next, self._process = cv2.VideoCapture(str(self.path)), 0, os.getpid()
        pixels = self._capture.get(cv2.CAP_PROP_FRAME_WIDTH) * self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if pixels > MOST_PIXELS:
            raise InputError(f"{self.path} has frames of {pixels:.0f} pixels; give a video of at most {MOST_PIXELS}")
        if not self._capture.isOpened():
            raise InputError(f"{self.path} does not decode as a video; fetch it again, or convert it to .mp4")

    def _close(self) -> None:
        self._capture.release()
        self._process = 0

    def _decode(self, index: int) -> None:
        """Decode up to a frame that is not in the cache, and put it there."""
        # OpenCV's seeking lands beside the frame in many files (opencv/opencv#9053), so an earlier frame is reached
        # from the beginning. After a fork both processes would move the position of one open file, so open another.
        if index < self._next or self._process != os.getpid():
            self._open()
        # grab decodes without converting to colours, which only the frame that is asked for needs.
        while self._next <= index and self._capture.grab():
            self._next += 1
        decoded, image = self._capture.retrieve() if self._next == index + 1 else (False, None)
        if not decoded or image is None:
            raise InputError(
                f"the video {self.path} breaks off after {self._next} of {self._length} frames; fetch it again, or "
                "convert it to images"
            )
        self._cache[index] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        if self._next == self._length:
            self._close()  # so that many videos can be read one after the other
