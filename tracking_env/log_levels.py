"""Libraries without their messages, where what they say is told better by an exception, or not worth telling."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

NOTHING, ERRORS = 0, 2
"""What OpenCV may still say: its levels, the same numbers in all versions."""

_LOG: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions at its top


@contextmanager
def quiet(level: int = NOTHING) -> Iterator[None]:
    """Let OpenCV say no more than this in the block."""
    before = _LOG.getLogLevel()
    _LOG.setLogLevel(level)
    try:
        yield
    finally:
        _LOG.setLogLevel(before)


@contextmanager
def hushed(name: str) -> Iterator[None]:
    """Let a logger of Python's, and those below it, tell of nothing less than errors in the block."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
