"""From predicted boxes, in memory or in result files, to a report of scores: whole, seen and unseen."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets import otb
from tracking_env.errors import InputError
from tracking_env.evaluation import drlt_paper, result_files, sequence_score
from tracking_env.evaluation.failures import FailureStats, count_failures, sum_failures
from tracking_env.evaluation.metrics import METRICS, Score, mean_score, std_score
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore

OTB_RULES = (
    "OTB one-pass evaluation: success at 21 overlaps k/20 (>), precision at 20 px (<=), normalised precision at 0.20 "
    "of the true box (<=), first frame counted, unweighted mean over sequences; seen = the frames open to training, "
    "unseen = the rest"
)
ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR")
"""OTB's difficulty tags, in the order of the benchmark's page."""

Parts = Mapping[str, Score | None]
"""The score of each of `sequence_score.PARTS`; None for a part without frames."""
FORMULAS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, int], SequenceScore]]] = {
    "otb": (OTB_RULES, sequence_score.score_boxes),
    "drlt-paper": (drlt_paper.RULES, drlt_paper.score_boxes),
}
"""Per formula, its rules in words, and how it measures predicted against true boxes with a number of seen frames."""
_POOLED = {
    "ope": "",
    "tre": "; TRE: of each sequence, all frames of the runs from all starts, each run's first frame being the true one",
    "sre": "; SRE: of each sequence, all frames of the runs from all perturbed first boxes",
}


@dataclass(frozen=True, eq=False)
class Report:
    """Scores of one tracker on a set of sequences.

    Attributes:
        scores: per sequence, each run of the tracker, frame by frame.
        failed: sequences that could not be scored, each with a one-line reason; they are in no mean.
        repeats: number of runs over all sequences; 0 for TRE and SRE, where the frames of all runs count as one run.
        attributes: per sequence, its difficulty tags.
        fps: frames per second by sequence, where known.
        rules: how it was scored, in words.
    """

    scores: Mapping[str, tuple[SequenceScore, ...]]
    failed: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 0
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fps: Mapping[str, float] = field(default_factory=dict)
    rules: str = OTB_RULES

    @cached_property
    def sequences(self) -> dict[str, Parts]:
        """Per sequence, the score of each part: the mean over runs, or in TRE and SRE over the frames of all runs."""
        pooled = self.repeats == 0
        return {name: _combine_runs([run.parts for run in runs], pooled) for name, runs in self.scores.items()}

    @cached_property
    def runs(self) -> list[Parts]:
        """Per run of the tracker, its mean over sequences of each part; empty for TRE and SRE."""
        return [_mean_parts([runs[at].parts for runs in self.scores.values()]) for at in range(self.repeats)]

    @cached_property
    def mean(self) -> Parts:
        """Per part, the unweighted mean over the sequences that have it; None where none has."""
        return _mean_parts(self.sequences.values())

    @cached_property
    def std(self) -> Parts:
        """Per part, the sample standard deviation of `mean` over the runs; None of fewer than two runs."""
        return {part: std_score(_existing(self.runs, part)) for part in PARTS}

    @property
    def mean_fps(self) -> float | None:
        """The mean over the scored sequences whose speed is known."""
        speeds = [speed for name, speed in self.fps.items() if name in self.scores]
        return sum(speeds) / len(speeds) if speeds else None

    def by_attribute(self) -> dict[str, tuple[int, Parts]]:
        """Per difficulty tag, the number of sequences that have it and the mean over these; OTB's tags come first."""
        groups: dict[str, list[Parts]] = {tag: [] for tag in ATTRIBUTES}
        for tags in self.attributes.values():
            for tag in tags:
                groups.setdefault(tag, [])
        for name, parts in self.sequences.items():
            for tag in set(self.attributes.get(name, ())):
                groups[tag].append(parts)
        return {tag: (len(group), _mean_parts(group)) for tag, group in groups.items() if group}

    def count_failures(self) -> FailureStats:
        """How often the target was lost, over all sequences and runs."""
        return sum_failures(count_failures(run.overlaps) for runs in self.scores.values() for run in runs)

    def select(self, names: Container[str]) -> "Report":
        """The report of these sequences only."""
        return replace(
            self,
            scores={name: runs for name, runs in self.scores.items() if name in names},
            failed={name: reason for name, reason in self.failed.items() if name in names},
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts.

        ``mean``, ``std`` (None of one run), ``runs`` (their number), ``fps`` (None if unknown), ``sequences`` (with
        their ``fps`` if known), ``attributes``, ``failed`` and ``protocol`` (the rules).
        """
        sequences: dict[str, dict[str, Any]] = {}
        for name, parts in self.sequences.items():
            sequences[name] = {"frames": max(score.frames for score in parts.values() if score)}
            if name in self.fps:
                sequences[name]["fps"] = self.fps[name]
            sequences[name] |= _numbers(parts)
        return {
            "mean": _numbers(self.mean),
            "std": _numbers(self.std) if self.repeats > 1 else None,
            "runs": self.repeats,
            "fps": self.mean_fps,
            "sequences": sequences,
            "attributes": {
                tag: {"sequences": count} | _numbers(parts) for tag, (count, parts) in self.by_attribute().items()
            },
            "failed": dict(self.failed),
            "protocol": self.rules,
        }


def evaluate(
    predictions: Mapping[str, np.ndarray] | Results,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    formula: str = "otb",
) -> Report:
    """Score predictions.

    Of TRE and SRE results, a run's first frame counts as the true one, and a sequence's score is over the frames of all
    its runs together, as in both OTB toolkits (``genPerfMat.m``; ``eval_results.py``).

    Args:
        predictions: pixel boxes ``x, y, w, h`` per sequence, ``(T, 4)``, or several runs of them; ones that are not in
            ``truths`` are left out.
        truths: true boxes of every sequence to score, ``(T, 4)``.
        seen: number of first frames that training could see, per sequence, in [0, T); 0 for a sequence that is unseen
            as a whole. By default the paper's third, ``floor(T / 3)``, of each.
        attributes: difficulty tags per sequence; by default those of OTB's table.
        formula: one of `FORMULAS`.

    Returns:
        A report in the order of ``truths``. A sequence is in its ``failed`` if one of its runs is missing or has too
        many or too few rows, or if no frame but the first has a true box. A run over all rows of the official
        annotation file is cut to the official range (see `otb.crop`).

    Example:
        >>> truth = np.array([[1.0, 1, 20, 10]] * 3)
        >>> evaluate({"video": truth}, {"video": truth}).mean["unseen"].precision20
        1.0
    """
    results = predictions if isinstance(predictions, Results) else Results("", (predictions,))
    if attributes is None:
        attributes = {name: otb.TABLE[name].attributes for name in truths if name in otb.TABLE}
    rules, score_boxes = FORMULAS[formula]
    scores: dict[str, tuple[SequenceScore, ...]] = {}
    failed: dict[str, str] = {}
    for name, truth in truths.items():
        split = len(truth) // 3 if seen is None else seen[name]
        try:
            if len(truth) > 1 and not bx.annotated(truth[1:]).any():
                raise InputError("only its first frame has a true box, so that there is nothing to score")
            runs = _list_runs(results, name, truth)
            scores[name] = tuple(score_boxes(run, truth[start:], max(split - start, 0)) for run, start in runs)
        except InputError as error:
            failed[name] = str(error)
    return Report(
        scores=scores,
        failed=failed,
        repeats=len(results.runs) if results.protocol == "ope" else 0,
        attributes={name: tuple(tags) for name, tags in attributes.items() if name in truths},
        fps={name: speed for name, speed in results.fps.items() if name in truths},
        rules=rules + _POOLED[results.protocol],
    )


def score_folder(
    folder: Path,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    formula: str = "otb",
) -> Report:
    """Score the folder of one tracker, in any layout of `tracking_env.evaluation.result_files`; see `evaluate`.

    Raises:
        InputError: there is no such folder, or it does not hold the results of one tracker.
    """
    return evaluate(result_files.read_results(folder, truths), truths, seen, attributes, formula)


def _list_runs(results: Results, name: str, truth: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The runs of a sequence, each as long as the truth from its start, and their starts.

    Raises:
        InputError: a run cannot be read, is missing, or is too long or too short.
    """
    if name in results.unreadable:
        raise InputError(results.unreadable[name])
    if not any(name in run for run in results.runs):
        raise InputError("no result")
    starts = results.starts.get(name) or (0,) * len(results.runs)
    runs = []
    for at, start in enumerate(starts):
        where = f"{'run' if results.protocol == 'ope' else 'start'} {at + 1}: " if len(starts) > 1 else ""
        if at >= len(results.runs) or name not in results.runs[at]:
            raise InputError(f"{where}no result")
        if not 0 <= start < len(truth):
            raise InputError(f"{where}starts at frame {start} of {len(truth)}, counted from 0; run the tracker again")
        run, frames = np.asarray(results.runs[at][name]), len(truth) - start
        if len(run) != frames and start == 0:
            run = otb.crop(name, run)
        if len(run) != frames:
            raise InputError(f"{where}{len(run)} rows for {frames} frames; write one row per frame")
        runs.append((run, start))
    return runs


def _existing(scores: Iterable[Parts], part: str) -> list[Score]:
    """The scores of a part, of those that have it."""
    candidates = [parts[part] for parts in scores]
    return [score for score in candidates if score is not None]


def _mean_parts(scores: Iterable[Parts]) -> Parts:
    scores = list(scores)
    return {part: mean_score(_existing(scores, part)) for part in PARTS}


def _combine_runs(runs: Sequence[Parts], pooled: bool) -> Parts:
    """One sequence's scores from its runs: over all their frames, or the mean of runs over the same frames."""
    combined: dict[str, Score | None] = {}
    for part in PARTS:
        scores = _existing(runs, part)
        mean = mean_score(scores, by_frames=pooled)
        combined[part] = mean if mean is None or pooled else replace(mean, frames=scores[0].frames)
    return combined


def _numbers(parts: Parts) -> dict[str, Any]:
    return {
        part: None if score is None else {metric: getattr(score, metric) for metric in METRICS}
        for part, score in parts.items()
    }
