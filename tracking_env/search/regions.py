"""Search regions: squares around a target, boxes relative to them, and their pixels. Pure functions.

A region is a pixel box (1-based, as all pixel boxes) with equal sides; it may reach beyond the image. Boxes in it are
relative to it: centre and size over its side, as `boxes.to_relative` does for the image.
"""

import cv2
import numpy as np
from array_api_compat import array_namespace

from tracking_env import boxes as bx
from tracking_env.boxes import Array


def around(box: np.ndarray, context: float) -> np.ndarray:
    """The region around a target: its area is ``context ** 2 * (w + p) * (h + p)``, where ``p = (w + h) / 2``.

    The region's side is ``2 * context`` times that of a square target. The rule is that of SiamFC (Bertinetto et al.,
    2016, section 3.2) and of most Siamese trackers since.

    Args:
        box: pixel boxes ``(..., 4)`` with sides above 0.
        context: how much of the surroundings belongs to the region.

    Returns:
        Square pixel boxes ``(..., 4)`` with the same centres.
    """
    width, height = box[..., 2], box[..., 3]
    padding = (width + height) / 2
    side = context * np.sqrt((width + padding) * (height + padding))
    middle = bx.centre(box)[..., :2]
    return bx.top_left(np.concatenate([middle, np.stack([side, side], axis=-1)], axis=-1))


def to_region(boxes: Array, region: Array) -> Array:
    """Pixel boxes as boxes ``cx, cy, w, h`` relative to a region: ``(..., 4)`` -> ``(..., 4)``, in [0, 1] inside it."""
    return bx.centre(boxes - _corner(region)) / region[..., 2:3]


def from_region(boxes: Array, region: Array) -> Array:
    """Boxes relative to a region as pixel boxes, ``(..., 4)`` -> ``(..., 4)``: the inverse of `to_region`."""
    return bx.top_left(boxes * region[..., 2:3]) + _corner(region)


def _corner(region: Array) -> Array:
    """A region's top-left corner, padded with zeros so that it shifts boxes: ``(..., 4)``."""
    xp = array_namespace(region)
    return xp.concat([region[..., :2], xp.zeros_like(region[..., :2])], axis=-1)


def within(box: np.ndarray, size: bx.Size | np.ndarray, smallest: float = 4.0) -> np.ndarray:
    """Pixel boxes brought back to the image: centre inside, sides from ``smallest`` pixels to the image's.

    The next region lies around this box, so it may neither leave the image nor vanish.

    Args:
        box: ``(..., 4)``.
        size: width and height of the image, or of each box's image, ``(..., 2)``.
        smallest: in an image with shorter sides, those take its place.

    Returns:
        ``(..., 4)``.
    """
    extent = np.asarray(size, np.float64)
    sides = np.clip(box[..., 2:], np.minimum(smallest, extent), extent)
    # Pixel boxes count from 1, so the image spans 1 to extent + 1.
    middle = np.clip(box[..., :2] + box[..., 2:] / 2, 1, extent + 1)
    return np.concatenate([middle - sides / 2, sides], axis=-1)


def mean_colour(frame: np.ndarray) -> tuple[float, float, float]:
    """The mean red, green and blue of a frame ``(height, width, 3)``, in [0, 255]: the colour beyond the image."""
    # Every eighth row and column: a 64th of the work for nearly the same mean.
    red, green, blue = frame[::8, ::8].reshape(-1, 3).mean(axis=0).tolist()
    return red, green, blue


def crop(frame: np.ndarray, region: np.ndarray, side: int, fill: tuple[float, float, float]) -> np.ndarray:
    """The pixels of a region, resized.

    Args:
        frame: ``(height, width, 3)`` uint8.
        region: a pixel box ``(4,)``; unequal sides are stretched to a square.
        side: rows and columns of the result.
        fill: the colour beyond the image.

    Returns:
        ``(side, side, 3)`` uint8, interpolated linearly. A region that shrinks is first averaged over blocks of ``k``
        by ``k`` pixels, where ``k`` is the factor by which it shrinks, rounded.
    """
    x, y = corner = region[:2] - 1
    across, down = region[2:] / side  # pixels of the frame per pixel of the result
    k = max(1, round(max(across, down)))
    if k > 1:  # means of whole blocks are much faster than cv2.INTER_AREA to any size
        height, width, _ = frame.shape
        # One block more on each side, which the interpolation at the border reads.
        left, top = np.clip(np.floor(corner).astype(int) - k, 0, (width, height)).tolist()
        right, bottom = np.clip(np.ceil(corner + region[2:]).astype(int) + k, 0, (width, height)).tolist()
        columns, rows = (right - left) // k, (bottom - top) // k
        if not (columns and rows):  # the region lies beyond the image
            return np.full((side, side, 3), np.round(fill), np.uint8)
        inside = frame[top : top + rows * k, left : left + columns * k]
        frame = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA)
        x, y, across, down = (x - left) / k, (y - top) / k, across / k, down / k
    # Pixel centres lie at half: output column u shows x + (u + 0.5) * across - 0.5.
    affine = np.array([[across, 0, x + 0.5 * across - 0.5], [0, down, y + 0.5 * down - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, affine, (side, side), None, flags, cv2.BORDER_CONSTANT, fill)
