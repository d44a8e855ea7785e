"""Search regions: the square that a tracker looks at, around where it last pointed. Pure functions.

A region is a pixel box (1-based, as all pixel boxes) with equal sides; it may reach beyond the image. Boxes inside are
given relative to it: centre and size over its side, as `boxes.to_relative` does for the image.
"""

import cv2
import numpy as np
from array_api_compat import array_namespace

from tracking_env import boxes as bx
from tracking_env.boxes import Array


def around(box: np.ndarray, context: float) -> np.ndarray:
    """The region around a target: ``context`` times the square of area (w + p)(h + p), where p = (w + h) / 2.

    So the sides of a square target's region are ``2 * context`` of its own (Bertinetto et al., 2016, section 3.2, from
    where most Siamese trackers have it).

    Args:
        box: pixel boxes ``(..., 4)`` with sides above 0.
        context: how far to look.

    Returns:
        Pixel boxes ``(..., 4)`` with the same centres.
    """
    width, height = box[..., 2], box[..., 3]
    padding = (width + height) / 2
    side = context * np.sqrt((width + padding) * (height + padding))
    middle = bx.centre(box)[..., :2]
    return bx.top_left(np.concatenate([middle, np.stack([side, side], axis=-1)], axis=-1))


def to_region(boxes: Array, region: Array) -> Array:
    """Pixel boxes as boxes ``cx, cy, w, h`` relative to a region, in [0, 1] for a box inside. ``(..., 4)`` kept."""
    return bx.centre(boxes - _corner(region)) / region[..., 2:3]


def from_region(boxes: Array, region: Array) -> Array:
    """Boxes relative to a region as pixel boxes: the inverse of `to_region`. ``(..., 4)`` kept."""
    return bx.top_left(boxes * region[..., 2:3]) + _corner(region)


def _corner(region: Array) -> Array:
    xp = array_namespace(region)
    return xp.concat([region[..., :2], xp.zeros_like(region[..., :2])], axis=-1)


def within(box: np.ndarray, size: bx.Size, smallest: float = 4.0) -> np.ndarray:
    """A pixel box brought back to the image: centre inside, sides from ``smallest`` pixels to the image's.

    What is looked at next is found around it, so it may not leave the image nor vanish.
    """
    extent = np.array(size, dtype=np.float64)
    sides = np.clip(box[2:], np.minimum(smallest, extent), extent)
    middle = np.clip(box[:2] + box[2:] / 2, 1, extent + 1)
    return np.concatenate([middle - sides / 2, sides])


def mean_colour(frame: np.ndarray) -> tuple[float, float, float]:
    """What stands for pixels beyond the image: the mean colour of the frame, from every eighth row and column."""
    red, green, blue = frame[::8, ::8].reshape(-1, 3).mean(axis=0).tolist()
    return red, green, blue


def crop(frame: np.ndarray, region: np.ndarray, side: int, fill: tuple[float, float, float]) -> np.ndarray:
    """The pixels of a region, resized.

    Args:
        frame: ``(height, width, 3)`` uint8.
        region: a pixel box ``(4,)``; where its sides differ, what it shows is stretched.
        side: rows and columns of the result.
        fill: the colour beyond the image.

    Returns:
        ``(side, side, 3)`` uint8, interpolated between pixels; where it shrinks, between the means of ``k`` by ``k``
        pixels, with ``k`` the whole number next to how many pixels become one.
    """
    x, y = corner = region[:2] - 1
    across, down = region[2:] / side
    k = max(1, round(max(across, down)))
    if k > 1:  # means of whole blocks are much faster than cv2.INTER_AREA to any size
        height, width, _ = frame.shape
        left, top = np.clip(np.floor(corner).astype(int) - k, 0, (width, height)).tolist()
        right, bottom = np.clip(np.ceil(corner + region[2:]).astype(int) + k, 0, (width, height)).tolist()
        columns, rows = (right - left) // k, (bottom - top) // k
        if not (columns and rows):
            return np.full((side, side, 3), np.round(fill), np.uint8)
        window = frame[top : top + rows * k, left : left + columns * k]
        frame = cv2.resize(window, (columns, rows), interpolation=cv2.INTER_AREA)
        x, y, across, down = (x - left) / k, (y - top) / k, across / k, down / k
    # Pixel centres lie at half: output column u shows x + (u + 0.5) * across - 0.5.
    affine = np.array([[across, 0, x + 0.5 * across - 0.5], [0, down, y + 0.5 * down - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, affine, (side, side), None, how, cv2.BORDER_CONSTANT, fill)
