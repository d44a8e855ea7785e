"""What experts report of a frame."""

from typing import NamedTuple

import numpy as np

from tracking_env.search.experts import Look

FAR = 0.5
"""Share of the search region's cells, from the best one, beyond which a peak counts as another object's."""
LONG_AGO = 100.0
"""Frames since an expert was put back, where it never was."""


class Report(NamedTuple):
    """What K experts report of a frame, for N targets."""

    boxes: np.ndarray
    """each expert's pixel box, corrected, ``(N, K, 4)``"""
    confidence: np.ndarray
    """its score, ``(N, K)`` in [0, 1]; 0 of an expert that did not run"""
    second_peak: np.ndarray
    """the best score of its map far from its box, ``(N, K)``: a lookalike, or nothing"""
    cross_score: np.ndarray
    """``[n, k, j]``: the score of expert k's map at expert j's box, ``(N, K, K)``; 0 outside of its region"""
    first_likeness: np.ndarray
    """cosine of the features inside its box with those of the first frame, ``(N, K)``"""
    recent_likeness: np.ndarray
    """and with the mean of recent ones"""
    motion: np.ndarray
    """how far its box moved, in its own sizes, ``(N, K)``"""
    growth: np.ndarray
    """logarithm of its change of area, ``(N, K)``"""
    relative_area: np.ndarray
    """logarithm of its area over the first box's, ``(N, K)``"""
    since_reset: np.ndarray
    """frames since it was put back, ``(N, K)``, at most `LONG_AGO`"""
    running: np.ndarray
    """whether it looked at this frame, ``(N, K)`` bool"""


def find_second_peak(scores: np.ndarray, cell: tuple[int, int]) -> float:
    """The best score ``(n, n)`` in cells that are far from one."""
    at = np.arange(len(scores))
    distance = np.maximum(np.abs(at[:, None] - cell[0]), np.abs(at - cell[1]))
    far = distance > FAR * len(scores) / 2
    return float(scores[far].max()) if far.any() else 0.0


def find_scores_at(look: Look, boxes: np.ndarray) -> np.ndarray:
    """The best score of a map near the centre of each box ``(K, 4)``: ``(K,)``, 0 outside of its region."""
    cells = look.boxes[..., :2] + look.boxes[..., 2:] / 2
    scores = np.zeros(len(boxes))
    for index, box in enumerate(boxes):
        near = np.linalg.norm(cells - (box[:2] + box[2:] / 2), axis=-1) <= np.sqrt(box[2:].prod()) / 2
        if near.any():
            scores[index] = look.scores[near].max()
    return scores
