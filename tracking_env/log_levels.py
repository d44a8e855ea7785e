"""Silencing OpenCV's log where an exception says more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

SILENT, ERRORS = 0, 2
"""OpenCV's log levels, the same numbers in all versions: nothing, and errors only."""

_LOG: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions in cv2 itself


@contextmanager
def quiet_opencv(level: int = SILENT) -> Iterator[None]:
    """Limit OpenCV's log to a level within the block."""
    before = _LOG.getLogLevel()
    _LOG.setLogLevel(level)
    try:
        yield
    finally:
        _LOG.setLogLevel(before)
