"""The lines every results table needs: trackers that do not look.

Each returns pixel boxes ``x, y, w, h``, ``(T, 4)``, for every frame of a sequence. Those that use more of the truth
than its first box say so: they are yardsticks, not trackers.
"""

from collections.abc import Sequence as Several

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence


def static_first_box(sequence: Sequence) -> np.ndarray:
    """The first frame's true box, for ever."""
    return np.repeat(sequence.boxes[:1], len(sequence), axis=0)


def constant_mean_box(sequence: Sequence, training: Several[Sequence] = ()) -> np.ndarray:
    """The mean of the training boxes, in relative coordinates, over the frames that have one.

    Args:
        sequence: where it is tested.
        training: the sequences that were trained on as a whole; without them the mean is over the seen third of
            ``sequence`` itself (truth that a tracker started in frame 1 does not have).
    """
    known = np.concatenate([one.relative for one in training] or [sequence.relative[: max(1, sequence.seen)]])
    mean = known[bx.annotated(known)].mean(axis=0, dtype=np.float64)
    return np.repeat(bx.to_pixels(mean, sequence.size)[None], len(sequence), axis=0)


def replay_and_freeze(sequence: Sequence) -> np.ndarray:
    """The true boxes of the seen third, and then the last of them: what memory alone is worth on the paper's split."""
    last = max(1, sequence.seen) - 1
    return sequence.boxes[np.minimum(np.arange(len(sequence)), last)]


def constant_velocity(sequence: Sequence) -> np.ndarray:
    """What a steady motion from the last two true boxes gives: ``truth[t-1] + (truth[t-1] - truth[t-2])``.

    A yardstick that reads the truth of the two frames before, and of the first in frames 0 and 1: a blind tracker with
    one true box knows no velocity.
    """
    before, last = _late(sequence, 2), _late(sequence, 1)
    return last + (last - before)


def one_frame_late(sequence: Sequence) -> np.ndarray:
    """The true box of the frame before: a yardstick for how much the target moves."""
    return _late(sequence, 1)


def copy_first_of_window(sequence: Sequence, length: int = 10) -> np.ndarray:
    """The true first box of each window of ``length`` frames, for the whole window.

    What a policy scores that copies what it is told, where every training window (T = 10) hands out its first true box:
    the reason why such an evaluation is worthless.
    """
    at = np.arange(len(sequence))
    return sequence.boxes[at - at % length]


def _late(sequence: Sequence, frames: int) -> np.ndarray:
    return sequence.boxes[np.maximum(np.arange(len(sequence)) - frames, 0)]
