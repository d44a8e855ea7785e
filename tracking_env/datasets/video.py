"""Frames of a video file.

What decodes is what there is: the number of frames that a file states may be wrong. A trimmed file states those that do
not play, an AVI of a recorder that was stopped too few, a browser's recording none.
"""

import contextlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.images import MOST_PIXELS
from tracking_env.datasets.sequence import short_hash
from tracking_env.errors import InputError
from tracking_env.files import cache_folder, path_for_opencv, require_file, write_atomically

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""How the names of video files end."""
_log = logging.getLogger(__name__)
_CACHED = 16  # the last decoded frames, which are the likeliest to be asked for again: 100 MB of full HD
_FASTEST, _USUAL = 240.0, 25.0  # frames per second: files of phones say 240, those of browsers any number
_MOST = 1e9  # frames; a larger number is none
_INHERITED: list[cv2.VideoCapture] = []  # kept open in a forked process: closing would wait for threads not copied


class VideoFrames:
    """The frames of a video file. A frame is the same whichever was decoded before.

    Its length is the number of frames that decode. Counting them decodes the whole file, so the cache folder remembers
    the number; `play` needs none. Reading forwards is as fast as the decoder. Reading backwards through a long video is
    slow, since frames are decoded from the beginning; extract its frames to images for that. Threads take turns. A
    forked process opens the file anew, and pickling keeps the path alone.

    Args:
        path: a file that OpenCV can decode.

    Attributes:
        fps: frames per second at which it plays; 25 if the file states none, or more than 240.
        stated: number of frames that the file states, for a progress bar; None if it states none.

    Raises:
        InputError: the file cannot be read, or has no frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._capture, self._process = cv2.VideoCapture(), 0  # the id of the process that has it open; 0 for none
        self._open()
        stated, fps = self._capture.get(cv2.CAP_PROP_FRAME_COUNT), self._capture.get(cv2.CAP_PROP_FPS)
        self.stated = int(stated) if 0 < stated < _MOST else None
        self.fps = fps if 0 < fps <= _FASTEST else _USUAL
        has_frame = self._capture.grab()
        self._close()
        if not has_frame:
            raise InputError(f"no frame of the video {path} decodes; fetch it again, or convert it to .mp4")

    def __reduce__(self) -> tuple[Any, ...]:
        return VideoFrames, (self.path,)

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        status = self.path.stat()
        key = short_hash(f"{self.path.resolve()} {status.st_size} {status.st_mtime_ns} {cv2.__version__}")
        remembered = cache_folder() / "frame-counts" / key
        # Without a readable or a writable cache it is counted each time.
        with contextlib.suppress(OSError, ValueError):
            content = remembered.read_text(encoding="ascii")
            if content.isdecimal():
                return int(content)
        capture, count = _open(self.path), 0
        while capture.grab():
            count += 1
        capture.release()
        self._compare(count)
        with contextlib.suppress(OSError, InputError), write_atomically(remembered) as partial:
            partial.write_text(str(count), encoding="ascii")
        return count

    def play(self, start: int = 0) -> Iterator[np.ndarray]:
        """The frames from index ``start`` to the last one that decodes, as `__getitem__` gives them, without a count.

        Raises:
            InputError: a frame has another size than the first.
        """
        capture, count, first = _open(self.path), 0, None
        try:
            while capture.grab():
                count += 1
                if count > start:
                    frame = _retrieve(capture)
                    first = first or frame.shape
                    self._check_size(frame, first, count)
                    yield frame
        finally:
            capture.release()
        self._compare(count)

    def _compare(self, count: int) -> None:
        """Warn of a file that states more frames than decode: it may be trimmed, or a part of a download."""
        if self.stated is not None and count < self.stated:
            _log.warning("%s states %d frames; %d decode, and these are used", self.path, self.stated, count)

    def _check_size(self, frame: np.ndarray, first: tuple[int, ...], number: int) -> None:
        if frame.shape != first:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (frame.shape, first)]
            raise InputError(
                f"frame {number} of the video {self.path} is {sizes[0]} pixels, the first one {sizes[1]}; convert it "
                "to one size"
            )

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB.

        Raises:
            InputError: it has another size than the first frame, or the file has changed and ends before it.
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
        first = next(self.play())
        return first.shape[1], first.shape[0]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the file's name and its size in bytes."""
        return short_hash(f"{self.path.name} {self.path.stat().st_size}")

    def _open(self) -> None:
        if self._process not in (0, os.getpid()):
            _INHERITED.append(self._capture)
        self._capture, self._next, self._process = _open(self.path), 0, os.getpid()

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
        if self._next != index + 1:
            raise InputError(
                f"the video {self.path} has changed: {self._next} of {self._length} frames decode; type the command "
                "again"
            )
        frame = _retrieve(self._capture)
        if "size" in self.__dict__:
            self._check_size(frame, (self.size[1], self.size[0], 3), index + 1)
        self._cache[index] = frame
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        if self._next == self._length:
            self._close()  # so that many videos can be read one after the other


def _open(path: Path) -> cv2.VideoCapture:
    if not path.exists():
        raise InputError(f"there is no video {path}; check the path")
    require_file(path, "the video ")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(f"cannot read the video {path}: {error.strerror}") from None
    # FFmpeg would follow a playlist to other files, whatever its name. Playlists are texts, videos have zeros in them.
    if head and b"\0" not in head:
        raise InputError(f"{path} does not decode as a video: it is a text, perhaps a playlist; give the video itself")
    # Absolute, since FFmpeg takes what stands before a colon for a protocol: `12:30.mp4`, `concat:a|b`.
    capture = cv2.VideoCapture(path_for_opencv(path.absolute()))
    if not capture.isOpened():
        raise InputError(f"{path} does not decode as a video; fetch it again, or convert it to .mp4")
    # Before a frame is decoded: a small file can state a size for which the decoder would take all memory.
    pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if pixels > MOST_PIXELS:
        raise InputError(f"{path} has frames of {pixels:.0f} pixels; give a video of at most {MOST_PIXELS}")
    return capture


def _retrieve(capture: cv2.VideoCapture) -> np.ndarray:
    """The frame that was grabbed, as RGB."""
    success, image = capture.retrieve()
    if not success:
        raise InputError("a frame of the video cannot be converted to RGB; convert the video to .mp4")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
