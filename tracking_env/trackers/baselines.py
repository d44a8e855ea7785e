"""Baselines that look at no frame.

Each returns pixel boxes ``x, y, w, h``, ``(T, 4)``, for every frame of a sequence. Those that read more ground truth
than the first box are *oracles*: they show what a number means, and are no trackers.
"""

from collections.abc import Iterable

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence

WINDOW = 10
"""Frames of a training window: the paper's T."""
CANDIDATES = 200
"""Boxes from which the search for the best constant one starts."""


def static_first_box(sequence: Sequence) -> np.ndarray:
    """The first frame's box in every frame. No oracle."""
    return np.repeat(sequence.boxes[:1], len(sequence), axis=0)


def constant_mean_box(sequence: Sequence, training: Iterable[Sequence] = ()) -> np.ndarray:
    """The mean of the training boxes, in relative coordinates, over the frames that have one.

    Args:
        sequence: the sequence to predict.
        training: sequences that were trained on as a whole. Without them the mean is over the training third of
            ``sequence`` itself.
    """
    mean = _training_boxes(sequence, training).mean(axis=0)
    return np.repeat(bx.to_pixels(mean, sequence.size)[None], len(sequence), axis=0)


def best_constant_box(sequence: Sequence, training: Iterable[Sequence] = ()) -> np.ndarray:
    """The relative box of highest AUC on the training boxes, found by search; arguments as of `constant_mean_box`.

    An agent that is not better has learned where targets tend to be, and nothing from the frames.
    """
    boxes = _training_boxes(sequence, training)
    truth = tuple(bx.top_left(boxes).T)

    def auc(box: np.ndarray) -> float:
        # IoU does not change when both axes are scaled, so relative boxes have that of pixel boxes.
        overlaps = bx.iou(tuple(bx.top_left(box)), truth)
        return float((overlaps[:, None] > np.arange(21) / 20).mean())

    # From the best of the mean and some of the boxes themselves, in ever smaller steps.
    candidates = [boxes.mean(axis=0), *boxes[:: -(-len(boxes) // CANDIDATES)]]
    best = max(candidates, key=auc)
    score = auc(best)
    for step in (0.08, 0.04, 0.02, 0.01, 0.005):
        moves = np.concatenate([np.eye(4), -np.eye(4)]) * step
        improved = True
        while improved:
            improved = False
            for move in moves:
                other = np.clip(best + move, 0, 1)
                if auc(other) > score:
                    best, score, improved = other, auc(other), True
    return np.repeat(bx.to_pixels(best, sequence.size)[None], len(sequence), axis=0)


def _training_boxes(sequence: Sequence, training: Iterable[Sequence]) -> np.ndarray:
    """The relative training boxes of all frames that have one, ``(n, 4)`` float64."""
    relative = [other.relative for other in training] or [sequence.relative[: max(1, sequence.seen)]]
    boxes = np.concatenate(relative)
    return boxes[bx.annotated(boxes)].astype(np.float64)


def replay_and_freeze(sequence: Sequence) -> np.ndarray:
    """The true boxes of the training third, then the last of them: what memory alone scores on the paper's split."""
    # A video of one or two frames has no training third: it replays its first box.
    last = max(1, sequence.seen) - 1
    return sequence.boxes[np.minimum(np.arange(len(sequence)), last)]


def constant_velocity(sequence: Sequence) -> np.ndarray:
    """A steady motion from the last two true boxes: ``truth[t-1] + (truth[t-1] - truth[t-2])``.

    Frames 0 and 1 get the first box, since one box has no velocity.
    """
    before, last = _delayed(sequence, 2), _delayed(sequence, 1)
    return last + (last - before)


def one_frame_late(sequence: Sequence) -> np.ndarray:
    """The true box of the frame before: it shows how much the target moves."""
    return _delayed(sequence, 1)


def copy_first_of_window(sequence: Sequence, length: int = WINDOW) -> np.ndarray:
    """The true first box of each window of ``length`` frames, for the whole window.

    A policy that only copies its location input scores this where every window hands out its first true box. It scores
    well, so such an evaluation is worthless.
    """
    at = np.arange(len(sequence))
    return sequence.boxes[at - at % length]


def _delayed(sequence: Sequence, frames: int) -> np.ndarray:
    return sequence.boxes[np.maximum(np.arange(len(sequence)) - frames, 0)]
