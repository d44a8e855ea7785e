"""One tracker's results as a page shows them: scores, curves, overlaps and a few boxes, without all of its frames.

A page of 30 trackers on 180 sequences holds millions of frames. So each tracker is summarised as soon as it is scored,
and its boxes are given up before the next tracker is read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tracking_env.evaluation import metrics
from tracking_env.evaluation.protocols import Protocol
from tracking_env.evaluation.score_report import Parts, Report
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore
from tracking_env.report import film_strips

PICTURES = 40
"""Most frames of a sequence whose boxes, and pictures if there are any, are on the page."""
POINTS = 600
"""Most overlaps of a sequence on the page; longer ones have means over neighbouring frames."""
_NORM_THRESHOLDS: np.ndarray = np.arange(51) / 100  # of the true box's sides
_STEPS, _NONE = 250, 255  # an overlap in a byte: 0 to 250 for 0 to 1, 255 for a frame without a true box


class Curve(NamedTuple):
    """A kind of curve: its score, the axes' labels, the thresholds ``(K,)``, and the rates of a part of a run."""

    metric: str
    axes: tuple[str, str]
    thresholds: np.ndarray
    rates: Callable[[SequenceScore, str], np.ndarray]


def list_curves(protocol: Protocol) -> dict[str, Curve]:
    """The curves of a protocol, by kind."""
    axes = "overlap threshold", "success rate"
    curves = {"success": Curve("auc", axes, protocol.success_thresholds, SequenceScore.success_curve)}
    if protocol.precision is not None:
        axes = "centre error threshold (pixels)", "precision"
        curves["precision"] = Curve(
            protocol.precision, axes, protocol.precision_thresholds, SequenceScore.precision_curve
        )
    if "norm_precision20" in protocol.scores:
        axes = "centre error threshold (share of the true box)", "normalised precision"
        curves["normalised precision"] = Curve("norm_precision20", axes, _NORM_THRESHOLDS, _norm_precision_curve)
    return curves


def _norm_precision_curve(run: SequenceScore, part: str) -> np.ndarray:
    errors = run.measures.select(run.frames(part)).norm_centre_errors
    assert errors is not None  # the protocol has the score
    return metrics.precision_curve(errors, _NORM_THRESHOLDS)


@dataclass(frozen=True, eq=False)
class Summary:
    """What a page shows of one tracker.

    Attributes:
        mean: as of its `Report`, and so are ``std``, ``sequences``, ``failed``, ``mean_fps`` and ``trained``. All
            means, and the curves, are over the sequences that all trackers of the page have a score for.
        runs: number of its runs.
        by_attribute: `Report.by_attribute`.
        json: `Report.to_json`, with means as above.
        curves: mean rates ``(K,)`` over sequences, by kind and part; a part that no sequence has is missing.
        overlaps: per sequence one byte for each point, see `encode_overlaps`: the mean of its runs.
        boxes: per sequence the pixel boxes of the first run in the frames of `choose_frames`, ``(K, 4)``.
        best: frames where it did best, each with its box; see `film_strips.find_best_and_worst`.
        worst: the same for the worst ones.
    """

    mean: Parts
    std: Parts
    sequences: Mapping[str, Parts]
    failed: Mapping[str, str]
    mean_fps: float | None
    runs: int
    trained: bool
    by_attribute: Mapping[str, tuple[int, Parts]]
    json: dict[str, Any]
    curves: Mapping[str, Mapping[str, np.ndarray]]
    overlaps: Mapping[str, bytes]
    boxes: Mapping[str, np.ndarray]
    best: Sequence[tuple[film_strips.Moment, np.ndarray]]
    worst: Sequence[tuple[film_strips.Moment, np.ndarray]]


def summarise(report: Report, with_frames: Sequence[str] = ()) -> Summary:
    """The summary of a report.

    Args:
        report: scores of one tracker, one-pass.
        with_frames: sequences whose frames can be shown; film strips show only these.
    """
    # Pictures show the first run: a mean box of several would belong to none.
    first_runs = {name: runs[0] for name, runs in report.scores.items()}
    best, worst = film_strips.find_best_and_worst(
        {name: first_runs[name] for name in with_frames if name in first_runs}
    )
    overlaps, boxes = {}, {}
    for name, runs in report.scores.items():
        overlaps[name] = encode_overlaps(np.mean([run.overlaps for run in runs], axis=0))
        boxes[name] = runs[0].boxes[choose_frames(len(runs[0].boxes))].astype(np.float32)
    return Summary(
        **summarise_means(report),
        sequences=report.sequences,
        failed=report.failed,
        runs=report.repeats,
        trained=report.trained,
        json=report.to_json(),
        overlaps=overlaps,
        boxes=boxes,
        best=[(moment, first_runs[moment.sequence].boxes[moment.index]) for moment in best],
        worst=[(moment, first_runs[moment.sequence].boxes[moment.index]) for moment in worst],
    )


def summarise_means(report: Report) -> dict[str, Any]:
    """The fields of a summary that are means over the sequences of a report."""
    return {
        "mean": report.mean,
        "std": report.std,
        "mean_fps": report.mean_fps,
        "by_attribute": report.by_attribute(),
        "curves": {kind: _mean_curves(report, curve) for kind, curve in list_curves(report.protocol).items()},
    }


def choose_frames(length: int) -> list[int]:
    """The frames of a sequence that the page shows: at most `PICTURES` indices, spread over the whole sequence."""
    return np.linspace(0, length - 1, min(PICTURES, length)).round().astype(int).tolist()


def encode_overlaps(overlaps: np.ndarray) -> bytes:
    """Overlaps ``(T,)`` as at most `POINTS` bytes: 0 to 250 for 0 to 1, 255 where there is no true box.

    A point of a longer sequence is the mean over `group_size` neighbouring frames that have a true box.
    """
    size = group_size(len(overlaps))
    starts = np.arange(0, len(overlaps), size)
    valid = overlaps >= 0
    counts = np.add.reduceat(valid.astype(int), starts)
    sums = np.add.reduceat(np.where(valid, overlaps, 0.0), starts)
    steps = np.rint(_STEPS * sums / np.maximum(counts, 1))
    return np.where(counts > 0, steps, _NONE).astype(np.uint8).tobytes()


def group_size(length: int) -> int:
    """Number of neighbouring frames that share a point of `encode_overlaps`."""
    return -(-length // POINTS)  # rounded up


def _mean_curves(report: Report, curve: Curve) -> dict[str, np.ndarray]:
    """Per part the mean curve over sequences, on each the mean of the tracker's runs."""
    curves = {}
    for part in PARTS:
        rates = []
        for name, runs in report.scores.items():
            score = report.sequences[name][part]
            if score is not None and getattr(score, curve.metric) is not None:
                rates.append(np.mean([curve.rates(run, part) for run in runs], axis=0))
        if rates:
            curves[part] = np.mean(rates, axis=0)
    return curves
