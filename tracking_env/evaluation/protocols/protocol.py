"""What a scoring protocol consists of: how it measures frames, which scores it makes of them, how it averages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from tracking_env.boxes import Size
from tracking_env.evaluation.metrics import PRECISION_THRESHOLDS, SUCCESS_THRESHOLDS, Score, success_curve

LABELS = {
    "auc": "AUC",
    "precision20": "P@20",
    "precision_auc": "P AUC",
    "norm_precision20": "norm. P@.20",
    "norm_precision_auc": "norm. P AUC",
    "mean_iou": "mean IoU",
    "success50": "SR.50",
    "success75": "SR.75",
    "eao": "EAO",
    "accuracy": "A",
    "robustness": "R",
}
"""Titles of the columns of scores, by the fields of `metrics.Score`."""


class FrameMeasures(NamedTuple):
    """The measures of one run, frame by frame.

    Attributes:
        boxes: pixel boxes as they were scored, ``(T, 4)`` float64.
        overlaps: overlap with the true box, ``(T,)`` in [0, 1]; -1 in a frame without a valid true box.
        counted: which frames the scores are over, ``(T,)`` bool.
        centre_errors: distance of the centres in pixels, ``(T,)``; -1 is a hit and infinity a miss at any threshold.
            None if the protocol has no precision.
        norm_centre_errors: the same in widths and heights of the true box.
    """

    boxes: np.ndarray
    overlaps: np.ndarray
    counted: np.ndarray
    centre_errors: np.ndarray | None = None
    norm_centre_errors: np.ndarray | None = None

    def select(self, frames: slice) -> "FrameMeasures":
        """The counted frames of a part, ``(N,)`` each."""
        counted = self.counted[frames]
        return FrameMeasures(*(None if values is None else values[frames][counted] for values in self))  # type: ignore


Formula = Callable[[FrameMeasures], float]
"""A score of frames, all of which count."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """How one benchmark scores.

    Attributes:
        name: its name on the command line.
        title: its name in words.
        reference: the publication or toolkit whose rules these are.
        rules: the rules in one sentence, as a ``report.json`` holds them.
        layouts: the data sets that it belongs to: ``otb`` or names of `datasets.layouts.LAYOUTS`.
        measure: measures a run against true boxes, both ``(T, 4)``, in images of a size (None if unknown).
        scores: the formula of each score, by the fields of `metrics.Score`. The first is the headline.
        labels: titles of columns that differ from `LABELS`.
        weights: the weight of a sequence in the mean: the same for all, its number of frames that count, or that of all
            its frames.
        splits: whether tables show the parts of a sequence that are open and not open to training, or the whole alone.
        takes_polygons: whether `measure` takes the corners of true polygons, ``(T, 8)``, where a sequence has them.
        multi_start: whether runs start at the anchors of each sequence; else at its first frame.
        needs_size: `measure` cuts boxes at the image's edges.
        success_thresholds: overlaps of the success curve; a frame counts when its overlap is above.
        precision_thresholds: pixels of the precision curve; a frame counts when its error is not above.
    """

    name: str
    title: str
    reference: str
    rules: str
    layouts: Sequence[str]
    measure: Callable[[np.ndarray, np.ndarray, Size | None], FrameMeasures]
    scores: Mapping[str, Formula]
    labels: Mapping[str, str] = field(default_factory=dict)
    weights: Literal["equal", "counted", "frames"] = "equal"
    splits: bool = False
    takes_polygons: bool = False
    multi_start: bool = False
    needs_size: bool = False
    success_thresholds: np.ndarray = field(default_factory=lambda: SUCCESS_THRESHOLDS)
    precision_thresholds: np.ndarray = field(default_factory=lambda: PRECISION_THRESHOLDS)

    @property
    def headline(self) -> str:
        """The score that ranks trackers: a field of `metrics.Score`."""
        return next(iter(self.scores))

    @property
    def precision(self) -> str | None:
        """The score of the precision curve; None if the protocol has no such curve."""
        return next((name for name in self.scores if name in ("precision20", "precision_auc")), None)

    @property
    def heading(self) -> str:
        """The line above each table: the protocol and whose rules these are."""
        return f"{self.title} ({self.reference})"

    def choose_truth(self, boxes: np.ndarray, polygons: np.ndarray | None) -> np.ndarray:
        """What `measure` takes of a sequence's true boxes ``(T, 4)`` and polygons ``(T, 8)``."""
        return polygons if self.takes_polygons and polygons is not None else boxes

    def label(self, metric: str) -> str:
        """The title of a score's column."""
        return self.labels.get(metric, LABELS[metric])

    def score(self, frames: FrameMeasures, length: int) -> Score | None:
        """The scores over frames, all of which count; None of no frame.

        Args:
            frames: the frames that count.
            length: the number of frames with those that do not.
        """
        count = len(frames.overlaps)
        if not count:
            return None
        scores = {name: formula(frames) for name, formula in self.scores.items()}
        # Pages rank by the area under the success curve, also where it is no score of the benchmark.
        scores.setdefault("auc", float(success_curve(frames.overlaps, self.success_thresholds).mean()))
        return Score(**scores, frames=length if self.weights == "frames" else count)
