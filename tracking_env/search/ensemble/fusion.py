"""One box from the boxes of several experts. Pure functions; leading axes are kept.

With equal trust this is the hand-made rule: the mean box, and where the boxes overlap too little to be of one target,
the box of the most confident expert.
"""

import numpy as np

from tracking_env import boxes as bx

APART = 0.3
"""IoU below which two boxes are taken to be on different targets; their mean would be on neither."""
SHARPNESS = 8.0
"""Trust is in [-1, 1]; a difference of 0.5 gives the better expert 0.98 of the weight."""
SHIFT, GROWTH = 0.2, 0.2
"""The largest residual: in sizes of the box, and as the logarithm of a factor."""


def fuse(boxes: np.ndarray, trust: np.ndarray, confidence: np.ndarray, running: np.ndarray) -> np.ndarray:
    """The mean of the boxes that overlap the leader's, weighted by trust.

    The leader is the most trusted expert; of equally trusted ones the most confident.

    Args:
        boxes: the experts' pixel boxes ``(..., K, 4)``.
        trust: in each expert, ``(..., K)``; only differences count.
        confidence: each expert's own, ``(..., K)`` in [0, 1].
        running: which experts have looked at this frame, ``(..., K)`` bool, at least one; the others do not count.

    Returns:
        Pixel boxes ``(..., 4)``.
    """
    trust = np.where(running, trust, -np.inf)
    most = trust.max(axis=-1, keepdims=True)
    leader = np.where(trust == most, confidence, -np.inf).argmax(axis=-1)
    leading = np.take_along_axis(boxes, leader[..., None, None], axis=-2)
    near = overlaps(boxes, leading) >= APART
    np.put_along_axis(
        near, leader[..., None], True, axis=-1
    )  # of a box without area the overlap is 0, also with itself
    weights = np.exp(SHARPNESS * (trust - most)) * near
    return (weights[..., None] * boxes).sum(axis=-2) / weights.sum(axis=-1)[..., None]


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of pixel boxes ``(..., 4)`` that broadcast against each other."""
    return bx.iou(*np.broadcast_arrays(boxes, others))


def correct_boxes(boxes: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """Boxes with a correction that is constant for a target, see `measure_correction`.

    Args:
        boxes: pixel boxes ``(..., 4)``.
        correction: shift of the centre in sizes of the box, and logarithms of factors, ``(..., 4)``.
    """
    sides = boxes[..., 2:]
    centre = boxes[..., :2] + sides / 2 + correction[..., :2] * sides
    sides = sides * np.exp(correction[..., 2:])
    return np.concatenate([centre - sides / 2, sides], axis=-1)


def measure_correction(boxes: np.ndarray, truth: np.ndarray, share: float) -> np.ndarray:
    """What `correct_boxes` needs to bring an expert's boxes to the annotator's convention.

    Experts and annotators disagree on what belongs to a target, by an amount that hardly changes within a video.

    Args:
        boxes: an expert's pixel boxes ``(looks, ..., 4)`` in the first frame, from several looks.
        truth: the true pixel box ``(..., 4)``.
        share: of the median error that is corrected.

    Returns:
        ``(..., 4)``.
    """
    sides = np.maximum(boxes[..., 2:], 1.0)
    shift = (bx.centre(np.broadcast_to(truth, boxes.shape))[..., :2] - bx.centre(boxes)[..., :2]) / sides
    growth = np.log(np.maximum(truth[..., 2:], 1.0) / sides)
    return share * np.median(np.concatenate([shift, growth], axis=-1), axis=0)


def move_box(boxes: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Boxes moved by a residual ``(..., 4)`` in [-1, 1]: centre x, y, width, height; 0 moves nothing."""
    scale = np.array([SHIFT, SHIFT, GROWTH, GROWTH])
    return correct_boxes(boxes, residual * scale)
