"""What a policy observes of the experts: one flat vector of float32 per target.

All numbers are about 1 in size. Running means let a policy without memory tell a bad frame from a lost target.
"""

from typing import NamedTuple

import numpy as np

from tracking_env.search.ensemble import fusion
from tracking_env.search.ensemble.report import LONG_AGO, Report
from tracking_env.search.ensemble.scan import Candidates

PER_EXPERT = (
    "confidence",
    "second_peak",
    "score_at_others",
    "score_by_others",
    "first_likeness",
    "recent_likeness",
    "motion",
    "growth",
    "relative_area",
    "iou_with_others",
    "since_reset",
    "running",
    "candidate",
    "candidate_distance",
)
"""Numbers of each expert in a frame. ``score_at_others``: its map's score at the other boxes, ``score_by_others``: the
others' scores at its box, ``iou_with_others``: each the mean over the others. ``candidate``: a tenth of the log-odds of
its score at the candidate of a scan; ``candidate_distance``: ``log(1 + d)`` of the distance d of its box from there, in
sizes of the candidate, the larger of those in x and y. Both are 0 without a candidate."""
CANDIDATE, CANDIDATE_DISTANCE = PER_EXPERT.index("candidate"), PER_EXPERT.index("candidate_distance")
AVERAGED = ("confidence", "score_by_others", "first_likeness", "iou_with_others")
"""Of these there are running means as well."""
MEMORIES = (10, 50)
"""Frames that the running means span."""
LIKENESS = ("first_likeness", "recent_likeness")
"""Those of `PER_EXPERT` that take another pass of a network, see `Team`."""
LIMIT = 10.0
"""Observations are clipped to this size."""


class Means(NamedTuple):
    """Running means of `AVERAGED` numbers, ``(N, K, len(AVERAGED) * len(MEMORIES))``, and how many frames they saw."""

    values: np.ndarray
    frames: np.ndarray

    @classmethod
    def new(cls, count: int, experts: int) -> "Means":
        """Before the first frame."""
        return cls(np.zeros((count, experts, len(AVERAGED) * len(MEMORIES))), np.zeros(count))


def observation_names(experts: list[str]) -> list[str]:
    """What each number of the vector is, in its order, such as ``nanotrack-v3 confidence`` or ``... mean of 10``."""
    names = []
    for expert in experts:
        names += [f"{expert} {name}" for name in PER_EXPERT]
        names += [f"{expert} {name}, mean of {frames}" for frames in MEMORIES for name in AVERAGED]
    return names


def observes_likeness(ignored: str) -> bool:
    """Whether an agent observes likeness that ignores these numbers: names of `PER_EXPERT`, separated by commas."""
    return not set(LIKENESS) <= {name.strip() for name in ignored.split(",")}


def observe(report: Report, candidates: Candidates, means: Means) -> tuple[np.ndarray, Means]:
    """The observation ``(N, D)`` float32 of a frame, and the running means with this frame in them."""
    numbers = _numbers(report, candidates)
    means = _update(means, _averaged(numbers))
    return _vectors(numbers, means.values), means


def observe_run(report: Report) -> np.ndarray:
    """The observations ``(T, D)`` float32 of a whole run, a report with T for N: those of `observe`, frame by frame.

    Such a run was made without scans.
    """
    numbers = _numbers(report, Candidates.none(*report.confidence.shape))
    means = Means.new(1, report.confidence.shape[1])
    values = []
    for averaged in _averaged(numbers):
        means = _update(means, averaged[None])
        values.append(means.values[0])
    return _vectors(numbers, np.stack(values))


def _averaged(numbers: dict[str, np.ndarray]) -> np.ndarray:
    """The numbers of which there are means, ``(N, K, len(AVERAGED))``."""
    return np.stack([numbers[name] for name in AVERAGED], axis=-1)


def _update(means: Means, averaged: np.ndarray) -> Means:
    """Running means with one more frame in them."""
    frames = means.frames + 1
    # Young means are plain averages, so that the first frames do not look like a target that is half lost.
    rates = [np.maximum(1 / memory, 1 / frames)[:, None, None] for memory in MEMORIES]
    width = len(AVERAGED)
    parts = [means.values[..., at * width : (at + 1) * width] for at in range(len(MEMORIES))]
    updated = [part + rate * (averaged - part) for part, rate in zip(parts, rates, strict=True)]
    return Means(np.concatenate(updated, axis=-1), frames)


def _vectors(numbers: dict[str, np.ndarray], means: np.ndarray) -> np.ndarray:
    """The numbers of a frame and the running means as vectors ``(N, D)``."""
    current = np.stack([numbers[name] for name in PER_EXPERT], axis=-1)
    vector = np.concatenate([current, means], axis=-1).reshape(len(current), -1)
    return np.clip(vector, -LIMIT, LIMIT).astype(np.float32)


def _numbers(report: Report, candidates: Candidates) -> dict[str, np.ndarray]:
    """Each of `PER_EXPERT`, ``(N, K)``."""
    iou = fusion.overlaps(report.boxes[:, :, None], report.boxes[:, None])
    return {
        "confidence": report.confidence,
        "second_peak": report.second_peak,
        "score_at_others": _mean_of_others(report.cross_score),
        "score_by_others": _mean_of_others(report.cross_score.swapaxes(1, 2)),
        "first_likeness": report.first_likeness,
        "recent_likeness": report.recent_likeness,
        "motion": report.motion,
        "growth": report.growth,
        "relative_area": report.relative_area,
        "iou_with_others": _mean_of_others(iou),
        "since_reset": np.exp(-report.since_reset / LONG_AGO * 10),
        "running": report.running.astype(np.float64),
        "candidate": candidates.log_odds / LIMIT,
        "candidate_distance": candidate_distance(report.boxes, candidates),
    }


def candidate_distance(boxes: np.ndarray, candidates: Candidates) -> np.ndarray:
    """``log(1 + d)`` for boxes ``(N, K, 4)`` of the experts, ``(N, K)``; 0 without a candidate."""
    place = candidates.boxes[:, None]
    apart = np.abs(boxes[..., :2] + boxes[..., 2:] / 2 - place[..., :2] - place[..., 2:] / 2).max(axis=-1)
    size = np.sqrt(np.maximum(place[..., 2] * place[..., 3], 1.0))
    return np.where(candidates.found[:, None], np.log1p(apart / size), 0.0)


def _mean_of_others(matrix: np.ndarray) -> np.ndarray:
    """The mean of each row ``(N, K, K)`` without the diagonal, ``(N, K)``; 0 for a single expert."""
    size = matrix.shape[-1]
    others = matrix.sum(axis=-1) - np.diagonal(matrix, axis1=-2, axis2=-1)
    return others / max(size - 1, 1)
