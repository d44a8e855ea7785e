"""Proposals: the box that a pretrained network sees in each cell, and their correction for one target. Pure functions.

A network trained on other videos has its own idea of where a box ends. In the first frame the true box is known: how
far the proposals are off there is used to correct them in all later frames.

Proposals are arrays ``(5, n, n)``: a score per cell (a logit), then the box ``cx, cy, w, h`` relative to the region.
"""

import numpy as np

SHARPNESS = 3.0
"""Factor on the scores before the softmax under which the boxes are averaged."""
LIMIT = 0.5
"""Largest correction: of the centre, in box sizes; of the size, as a logarithm."""


def best(proposals: np.ndarray) -> np.ndarray:
    """The mean of the proposed boxes under a sharp softmax of their scores: ``(5, n, n)`` -> ``(4,)``."""
    scores, boxes = proposals[0].ravel(), proposals[1:].reshape(4, -1)
    weights = np.exp(SHARPNESS * (scores - scores.max()))  # less the maximum, so that no exponential overflows
    return (boxes * weights).sum(axis=1) / weights.sum()


def offset(proposals: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far proposals ``(5, n, n)`` are off in a frame whose true box ``cx, cy, w, h`` is known.

    Returns:
        ``(4,)``: the distance to the true centre over the proposed size, and the logarithm of true over proposed size;
        each at most `LIMIT` from 0.
    """
    proposal = best(proposals)
    shift = (truth[:2] - proposal[:2]) / proposal[2:]
    growth = np.log(truth[2:] / proposal[2:])
    # Proposals that miss the target altogether would need a huge correction, which would be wrong in every later frame.
    return np.concatenate([shift, growth]).clip(-LIMIT, LIMIT)


def corrected(proposals: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Proposals ``(..., 5, n, n)`` moved and resized by offsets ``(..., 4)``, see `offset`; of the same type."""
    scores, centres, sizes = np.split(proposals, [1, 3], axis=-3)
    correction = offset[..., None, None].astype(proposals.dtype)
    moved = centres + correction[..., :2, :, :] * sizes
    return np.concatenate([scores, moved, sizes * np.exp(correction[..., 2:, :, :])], axis=-3)
