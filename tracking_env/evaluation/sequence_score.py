"""One run of a tracker on one sequence, measured once per frame; scores, curves and plots are views of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.metrics import Score

PARTS = ("whole", "seen", "unseen")
"""Parts of a sequence: all frames, the first ones that are open to training, the rest."""


@dataclass(frozen=True, eq=False)
class SequenceScore:
    """One run of a tracker on one sequence, frame by frame.

    Attributes:
        boxes: predicted pixel boxes as they were scored, ``(T, 4)`` float64.
        overlaps: overlap with the true box, ``(T,)`` in [0, 1]; -1, a miss, in frames without a valid true box.
        centre_errors: distance of the centres in pixels, ``(T,)``; -1, a hit, in frames without a valid true box. None
            if the formula has no precision.
        norm_centre_errors: the same in widths and heights of the true box.
        seen: number of first frames that are open to training, in [0, T).
        measure_auc: the formula's area under the success curve: overlaps ``(N,)`` -> number.

    Raises:
        InputError: ``seen`` is out of range.
    """

    boxes: np.ndarray
    overlaps: np.ndarray
    centre_errors: np.ndarray | None
    norm_centre_errors: np.ndarray | None
    seen: int
    measure_auc: Callable[[np.ndarray], float]

    def __post_init__(self) -> None:
        length = len(self.overlaps)
        if not 0 <= self.seen < length:
            raise InputError(f"no frames to score: {self.seen} of {length} are seen; give a number below {length}")

    @cached_property
    def parts(self) -> dict[str, Score | None]:
        """The score of each of `PARTS`; None for a part without frames."""
        return {part: self._score(self.frames(part)) for part in PARTS}

    def frames(self, part: str) -> slice:
        """The frames of one of `PARTS`."""
        return {"whole": slice(None), "seen": slice(self.seen), "unseen": slice(self.seen, None)}[part]

    def success_curve(self, part: str) -> np.ndarray:
        """Success rates of a part at `metrics.SUCCESS_THRESHOLDS`, ``(21,)``."""
        return metrics.success_curve(self.overlaps[self.frames(part)])

    def precision_curve(self, part: str) -> np.ndarray:
        """Precision of a part at `metrics.PRECISION_THRESHOLDS`, ``(51,)``.

        Raises:
            ValueError: the formula has no precision.
        """
        if self.centre_errors is None:
            raise ValueError("this formula has no precision")
        return metrics.precision_curve(self.centre_errors[self.frames(part)])

    def _score(self, frames: slice) -> Score | None:
        overlaps = self.overlaps[frames]
        if len(overlaps) == 0:
            return None
        # An overlap of -1, for no valid true box, misses every threshold; in the mean it counts as 0.
        return Score(
            auc=self.measure_auc(overlaps),
            precision20=_rate(self.centre_errors, frames, metrics.PRECISION_THRESHOLD),
            norm_precision20=_rate(self.norm_centre_errors, frames, metrics.NORM_PRECISION_THRESHOLD),
            mean_iou=float(overlaps.clip(0, None).mean()),
            frames=len(overlaps),
        )


def score_boxes(prediction: np.ndarray, truth: np.ndarray, seen: int = 0) -> SequenceScore:
    """Measure a run by OTB's rules.

    Args:
        prediction: predicted pixel boxes ``x, y, w, h``, ``(T, 4)``.
        truth: true pixel boxes, ``(T, 4)``.
        seen: number of first frames that are open to training.

    Raises:
        InputError: the shapes do not fit (see `metrics.sanitise`), or ``seen`` is not in [0, T).

    Example:
        >>> truth = np.array([[1, 1, 20, 10], [1, 1, 20, 10]])
        >>> score_boxes(np.array([[1, 1, 20, 10], [6, 1, 20, 10]]), truth).overlaps
        array([1. , 0.6])
    """
    truth = np.asarray(truth, dtype=np.float64)
    # All frames are sanitised together: a broken first row of the unseen part repeats a row of the seen one.
    boxes = metrics.sanitise(prediction, truth)
    return SequenceScore(
        boxes=boxes,
        overlaps=metrics.overlaps(boxes, truth),
        centre_errors=metrics.centre_errors(boxes, truth),
        norm_centre_errors=metrics.norm_centre_errors(boxes, truth),
        seen=seen,
        measure_auc=metrics.auc,
    )


def _rate(errors: np.ndarray | None, frames: slice, threshold: float) -> float | None:
    return None if errors is None else float((errors[frames] <= threshold).mean())
