"""The formula behind the DRLT paper's Table 2. It is not an overlap: use it to compare with that table, nothing else.

The paper's numbers were computed with the evaluation code of ROLO (https://github.com/Guanghan/ROLO), which truncates
boxes to whole pixels and reads their top-left corner as their centre. On STRUCK's published results this gives the
paper's STRUCK column to three decimals on 29 of 30 sequences; the correct IoU does so on 2.
Report the scores of `tracking_env.evaluation.metrics` instead. Boxes are pixel boxes ``x, y, w, h``, ``(T, 4)``, one
row per frame.
"""

import numpy as np

from tracking_env.boxes import Size
from tracking_env.evaluation import metrics
from tracking_env.evaluation.protocols.protocol import FrameMeasures

RULES = (
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
        # x and y are corners; ROLO uses them as centres, so each box reaches half its size to both sides.
        wide = np.minimum(x1 + w1 / 2, x2 + w2 / 2) - np.maximum(x1 - w1 / 2, x2 - w2 / 2)
        high = np.minimum(y1 + h1 / 2, y2 + h2 / 2) - np.maximum(y1 - h1 / 2, y2 - h2 / 2)
        shared = np.where((wide <= 0) | (high <= 0), 0.0, wide * high)
        union = w1 * h1 + w2 * h2 - shared
        ratio = shared / np.where(union > 0, union, np.nan)
    return np.nan_to_num(ratio, nan=0.0).clip(0, 1)


def auc(overlaps: np.ndarray) -> float:
    """The mean over `THRESHOLDS` of the rate of overlaps ``(T,)`` that are at least the threshold (``>=``)."""
    return float((overlaps[:, None] >= THRESHOLDS).mean())


def measure(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """Measure a run by this formula. It has no precision, and takes rows as they are: none is repaired.

    Args:
        prediction: predicted boxes, ``(T, 4)``.
        truth: true boxes, ``(T, 4)``.
        size: not used.

    Raises:
        InputError: the two are not both ``(T, 4)`` with the same ``T > 0``.
    """
    boxes, truth = metrics.as_boxes(prediction, truth)
    return FrameMeasures(boxes, overlaps(boxes, truth), np.ones(len(truth), dtype=bool))
