"""A sequence of three frames, and its files' contents."""

import cv2
import numpy as np

from tracking_env.datasets.sequence import ArrayFrames, Sequence

BOXES = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3.5, 4, 5, 6]])
PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def encoded(suffix: str) -> bytes:
    """A frame's file."""
    return cv2.imencode(suffix, PICTURE)[1].tobytes()


def text(rows: np.ndarray, separator: str = ",") -> bytes:
    """A file of boxes."""
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


def sequence() -> Sequence:
    return Sequence("one", ArrayFrames(np.stack([PICTURE] * 3)), BOXES)
