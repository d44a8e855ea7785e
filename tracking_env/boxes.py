"""Box formats and overlap measures: pure functions on ``(..., 4)`` arrays of NumPy, torch or any array-API library.

Two formats are used everywhere:

* **pixel box** ``x, y, w, h``: top-left corner and size in pixels; the first pixel is 1, as in OTB's files;
* **relative box** ``cx, cy, w, h``: centre and size divided by the image's width and height, so all are in [0, 1] for a
  box inside the image. This is the paper's ``l_t`` (section 3.1.2) and the environment's action.

Instead of an array, a box may be a tuple of its four components: finite Python floats, or arrays of one shape. The
functions then return a tuple. For a single box floats take a tenth of the time of an array; the environments use them.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any
"""A NumPy array, a torch tensor, or a tuple of four components."""
Size = tuple[int, int]
"""Width and height of an image in pixels."""


class _Floats:
    """The functions of an array library that the formulas use, for Python floats."""

    abs, sqrt, maximum, minimum = abs, math.sqrt, max, min

    @staticmethod
    def where(condition: bool, a: float, b: float) -> float:
        return a if condition else b

    @staticmethod
    def ones_like(_: float) -> float:
        return 1.0

    @staticmethod
    def zeros_like(_: float) -> float:
        return 0.0


def namespace(component: Array) -> Any:
    """The array library of a component of a box, or its substitute for Python floats."""
    # Not isinstance: NumPy's float64 is a subclass of float, and belongs to NumPy.
    return _Floats if type(component) is float else array_namespace(component)


def components(boxes: Array) -> tuple[Array, Array, Array, Array]:
    """The four components of boxes ``(..., 4)`` as views ``(...)``; a tuple is returned as it is."""
    return boxes if isinstance(boxes, tuple) else (boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3])


def _like(boxes: Array, *parts: Array) -> Array:
    """Four components in the form that ``boxes`` have: a tuple, or stacked along the last axis."""
    return parts if isinstance(boxes, tuple) else array_namespace(boxes).stack(parts, axis=-1)


def _limit(component: Array, low: float, high: float | None = None) -> Array:
    """A component brought into ``[low, high]``."""
    if type(component) is float:
        return low if component < low else high if high is not None and component > high else component
    if isinstance(component, np.ndarray):  # np.clip takes four times as long on a few hundred numbers
        component = np.maximum(component, low)
        return component if high is None else np.minimum(component, high)
    return component.clip(low, high)


def top_left(boxes: Array) -> Array:
    """Centre boxes ``cx, cy, w, h`` as top-left boxes ``x, y, w, h`` in the same unit: ``(..., 4)`` -> ``(..., 4)``."""
    x, y, w, h = components(boxes)
    return _like(boxes, x - w / 2, y - h / 2, w, h)


def centre(boxes: Array) -> Array:
    """Top-left boxes ``x, y, w, h`` as centre boxes ``cx, cy, w, h`` in the same unit: ``(..., 4)`` -> ``(..., 4)``."""
    x, y, w, h = components(boxes)
    return _like(boxes, x + w / 2, y + h / 2, w, h)


def to_zero_based(boxes: Array) -> Array:
    """Pixel boxes, whose first pixel is 1, as top-left boxes whose first pixel is 0: ``(..., 4)`` -> ``(..., 4)``."""
    x, y, w, h = components(boxes)
    return _like(boxes, x - 1, y - 1, w, h)


def to_one_based(boxes: Array) -> Array:
    """Top-left boxes whose first pixel is 0 as pixel boxes: the inverse of `to_zero_based`."""
    x, y, w, h = components(boxes)
    return _like(boxes, x + 1, y + 1, w, h)


def to_relative(boxes: Array, size: Size) -> Array:
    """Pixel boxes as relative boxes.

    Args:
        boxes: ``x, y, w, h``, ``(..., 4)``.
        size: width and height of the image in pixels.

    Returns:
        ``cx, cy, w, h``, ``(..., 4)``.

    Example::

        to_relative((51.0, 11.0, 20.0, 10.0), (200, 100))  # (0.3, 0.15, 0.1, 0.1)
    """
    x, y, w, h = components(boxes)
    width, height = size
    # Pixel boxes count from 1. From 0 the box of the whole image becomes 0.5, 0.5, 1, 1.
    cx, cy, w, h = centre((x - 1, y - 1, w, h))
    return _like(boxes, cx / width, cy / height, w / width, h / height)


def to_pixels(boxes: Array, size: Size) -> Array:
    """Relative boxes as pixel boxes: the inverse of `to_relative`.

    Args:
        boxes: ``cx, cy, w, h``, ``(..., 4)``.
        size: width and height of the image in pixels; for a tuple of arrays they may be arrays of the same shape.

    Returns:
        ``x, y, w, h``, ``(..., 4)``.
    """
    cx, cy, w, h = components(boxes)
    width, height = size
    x, y, w, h = top_left((cx * width, cy * height, w * width, h * height))
    return _like(boxes, x + 1, y + 1, w, h)


def clip_box(boxes: Array) -> Array:
    """Relative boxes with every component clipped to [0, 1]: ``(..., 4)`` -> ``(..., 4)``."""
    if not isinstance(boxes, tuple):
        return boxes.clip(0, 1)
    x, y, w, h = boxes
    return _limit(x, 0.0, 1.0), _limit(y, 0.0, 1.0), _limit(w, 0.0, 1.0), _limit(h, 0.0, 1.0)


def bounding_box(polygon: Sequence[float]) -> list[float]:
    """The upright box ``x, y, w, h`` around a polygon ``x1, y1, x2, y2, ...``, in its coordinates.

    Example:
        >>> bounding_box([2, 1, 4, 3, 2, 5, 0, 3])
        [0, 1, 4, 4]
    """
    xs, ys = polygon[::2], polygon[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def upright_boxes(regions: np.ndarray) -> np.ndarray:
    """Upright boxes ``(T, 4)`` around the corners of polygons ``(T, 8)``; boxes ``(T, 4)`` are returned as they are."""
    if regions.shape[1] == 4:
        return regions
    corners = regions.reshape(len(regions), -1, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    return np.concatenate([low, high - low], axis=1)


def annotated(boxes: Array) -> Array:
    """Which rows are boxes, with both sides above 0: ``(..., 4)`` -> ``(...)`` bool. It is False for NaN.

    The other rows stand for frames without a ground-truth box: the target is out of sight, or nobody annotated it.
    """
    return (boxes[..., 2] > 0) & (boxes[..., 3] > 0)


def iou(a: Array, b: Array) -> Array:
    """Overlap of top-left boxes: intersection area over union area (Eq. 3).

    Boxes are continuous: a box of width 10 is 10 wide, wherever it starts.

    Args:
        a: boxes ``x, y, w, h``, ``(..., 4)``, in any unit.
        b: boxes in the same unit, broadcast against ``a``.

    Returns:
        ``(...)`` in [0, 1]; 0 where either box has ``w <= 0`` or ``h <= 0``, NaN where either has a NaN.
    """
    ax, ay, aw, ah = components(a)
    bx, by, bw, bh = components(b)
    xp = namespace(ax)
    # Boxes apart from each other give negative lengths, and two of these a positive area.
    width = _limit(xp.minimum(ax + aw, bx + bw) - xp.maximum(ax, bx), 0.0)
    height = _limit(xp.minimum(ay + ah, by + bh) - xp.maximum(ay, by), 0.0)
    intersection = width * height
    union = aw * ah + bw * bh - intersection
    # Boxes without sides stand for absent targets and overlap nothing, not even each other. Products of tiny sides can
    # be 0.
    empty = (aw <= 0) | (ah <= 0) | (bw <= 0) | (bh <= 0) | (union <= 0)
    ratio = intersection / xp.where(empty, xp.ones_like(union), union)  # no division by 0
    # Rounding can give equal boxes slightly more than 1.
    return xp.where(empty, xp.zeros_like(union), _limit(ratio, 0.0, 1.0))


def centre_error(a: Array, b: Array) -> Array:
    """Euclidean distance between the centres of top-left boxes, in their unit: ``(..., 4)`` twice -> ``(...)``."""
    ax, ay, _, _ = centre(components(a))
    bx, by, _, _ = centre(components(b))
    dx, dy = ax - bx, ay - by
    return namespace(dx).sqrt(dx * dx + dy * dy)
