"""Silencing what libraries print where an exception says more."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

SILENT, ERRORS = 0, 2
"""OpenCV's log levels, the same numbers in all versions: nothing, and errors only."""

_LOG: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions in cv2 itself
_STDERR = 2  # its file descriptor
_lock = threading.Lock()
_separate: int | None = None  # a copy of the descriptor, once Python's stderr no longer uses the original
_quiet_blocks = 0


@contextmanager
def quiet_opencv(level: int = SILENT) -> Iterator[None]:
    """Limit OpenCV's log to a level within the block."""
    before = _LOG.getLogLevel()
    _LOG.setLogLevel(level)
    try:
        yield
    finally:
        _LOG.setLogLevel(before)


def separate_stderr() -> None:
    """Let Python print on a copy of stderr from now on, so that `quiet_decoders` silences C libraries alone.

    For programs; a library must not change the streams of the process. FFmpeg, which prints from threads of its own, is
    silenced for good. Does nothing where something else has replaced stderr already.
    """
    global _separate
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's AV_LOG_QUIET; read when the first video is opened
    stderr = sys.__stderr__
    if _separate is not None or stderr is None or sys.stderr is not stderr:
        return
    stderr.flush()
    _separate = os.dup(_STDERR)
    # closefd=False, as in Python's own streams: nobody closes them, and Python would warn of that at its end.
    copy = os.fdopen(os.dup(_STDERR), "wb", 0, closefd=False)
    sys.stderr = io.TextIOWrapper(copy, stderr.encoding, write_through=True)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Drop what libjpeg and libpng print about damaged images within the block, in a program: see `separate_stderr`.

    Blocks of several threads may overlap.
    """
    global _quiet_blocks
    if _separate is None:
        yield
        return
    with _lock:
        _quiet_blocks += 1
        if _quiet_blocks == 1:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            _quiet_blocks -= 1
            if _quiet_blocks == 0:
                os.dup2(_separate, _STDERR)
