"""Box formats and their measures: pure functions on ``(..., 4)`` arrays of NumPy, torch or any array-API library.

Two formats are used everywhere:

* **pixel box** ``x, y, w, h``: top-left corner, in pixels, 1-based as OTB writes it;
* **relative box** ``cx, cy, w, h``: centre and size divided by the image's width and height, so all in [0, 1] for a box
  inside the image. This is the paper's ``l_t`` (section 3.1.2) and the environment's action.

Instead of an array, a box may be a tuple of its four components: finite Python floats (one box at a time costs a tenth
of an array's time, and the environment steps so), or arrays of one shape. The answer comes in kind.
"""

import math
from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any  # NumPy array, torch tensor, or a tuple of four components: the formulas below serve all
Size = tuple[int, int]


class _Floats:
    """What the formulas use of an array namespace, for Python floats."""

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
    """The functions for a component of a box: its array library's, or those of Python floats."""
    return _Floats if type(component) is float else array_namespace(component)


def components(boxes: Array) -> tuple[Array, Array, Array, Array]:
    """``(..., 4)`` as four views ``(...)``; a tuple as it is."""
    return boxes if isinstance(boxes, tuple) else (boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3])


def _like(boxes: Array, *parts: Array) -> Array:
    """Four components in the form that ``boxes`` have: a tuple, or stacked along the last axis."""
    return parts if isinstance(boxes, tuple) else array_namespace(boxes).stack(parts, axis=-1)


def _limit(component: Array, low: float, high: float | None = None) -> Array:
    if type(component) is float:
        return low if component < low else high if high is not None and component > high else component
    if isinstance(component, np.ndarray):  # on a few hundred numbers `clip` takes four times as long
        component = np.maximum(component, low)
        return component if high is None else np.minimum(component, high)
    return component.clip(low, high)


def top_left(boxes: Array) -> Array:
    """Centre boxes ``cx, cy, w, h`` as top-left boxes ``x, y, w, h``, in the same unit. Shape ``(..., 4)`` kept."""
    x, y, w, h = components(boxes)
    return _like(boxes, x - w / 2, y - h / 2, w, h)


def centre(boxes: Array) -> Array:
    """Top-left boxes ``x, y, w, h`` as centre boxes ``cx, cy, w, h``, in the same unit. Shape ``(..., 4)`` kept."""
    x, y, w, h = components(boxes)
    return _like(boxes, x + w / 2, y + h / 2, w, h)


def to_zero_based(boxes: Array) -> Array:
    """Top-left boxes ``x, y, w, h`` whose first pixel is 1 as boxes whose first pixel is 0. Shape ``(..., 4)`` kept."""
    x, y, w, h = components(boxes)
    return _like(boxes, x - 1, y - 1, w, h)


def to_one_based(boxes: Array) -> Array:
    """Top-left boxes whose first pixel is 0 as boxes whose first pixel is 1. Shape ``(..., 4)`` kept."""
    x, y, w, h = components(boxes)
    return _like(boxes, x + 1, y + 1, w, h)


def to_relative(boxes: Array, size: Size) -> Array:
    """Pixel boxes (1-based) as relative boxes, for an image of ``size = (width, height)``. Shape ``(..., 4)`` kept."""
    x, y, w, h = components(boxes)
    width, height = size
    cx, cy, w, h = centre((x - 1, y - 1, w, h))
    return _like(boxes, cx / width, cy / height, w / width, h / height)


def to_pixels(boxes: Array, size: Size) -> Array:
    """Relative boxes as pixel boxes (1-based): the inverse of `to_relative`. Shape ``(..., 4)`` kept.

    With components, ``size`` may be two arrays of their shape.
    """
    cx, cy, w, h = components(boxes)
    width, height = size
    x, y, w, h = top_left((cx * width, cy * height, w * width, h * height))
    return _like(boxes, x + 1, y + 1, w, h)


def clip_box(boxes: Array) -> Array:
    """Relative boxes with every component brought into [0, 1]. Shape ``(..., 4)`` kept."""
    if not isinstance(boxes, tuple):
        return boxes.clip(0, 1)
    x, y, w, h = boxes
    return _limit(x, 0.0, 1.0), _limit(y, 0.0, 1.0), _limit(w, 0.0, 1.0), _limit(h, 0.0, 1.0)


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
    ax, ay, aw, ah = components(a)
    bx, by, bw, bh = components(b)
    xp = namespace(ax)
    width = _limit(xp.minimum(ax + aw, bx + bw) - xp.maximum(ax, bx), 0.0)
    height = _limit(xp.minimum(ay + ah, by + bh) - xp.maximum(ay, by), 0.0)
    intersection = width * height
    union = aw * ah + bw * bh - intersection
    one, zero = xp.ones_like(union), xp.zeros_like(union)
    empty = (aw <= 0) | (ah <= 0) | (bw <= 0) | (bh <= 0) | (union <= 0)
    ratio = intersection / xp.where(empty, one, union)
    return xp.where(empty, zero, _limit(ratio, 0.0, 1.0))  # rounding takes equal boxes a hair past 1


def centre_error(a: Array, b: Array) -> Array:
    """Euclidean distance between the centres of top-left boxes, in their unit. ``(..., 4)`` twice -> ``(...)``."""
    ax, ay, _, _ = centre(components(a))
    bx, by, _, _ = centre(components(b))
    dx, dy = ax - bx, ay - by
    return namespace(dx).sqrt(dx * dx + dy * dy)
