"""A sequence of three frames, and the contents of its files."""

import cv2
import numpy as np

from tracking_env.datasets.sequence import ArrayFrames, Sequence

BOXES = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3.5, 4, 5, 6]])
FRAME = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def encode_frame(suffix: str) -> bytes:
    """The content of an image file, such as ``.png``."""
    return cv2.imencode(suffix, FRAME)[1].tobytes()


def encode_boxes(boxes: np.ndarray, separator: str = ",") -> bytes:
    """The content of a text file with one box a line."""
    return "".join(separator.join(map(str, box)) + "\n" for box in boxes).encode()


def make_sequence() -> Sequence:
    return Sequence("sample", ArrayFrames(np.stack([FRAME] * 3)), BOXES)
