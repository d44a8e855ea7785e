"""TRE and SRE: where runs start, and with which box (Wu, Lim, Yang, *Online Object Tracking: A Benchmark*, 2013).

The formulas are those of the benchmark's toolkit (``splitSeqTRE``, ``shiftInitBB``): pure functions on indices, which
count from 0, and on pixel boxes ``x, y, w, h``. (`tracking_env.evaluation.scoring` scores the runs.)
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from tracking_env.boxes import Size

Protocol = Literal["ope", "tre", "sre"]
"""One-pass, temporal robustness and spatial robustness evaluation."""

STARTS = 20
"""Start frames of TRE, the first frame included."""
SHORTEST = 20
"""Frames that the last of them leaves."""
SHIFT = 0.1
"""How far SRE moves a side, over the box's width or height."""
SCALES = (0.8, 0.9, 1.1, 1.2)
"""By how much SRE scales the box about its centre."""


def starts(truth: np.ndarray) -> list[int]:
    """TRE's start frames, ascending: spread evenly over the frames where the target is seen.

    Args:
        truth: true boxes, ``(T, 4)``. A run cannot start where a component is not above 0.

    Returns:
        `STARTS` indices, the first valid frame first. Fewer, each once, where there are fewer frames to start from;
        only the first valid frame where none leaves `SHORTEST` frames; none without a valid frame.
    """
    valid = np.flatnonzero(np.min(truth, axis=1) > 0)
    usable = max(int((valid <= len(truth) - SHORTEST).sum()), min(1, len(valid)))
    steps = STARTS - 1
    # The toolkit's [floor(1:usable/steps:usable) usable], counted from 0 and in whole numbers.
    places = {k * usable // steps for k in range(steps) if k * usable <= steps * (usable - 1)} | {usable - 1}
    return [int(valid[place]) for place in sorted(places)] if usable else []


def segments(length: int, first: Iterable[int]) -> list[range]:
    """The frames of each of TRE's runs over a sequence of ``length`` frames: from its start frame to the end."""
    return [range(start, length) for start in first]


def perturbed(box: np.ndarray, size: Size) -> dict[str, np.ndarray]:
    """SRE's twelve first boxes by name, in the toolkit's order.

    ``left`` to ``down`` move the box by `SHIFT` of its size, rounded up to whole pixels. ``top-left`` to
    ``bottom-right`` move that corner outwards, the opposite one stays. ``scale-0.8`` to ``scale-1.2`` keep the centre.

    Args:
        box: the true first box, ``(4,)``.
        size: width and height of the image, in which the boxes are kept as the toolkit does it: a corner left of or
            above it is moved in with its box, what sticks out on the right or below is cut off.
    """
    x, y, w, h = map(float, box)
    dx, dy = SHIFT * w, SHIFT * h
    left, top, right, bottom = _round(x - dx), _round(y - dy), _round(x + w - 1 + dx) + 1, _round(y + h - 1 + dy) + 1
    boxes = {
        "left": [x - np.ceil(dx), y, w, h],
        "right": [x + np.ceil(dx), y, w, h],
        "up": [x, y - np.ceil(dy), w, h],
        "down": [x, y + np.ceil(dy), w, h],
        "top-left": [left, top, x + w - left, y + h - top],
        "top-right": [x, top, right - x, y + h - top],
        "bottom-left": [left, y, x + w - left, bottom - y],
        "bottom-right": [x, y, right - x, bottom - y],
    }
    for scale in SCALES:
        sides = scale * w, scale * h
        corner = x + w / 2 - sides[0] / 2, y + h / 2 - sides[1] / 2
        boxes[f"scale-{scale}"] = [_round(value) for value in (*corner, *sides)]
    return {name: _inside(np.array(values), size) for name, values in boxes.items()}


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero as MATLAB does it."""
    return float(np.copysign(np.floor(abs(value) + 0.5), value))


def _inside(box: np.ndarray, size: Size) -> np.ndarray:
    corner = np.maximum(box[:2], 1)
    return np.concatenate([corner, np.minimum(box[2:], np.array(size) - corner + 1)])
