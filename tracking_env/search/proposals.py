"""Boxes that a pretrained network proposes, one per cell, and how far they are off on one target. Pure functions.

A network that was trained on other videos has its own idea of where a box ends. What it proposes in the first frame,
where the true box is known, tells how it is to be corrected for this target.
"""

import numpy as np

SHARPNESS = 3.0
"""Of the softmax over scores under which the boxes are averaged."""
LIMIT = 0.5
"""The largest correction: of the centre in sizes, of sizes in logarithms."""


def best(proposals: np.ndarray) -> np.ndarray:
    """The one box that proposals ``(5, n, n)`` amount to, ``(4,)``: their mean, nearly all of it the best ones'."""
    scores, boxes = proposals[0].ravel(), proposals[1:].reshape(4, -1)
    weights = np.exp(SHARPNESS * (scores - scores.max()))
    return (boxes * weights).sum(axis=1) / weights.sum()


def offset(proposals: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far proposals ``(5, n, n)`` are off where the box ``cx, cy, w, h`` is known, ``(4,)``.

    Returns:
        The centre's over the proposed size, and the logarithm of the sizes' ratio.
    """
    said = best(proposals)
    moved = (truth[:2] - said[:2]) / said[2:]
    return np.concatenate([moved, np.log(truth[2:] / said[2:])]).clip(-LIMIT, LIMIT)


def corrected(proposals: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Proposals ``(5, n, n)`` moved and resized by what `offset` found, of the same type."""
    scores, middles, sizes = proposals[:1], proposals[1:3], proposals[3:]
    by = offset[:, None, None].astype(proposals.dtype)
    return np.concatenate([scores, middles + by[:2] * sizes, sizes * np.exp(by[2:])])
