"""OTB's official one-pass evaluation of one run: overlap, centre error, success, precision.

The rules are those of the benchmark's toolkit, with its strict ``>`` for success and ``<=`` for precision. Boxes are
pixel boxes ``x, y, w, h``, ``(T, 4)``, one row a frame.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tracking_env import boxes as bx
from tracking_env.errors import InputError

SUCCESS_THRESHOLDS: np.ndarray = np.arange(21) / 20  # not arange(0, 1.05, .05): overlaps of whole-pixel boxes do tie
PRECISION_THRESHOLDS: np.ndarray = np.arange(51)  # pixels


@dataclass(frozen=True)
class Score:
    """The three numbers of one run, or their means over sequences.

    Attributes:
        auc: mean of the 21 success rates, in [0, 20/21]: no overlap exceeds the last threshold, 1.
        precision20: rate of frames with a centre error of at most 20 pixels, in [0, 1].
        mean_iou: mean overlap, in [0, 1]; a frame without a valid true box counts 0.
        frames: the number of frames behind them.
    """

    auc: float
    precision20: float
    mean_iou: float
    frames: int


def sanitise(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The run as the benchmark scores it, ``(T, 4)`` float64.

    The first row is the true one, since the tracker was given it. A row that is not finite or has ``w <= 0`` or
    ``h <= 0`` repeats the row before.

    Raises:
        InputError: the two are not both ``(T, 4)`` with the same ``T > 0``.
    """
    run, truth = np.array(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if run.shape != truth.shape or run.ndim != 2 or run.shape[1] != 4 or len(run) == 0:
        raise InputError(f"got predictions {run.shape} for true boxes {truth.shape}; wanted (T, 4), one row per frame")
    run[0] = truth[0]
    broken = ~np.isfinite(run)
    broken[:, 2:] |= run[:, 2:] <= 0
    broken[0] = False
    source = np.where(broken.any(axis=1), 0, np.arange(len(run)))
    return run[np.maximum.accumulate(source)]


def _invalid(truth: np.ndarray) -> np.ndarray:
    return ~(np.min(truth, axis=-1) > 0)


def overlaps(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU per frame, ``(T,)`` in [0, 1]; -1 where a component of the true box is not above 0: a miss at any threshold.

    ``prediction`` must be sanitised.
    """
    return np.where(_invalid(truth), -1.0, bx.iou(prediction, truth))


def centre_errors(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres per frame in pixels, ``(T,)``; -1, a hit at any threshold, where `overlaps` has its -1.

    ``prediction`` must be sanitised.
    """
    return np.where(_invalid(truth), -1.0, bx.centre_error(prediction, truth))


def success_curve(overlaps: np.ndarray) -> np.ndarray:
    """Rate of frames with an overlap above each of `SUCCESS_THRESHOLDS`: ``(T,)`` -> ``(21,)``."""
    return (overlaps[:, None] > SUCCESS_THRESHOLDS).mean(axis=0)


def precision_curve(errors: np.ndarray) -> np.ndarray:
    """Rate of frames with an error of at most each of `PRECISION_THRESHOLDS`: ``(T,)`` -> ``(51,)``."""
    return (errors[:, None] <= PRECISION_THRESHOLDS).mean(axis=0)


def auc(overlaps: np.ndarray) -> float:
    """Area under the success curve: the mean of its 21 rates."""
    return float(success_curve(overlaps).mean())


def score(prediction: np.ndarray, truth: np.ndarray, frames: slice | range | None = None) -> Score:
    """Score a run, or only some ``frames`` of it.

    The whole run is sanitised, so only the run's first frame is the true one, never the first of a part.

    Raises:
        InputError: the shapes do not fit (see `sanitise`), or there are no such frames.
    """
    run = sanitise(prediction, truth)
    part = np.array(frames, dtype=int) if isinstance(frames, range) else np.arange(len(run))[frames or slice(None)]
    if len(part) == 0:
        raise InputError(f"no frames to score: got {frames} of a run of {len(run)}")
    overlap, error = overlaps(run, truth)[part], centre_errors(run, truth)[part]
    return Score(
        auc=auc(overlap),
        precision20=float(precision_curve(error)[20]),
        mean_iou=float(overlap.clip(0, None).mean()),
        frames=len(part),
    )


def part_scores(prediction: np.ndarray, truth: np.ndarray, seen: int) -> dict[str, Score | None]:
    """Scores of a run: ``whole``, ``seen`` (its first ``seen`` frames; None for 0) and ``unseen`` (the rest)."""
    return {
        "whole": score(prediction, truth),
        "seen": score(prediction, truth, slice(seen)) if seen else None,
        "unseen": score(prediction, truth, slice(seen, None)),
    }


def mean_score(scores: Collection[Score]) -> Score | None:
    """The mean over sequences, each with the same weight whatever its length; None of none. ``frames`` is the sum."""
    if not scores:
        return None
    return Score(
        auc=float(np.mean([one.auc for one in scores])),
        precision20=float(np.mean([one.precision20 for one in scores])),
        mean_iou=float(np.mean([one.mean_iou for one in scores])),
        frames=sum(one.frames for one in scores),
    )
