"""Start frames of TRE and first boxes of SRE (Wu, Lim, Yang, *Online Object Tracking: A Benchmark*, 2013).

The formulas are those of the benchmark's toolkit (``splitSeqTRE``, ``shiftInitBB``): pure functions of indices, which
count from 0, and of pixel boxes ``x, y, w, h``. `tracking_env.evaluation.scoring` scores the runs.
"""

from typing import Literal

import numpy as np

from tracking_env.boxes import Size

ProtocolName = Literal["ope", "tre", "sre", "vot"]
"""One-pass, temporal robustness or spatial robustness evaluation, or VOT's starts at anchors."""

STARTS = 20
"""Number of TRE's start frames, the first frame included."""
SHORTEST = 20
"""Number of frames in TRE's shortest run."""
SHIFT = 0.1
"""How far SRE moves a side, as a share of the box's width or height."""
SCALES = (0.8, 0.9, 1.1, 1.2)
"""Factors by which SRE scales the box about its centre."""


def choose_start_frames(truth: np.ndarray) -> list[int]:
    """TRE's start frames, ascending: spread evenly over the frames with a true box.

    Args:
        truth: true boxes, ``(T, 4)``. A run cannot start where a component is not above 0.

    Returns:
        `STARTS` indices, the first valid frame first. There are fewer, each once, if there are fewer frames to start
        from; only the first valid frame if no frame leaves `SHORTEST` frames; none without a valid frame.

    Example:
        >>> choose_start_frames(np.ones((24, 4)))
        [0, 1, 2, 3, 4]
    """
    valid = np.flatnonzero(np.min(truth, axis=1) > 0)
    # If no frame leaves SHORTEST frames, the first valid frame is still a start.
    usable = max(int((valid <= len(truth) - SHORTEST).sum()), min(1, len(valid)))
    steps = STARTS - 1
    # The toolkit's [floor(1:usable/steps:usable) usable], counted from 0 and in whole numbers.
    places = {k * usable // steps for k in range(steps) if k * usable <= steps * (usable - 1)} | {usable - 1}
    return [int(valid[place]) for place in sorted(places)] if usable else []


def perturb_first_box(box: np.ndarray, size: Size) -> dict[str, np.ndarray]:
    """SRE's twelve first boxes by name, in the toolkit's order.

    ``left`` to ``down`` move the box by `SHIFT` of its size, rounded up to whole pixels. ``top-left`` to
    ``bottom-right`` move that corner outwards; the opposite corner stays. ``scale-0.8`` to ``scale-1.2`` keep the
    centre.

    Args:
        box: the true first box, ``(4,)``.
        size: width and height of the image. As in the toolkit, a corner left of or above the image is moved into it
            with its box. Then the box is cut at the right and bottom edges.

    Example:
        >>> perturb_first_box(np.array([101, 51, 30, 25]), (320, 240))["left"]
        array([98., 51., 30., 25.])
    """
    x, y, w, h = map(float, box)
    dx, dy = SHIFT * w, SHIFT * h
    # Pixel boxes are 1-based: the last column is x + w - 1. The toolkit rounds the columns and rows, not the sides.
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
    return {name: _move_inside(np.array(values), size) for name, values in boxes.items()}


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero as in MATLAB."""
    return float(np.copysign(np.floor(abs(value) + 0.5), value))


def _move_inside(box: np.ndarray, size: Size) -> np.ndarray:
    # Sides are cut after the corner has moved, so a box keeps its size where it leaves on the left or above.
    corner = np.maximum(box[:2], 1)
    return np.concatenate([corner, np.minimum(box[2:], np.array(size) - corner + 1)])
