"""One run of a tracker on one sequence, measured once per frame; scores, curves and plots are views of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracking_env.boxes import Size
from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.protocols import FrameMeasures, Protocol, choose_protocol

PARTS = ("whole", "seen", "unseen")
"""Parts of a sequence: all frames, the first ones that are open to training, the rest."""


@dataclass(frozen=True, eq=False)
class SequenceScore:
    """One run of a tracker on one sequence, frame by frame.

    Attributes:
        measures: what the protocol measures in each of T frames.
        seen: number of first frames that are open to training, in [0, T).
        protocol: makes scores and curves of the measures.

    Raises:
        InputError: ``seen`` is out of range.
    """

    measures: FrameMeasures
    seen: int
    protocol: Protocol

    def __post_init__(self) -> None:
        length = len(self.overlaps)
        if not 0 <= self.seen < length:
            raise InputError(f"no frames to score: {self.seen} of {length} are seen; give a number below {length}")

    @cached_property
    def parts(self) -> dict[str, Score | None]:
        """The score of each of `PARTS`; None for a part without frames."""
        scores: dict[str, Score | None] = {}
        for part in PARTS:
            frames = self.frames(part)
            scores[part] = self.protocol.score(self.measures.select(frames), len(self.overlaps[frames]))
        return scores

    @property
    def boxes(self) -> np.ndarray:
        """Predicted pixel boxes as they were scored, ``(T, 4)`` float64."""
        return self.measures.boxes

    @property
    def overlaps(self) -> np.ndarray:
        """Overlap with the true box, ``(T,)`` in [0, 1]; -1, a miss, in frames without a valid true box."""
        return self.measures.overlaps

    @property
    def centre_errors(self) -> np.ndarray | None:
        """Distance of the centres in pixels, ``(T,)``; None if the protocol has no precision."""
        return self.measures.centre_errors

    @property
    def norm_centre_errors(self) -> np.ndarray | None:
        """The same in widths and heights of the true box."""
        return self.measures.norm_centre_errors

    def frames(self, part: str) -> slice:
        """The frames of one of `PARTS`."""
        return {"whole": slice(None), "seen": slice(self.seen), "unseen": slice(self.seen, None)}[part]

    def success_curve(self, part: str) -> np.ndarray:
        """Success rates of a part at the protocol's ``success_thresholds`` ``(K,)``, ``(K,)``."""
        overlaps = self.measures.select(self.frames(part)).overlaps
        return metrics.success_curve(overlaps, self.protocol.success_thresholds)

    def precision_curve(self, part: str) -> np.ndarray:
        """Precision of a part at the protocol's ``precision_thresholds`` ``(K,)``, ``(K,)``.

        Raises:
            ValueError: the protocol has no precision.
        """
        errors = self.measures.select(self.frames(part)).centre_errors
        if errors is None:
            raise ValueError(f"{self.protocol.title} has no precision")
        return metrics.precision_curve(errors, self.protocol.precision_thresholds)


def score_boxes(
    prediction: np.ndarray, truth: np.ndarray, seen: int = 0, protocol: str = "otb", size: Size | None = None
) -> SequenceScore:
    """Measure a run by a protocol.

    Args:
        prediction: predicted pixel boxes ``x, y, w, h``, ``(T, 4)``.
        truth: true pixel boxes, ``(T, 4)``.
        seen: number of first frames that are open to training.
        protocol: one of `protocols.PROTOCOLS`.
        size: width and height of the images; GOT-10k's protocol cuts boxes there.

    Raises:
        InputError: the shapes do not fit (see `metrics.as_boxes`), ``seen`` is not in [0, T), or there is no such
            protocol.

    Example:
        >>> truth = np.array([[1, 1, 20, 10], [1, 1, 20, 10]])
        >>> score_boxes(np.array([[1, 1, 20, 10], [6, 1, 20, 10]]), truth).overlaps
        array([1. , 0.6])
    """
    rules = choose_protocol(protocol)
    return SequenceScore(rules.measure(prediction, truth, size), seen, rules)
