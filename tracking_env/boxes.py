"""Box formats and their measures: pure functions on ``(..., 4)`` arrays of NumPy, torch or any array-API library.

Two formats are used everywhere:

* **pixel box** ``x, y, w, h``: top-left corner, in pixels, 1-based as OTB writes it;
* **relative box** ``cx, cy, w, h``: centre and size divided by the image's width and height, so all in [0, 1] for a box
  inside the image. This is the paper's ``l_t`` (section 3.1.2) and the environment's action.
"""

from typing import Any

from array_api_compat import array_namespace

Array = Any  # NumPy array or torch tensor: the formulas below serve both
Size = tuple[int, int]


def top_left(boxes: Array) -> Array:
    """Centre boxes ``cx, cy, w, h`` as top-left boxes ``x, y, w, h``, in the same unit. Shape ``(..., 4)`` kept."""
    xp = array_namespace(boxes)
    return xp.concat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def centre(boxes: Array) -> Array:
    """Top-left boxes ``x, y, w, h`` as centre boxes ``cx, cy, w, h``, in the same unit. Shape ``(..., 4)`` kept."""
    xp = array_namespace(boxes)
    return xp.concat([boxes[..., :2] + boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def to_relative(boxes: Array, size: Size) -> Array:
    """Pixel boxes (1-based) as relative boxes, for an image of ``size = (width, height)``. Shape ``(..., 4)`` kept."""
    xp = array_namespace(boxes)
    scale = xp.asarray([*size, *size], dtype=boxes.dtype)
    one_based = xp.asarray([1, 1, 0, 0], dtype=boxes.dtype)
    return centre(boxes - one_based) / scale


def to_pixels(boxes: Array, size: Size) -> Array:
    """Relative boxes as pixel boxes (1-based): the inverse of `to_relative`. Shape ``(..., 4)`` kept."""
    xp = array_namespace(boxes)
    scale = xp.asarray([*size, *size], dtype=boxes.dtype)
    one_based = xp.asarray([1, 1, 0, 0], dtype=boxes.dtype)
    return top_left(boxes * scale) + one_based


def clip(boxes: Array) -> Array:
    """Relative boxes with every component brought into [0, 1]. Shape ``(..., 4)`` kept."""
    return boxes.clip(0, 1)


def annotated(boxes: Array) -> Array:
    """Which rows are boxes: both sides above 0. ``(..., 4)`` -> ``(...)`` bool; False for NaN.

    The others stand for frames without a true box: the target is out of sight, or nobody wrote down where it is.
    """
    return (boxes[..., 2] > 0) & (boxes[..., 3] > 0)


def iou(a: Array, b: Array) -> Array:
    """Overlap of continuous top-left boxes: intersection area over union area (Eq. 3), in [0, 1].

    Args:
        a: boxes ``x, y, w, h``, shape ``(..., 4)``, any unit.
        b: boxes in the same unit; broadcast against ``a``.

    Returns:
        Shape ``(...)``. 0 where either box has ``w <= 0`` or ``h <= 0``, NaN where either has a NaN.
    """
    xp = array_namespace(a, b)
    low = xp.maximum(a[..., :2], b[..., :2])
    high = xp.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    sides = (high - low).clip(0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
    one, zero = xp.ones_like(union), xp.zeros_like(union)
    empty = (a[..., 2] <= 0) | (a[..., 3] <= 0) | (b[..., 2] <= 0) | (b[..., 3] <= 0) | (union <= 0)
    ratio = intersection / xp.where(empty, one, union)
    return xp.where(empty, zero, ratio.clip(0, 1))  # rounding takes equal boxes a hair past 1


def centre_error(a: Array, b: Array) -> Array:
    """Euclidean distance between the centres of top-left boxes, in their unit. ``(..., 4)`` twice -> ``(...)``."""
    xp = array_namespace(a, b)
    offset = centre(a)[..., :2] - centre(b)[..., :2]
    return xp.sqrt(xp.sum(offset * offset, axis=-1))
