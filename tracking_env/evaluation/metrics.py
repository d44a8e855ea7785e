"""OTB's official one-pass evaluation, frame by frame: overlap, centre error, success, precision.

The rules are those of the benchmark's toolkit, with its strict ``>`` for success and ``<=`` for precision. A frame
without a valid true box counts as a miss in success and as a hit in precision. OTB's toolkit lacks normalised
precision: it follows LaSOT's, with OTB's rules for the first frame and for frames without a valid true box. Boxes are
pixel boxes ``x, y, w, h``, ``(T, 4)``, one row per frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from tracking_env import boxes as bx
from tracking_env.errors import InputError

# Not arange(0, 1.05, .05): its rounding errors would decide ties, which overlaps of whole-pixel boxes do have.
SUCCESS_THRESHOLDS: np.ndarray = np.arange(21) / 20
PRECISION_THRESHOLDS: np.ndarray = np.arange(51)  # pixels
PRECISION_THRESHOLD = 20  # pixels, of the score precision20
NORM_PRECISION_THRESHOLD = 0.20  # of the true box's sides, of the score norm_precision20
_FAR = 1e9  # pixels


@dataclass(frozen=True)
class Score:
    """The scores of one run; or their means, or deviations, over sequences or runs. All are in [0, 1].

    A score that the protocol does not have is None; `protocols.Protocol.scores` names those that it has. All protocols
    have a success curve, and so an AUC.

    Attributes:
        auc: area under the success curve; in OTB the mean of 21 success rates, which is at most 20/21, since no overlap
            exceeds the last threshold, 1.
        precision20: rate of frames with a centre error of at most 20 pixels; in OTB a frame without a valid true box is
            a hit.
        norm_precision20: the same for an error of at most 0.20 of the true box (see `norm_centre_errors`).
        mean_iou: mean overlap, GOT-10k's AO; in OTB a frame without a valid true box counts as 0.
        frames: number of frames that were scored.
        success50: rate of frames with an overlap above 0.50.
        success75: rate of frames with an overlap above 0.75.
        precision_auc: area under the precision curve from 0 to 50 pixels.
        norm_precision_auc: area under the curve of normalised precision from 0 to 0.5.
        eao: VOT's expected average overlap.
        accuracy: VOT's mean overlap before failures.
        robustness: VOT's share of frames before failures.
    """

    auc: float
    precision20: float | None = None
    norm_precision20: float | None = None
    mean_iou: float | None = None
    frames: int = 0
    success50: float | None = None
    success75: float | None = None
    precision_auc: float | None = None
    norm_precision_auc: float | None = None
    eao: float | None = None
    accuracy: float | None = None
    robustness: float | None = None


def as_boxes(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of predicted and true boxes, both ``(T, 4)`` float64.

    Raises:
        InputError: the two are not both ``(T, 4)`` with the same ``T > 0``.
    """
    run, truth = np.array(prediction, dtype=np.float64), np.array(truth, dtype=np.float64)
    if run.shape != truth.shape or run.ndim != 2 or run.shape[1] != 4 or len(run) == 0:
        raise InputError(f"got predictions {run.shape}, true boxes {truth.shape}; wanted (T, 4), one row per frame")
    return run, truth


def sanitise(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The predicted boxes as the benchmark scores them, ``(T, 4)`` float64.

    The first row becomes the true box, which the tracker was given. A row that is not finite or has ``w <= 0`` or
    ``h <= 0`` repeats the row before. Numbers are clipped to 1e9 pixels, so that no area overflows.

    Raises:
        InputError: the two are not both ``(T, 4)`` with the same ``T > 0``.
    """
    run, truth = as_boxes(prediction, truth)
    run[0] = truth[0]
    broken = ~np.isfinite(run)
    broken[:, 2:] |= run[:, 2:] <= 0
    broken[0] = False  # a broken true box is handled by the measures below
    # For each row the last one up to it that is not broken; the first row never is.
    source = np.where(broken.any(axis=1), 0, np.arange(len(run)))
    return run[np.maximum.accumulate(source)].clip(-_FAR, _FAR)


def _invalid(truth: np.ndarray) -> np.ndarray:
    # Negated, so that NaN, for which each comparison is False, is invalid.
    return ~(np.min(truth, axis=-1) > 0)


def overlaps(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU per frame, ``(T,)`` in [0, 1]; -1, a miss at any threshold, where a component of the true box is not above 0.

    ``prediction`` must be sanitised.
    """
    return np.where(_invalid(truth), -1.0, bx.iou(prediction, truth))


def centre_errors(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres per frame in pixels, ``(T,)``; -1, a hit at any threshold, where `overlaps` has its -1.

    ``prediction`` must be sanitised.
    """
    return np.where(_invalid(truth), -1.0, bx.centre_error(prediction, truth))


def norm_centre_errors(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres per frame, ``(T,)``, x in true widths and y in true heights; -1 as in `centre_errors`.

    The measure is from TrackingNet (Mueller et al., ECCV 2018, section 5), which reports the area under the curve from
    0 to 0.5. The score here is the rate at 0.20, as in LaSOT's toolkit. ``prediction`` must be sanitised.
    """
    invalid = _invalid(truth)
    # Any number but 0, since these rows are replaced below.
    sides = np.where(invalid[:, None], 1.0, truth[:, 2:])
    offsets = (bx.centre(prediction) - bx.centre(truth))[:, :2] / sides
    return np.where(invalid, -1.0, np.hypot(offsets[:, 0], offsets[:, 1]))


def success_curve(overlaps: np.ndarray, thresholds: np.ndarray = SUCCESS_THRESHOLDS) -> np.ndarray:
    """Rate of frames with an overlap above each of the thresholds ``(K,)``: ``(T,)`` -> ``(K,)``."""
    return (overlaps[:, None] > thresholds).mean(axis=0)


def precision_curve(errors: np.ndarray, thresholds: np.ndarray = PRECISION_THRESHOLDS) -> np.ndarray:
    """Rate of frames with an error of at most each of the thresholds ``(K,)``: ``(T,)`` -> ``(K,)``."""
    return (errors[:, None] <= thresholds).mean(axis=0)


def auc(overlaps: np.ndarray) -> float:
    """Area under the success curve of overlaps ``(T,)``: the mean of its 21 rates, in [0, 20/21]."""
    return float(success_curve(overlaps).mean())


_METRICS = [field.name for field in fields(Score) if field.name != "frames"]


def mean_score(scores: Sequence[Score], by_frames: bool = False) -> Score | None:
    """The mean, each score with the same weight or weighted by its ``frames``; None of no scores.

    ``frames`` is the sum.
    """
    weights = [score.frames if by_frames else 1 for score in scores]
    return _combine(scores, lambda column: float(np.average(column, weights=weights))) if scores else None


def std_score(scores: Sequence[Score]) -> Score | None:
    """The sample standard deviation (divisor n - 1) of each number; None of fewer than two. ``frames`` is the sum."""
    return _combine(scores, lambda column: float(np.std(column, ddof=1))) if len(scores) > 1 else None


def _combine(scores: Sequence[Score], combine: Callable[[list[float]], float]) -> Score:
    """One score from several; a metric that one of them lacks is None."""
    numbers: dict[str, float | None] = {}
    for metric in _METRICS:
        column = [getattr(score, metric) for score in scores]
        numbers[metric] = None if None in column else combine(column)
    return Score(**numbers, frames=sum(score.frames for score in scores))  # type: ignore[arg-type]
