"""The formula behind the DRLT paper's Table 2. It is not an overlap: use it to compare with that table, nothing else.

The paper's numbers were computed with the evaluation code of ROLO (https://github.com/Guanghan/ROLO), which truncates
boxes to whole pixels and reads their top-left corner as their centre. On STRUCK's published results this gives the
paper's STRUCK column to three decimals on 29 of 30 sequences; the correct IoU does so on 2.
`tracking_env.evaluation.metrics` is the evaluation to report. Boxes are pixel boxes ``x, y, w, h``, ``(T, 4)``, one row
a frame.
"""

import numpy as np

from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.metrics import part_scores as _part_scores

PROTOCOL = (
    "DRLT paper's Table 2 (ROLO's evaluation code, whose overlap is not an IoU): compare with that table only; "
    "AUC over 20 overlaps k/20 + 0.0001 (>=), unweighted mean over sequences; seen = the frames open to training, "
    "unseen = the rest"
)
THRESHOLDS: np.ndarray = np.arange(0, 100, 5) / 100 + 1e-4


def overlaps(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """ROLO's overlap per frame, ``(T,)`` in [0, 1]: corners taken for centres, numbers cut to integers; NaN gives 0."""
    x1, y1, w1, h1 = np.trunc(np.asarray(prediction, dtype=np.float64)).T
    x2, y2, w2, h2 = np.trunc(np.asarray(truth, dtype=np.float64)).T
    with np.errstate(invalid="ignore", over="ignore"):  # rows that are not finite end as NaN, and NaN as 0
        wide = np.minimum(x1 + w1 / 2, x2 + w2 / 2) - np.maximum(x1 - w1 / 2, x2 - w2 / 2)
        high = np.minimum(y1 + h1 / 2, y2 + h2 / 2) - np.maximum(y1 - h1 / 2, y2 - h2 / 2)
        shared = np.where((wide <= 0) | (high <= 0), 0.0, wide * high)
        union = w1 * h1 + w2 * h2 - shared
        ratio = shared / np.where(union > 0, union, np.nan)
    return np.nan_to_num(ratio, nan=0.0).clip(0, 1)


def mean_iou(overlaps: np.ndarray) -> float:
    """The mean of ROLO's overlaps: what Table 2 prints."""
    return float(overlaps.mean())


def auc(overlaps: np.ndarray) -> float:
    """The mean over `THRESHOLDS` of the rate of frames with an overlap of at least the threshold (``>=``)."""
    return float((overlaps[:, None] >= THRESHOLDS).mean())


def score(prediction: np.ndarray, truth: np.ndarray, frames: slice = slice(None)) -> Score:
    """Score a run, or only some ``frames`` of it; the formula has no precision.

    Raises:
        InputError: the two are not both ``(T, 4)``, or there are no such frames.
    """
    run, truth = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if run.shape != truth.shape or run.ndim != 2 or run.shape[1] != 4:
        raise InputError(f"got predictions {run.shape} for true boxes {truth.shape}; wanted (T, 4), one row per frame")
    overlap = overlaps(run[frames], truth[frames])
    if len(overlap) == 0:
        raise InputError(f"no frames to score: got {frames} of a run of {len(run)}")
    return Score(
        auc=auc(overlap), precision20=None, norm_precision20=None, mean_iou=mean_iou(overlap), frames=len(overlap)
    )


def part_scores(prediction: np.ndarray, truth: np.ndarray, seen: int) -> dict[str, Score | None]:
    """Scores of a run, as `tracking_env.evaluation.metrics.part_scores`."""
    return _part_scores(prediction, truth, seen, score)
