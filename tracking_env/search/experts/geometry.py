"""Crops and maps of boxes of the experts. Pure functions."""

import numpy as np


def grow(box: np.ndarray, factor: float) -> np.ndarray:
    """Pixel boxes ``(..., 4)`` with sides ``factor`` times as long around the same centres."""
    sides = factor * box[..., 2:]
    return np.concatenate([box[..., :2] + (box[..., 2:] - sides) / 2, sides], axis=-1)


def square(box: np.ndarray, factor: float) -> np.ndarray:
    """The square of ``factor ** 2`` times the area of a pixel box ``(4,)``, around the same centre."""
    side = factor * np.sqrt(box[2] * box[3])
    return np.array([*(box[:2] + (box[2:] - side) / 2), side, side])


def in_pixels(boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Boxes ``x, y, w, h`` relative to regions as pixel boxes. ``(..., 4)`` kept, float64."""
    scaled = boxes.astype(np.float64) * np.concatenate([region[..., 2:], region[..., 2:]], axis=-1)
    scaled[..., :2] += region[..., :2]
    return scaled


def from_sides(sides: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """Boxes by how far each of their sides is from the point of a cell, as most networks without anchors report them.

    Args:
        sides: ``(B, 4, n, n)``: left, top, right, bottom, in pixels of the crop.
        points: ``(n,)``: positions of the columns, and of the rows, in pixels of the crop.
        side: rows and columns of the crop.

    Returns:
        ``(B, n, n, 4)``: boxes ``x, y, w, h`` relative to the crop.
    """
    left, top, right, bottom = np.moveaxis(sides, 1, 0)
    return np.stack([points - left, points[:, None] - top, left + right, top + bottom], axis=-1) / side


def hann(n: int) -> np.ndarray:
    """The window ``(n, n)`` that prefers the middle: 1 there, 0 on the border (``numpy.hanning``)."""
    return np.outer(np.hanning(n), np.hanning(n))


def best_cell(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the largest value of a map ``(n, n)``."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)
