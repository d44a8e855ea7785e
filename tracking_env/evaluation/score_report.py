"""Scores of one tracker on a set of sequences: means over sequences, deviations over runs, and JSON."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tracking_env.evaluation.failures import FailureStats, count_failures, sum_failures
from tracking_env.evaluation.metrics import Score, mean_score, std_score
from tracking_env.evaluation.protocols import PROTOCOLS, Protocol
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore

ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR")
"""OTB's difficulty tags, in the order of the benchmark's page."""
Parts = Mapping[str, Score | None]
"""The score of each of `sequence_score.PARTS`; None for a part without frames."""


@dataclass(frozen=True, eq=False)
class Report:
    """Scores of one tracker on a set of sequences.

    Attributes:
        scores: per sequence, each run of the tracker, frame by frame.
        failed: sequences that could not be scored, each with a one-line reason; they are in no mean.
        repeats: number of runs over all sequences; 0 for TRE and SRE, where the frames of all runs count as one run.
        attributes: per sequence, its difficulty tags.
        fps: frames per second by sequence, where known.
        protocol: how it was scored.
        rules: the protocol's rules in words, with those for several starts.
        trained: whether the tracker was trained on the first frames of some of these sequences.
    """

    scores: Mapping[str, tuple[SequenceScore, ...]]
    failed: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 0
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fps: Mapping[str, float] = field(default_factory=dict)
    protocol: Protocol = PROTOCOLS["otb"]
    rules: str = PROTOCOLS["otb"].rules
    trained: bool = False

    @cached_property
    def sequences(self) -> dict[str, Parts]:
        """Per sequence, the score of each part: the mean over runs, or in TRE and SRE over the frames of all runs."""
        # TRE and SRE: a sequence's runs have different frames, so each frame counts the same, not each run.
        pooled = self.repeats == 0
        return {name: _combine_runs([run.parts for run in runs], pooled) for name, runs in self.scores.items()}

    @cached_property
    def runs(self) -> list[Parts]:
        """Per run of the tracker, its mean over sequences of each part; empty for TRE and SRE."""
        return [self._mean_parts([runs[at].parts for runs in self.scores.values()]) for at in range(self.repeats)]

    @cached_property
    def mean(self) -> Parts:
        """Per part, the protocol's mean over the sequences that have it; None where none has."""
        return self._mean_parts(self.sequences.values())

    @cached_property
    def std(self) -> Parts:
        """Per part, the sample standard deviation of `mean` over the runs; None of fewer than two runs."""
        return {part: std_score(_existing(self.runs, part)) for part in PARTS}

    @property
    def mean_fps(self) -> float | None:
        """The mean over the scored sequences; None if the speed on one of them is unknown."""
        speeds = [self.fps[name] for name in self.scores if name in self.fps]
        return sum(speeds) / len(speeds) if speeds and len(speeds) == len(self.scores) else None

    @property
    def count(self) -> str:
        """How many of the sequences are scored, in words: ``29 of 30``."""
        return f"{len(self.scores)} of {len(self.scores) + len(self.failed)}"

    def by_attribute(self) -> dict[str, tuple[int, Parts]]:
        """Per difficulty tag, the number of sequences that have it and the mean over these; OTB's tags come first."""
        # The keys first: OTB's tags in OTB's order, then others in the order of the sequences.
        groups: dict[str, list[Parts]] = {tag: [] for tag in ATTRIBUTES}
        for tags in self.attributes.values():
            for tag in tags:
                groups.setdefault(tag, [])
        for name, parts in self.sequences.items():
            for tag in set(self.attributes.get(name, ())):
                groups[tag].append(parts)
        return {tag: (len(group), self._mean_parts(group)) for tag, group in groups.items() if group}

    def _mean_parts(self, scores: Iterable[Parts]) -> Parts:
        scores = list(scores)
        by_frames = self.protocol.weights != "equal"
        return {part: mean_score(_existing(scores, part), by_frames) for part in PARTS}

    def _numbers(self, parts: Parts) -> dict[str, Any]:
        """The scores of each part: OTB's, None where the protocol has none, and the protocol's own."""
        names = dict.fromkeys((*PROTOCOLS["otb"].scores, *self.protocol.scores))
        return {
            part: None if score is None else {name: getattr(score, name) for name in names}
            for part, score in parts.items()
        }

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

        What `means_to_json` returns, ``runs`` (their number), ``sequences`` (with their ``fps`` if known), ``failed``
        and ``protocol`` (its name, reference and rules).
        """
        sequences: dict[str, dict[str, Any]] = {}
        for name, parts in self.sequences.items():
            sequences[name] = {"frames": max(score.frames for score in parts.values() if score)}
            if name in self.fps:
                sequences[name]["fps"] = self.fps[name]
            sequences[name] |= self._numbers(parts)
        return self.means_to_json() | {
            "runs": self.repeats,
            "sequences": sequences,
            "failed": dict(self.failed),
            "protocol": f"{self.protocol.heading}: {self.rules}",
        }

    def means_to_json(self) -> dict[str, Any]:
        """The means as plain dicts.

        ``mean``, ``std`` (None of one run), ``fps`` (None if unknown), ``attributes``, and ``mean_over``: the names of
        the sequences that these are over.
        """
        return {
            "mean": self._numbers(self.mean),
            "std": self._numbers(self.std) if self.repeats > 1 else None,
            "fps": self.mean_fps,
            "mean_over": list(self.scores),
            "attributes": {
                tag: {"sequences": count} | self._numbers(parts) for tag, (count, parts) in self.by_attribute().items()
            },
        }


def select_common(reports: Mapping[str, Report]) -> dict[str, Report]:
    """Reports whose means compare: each on the sequences that every tracker has a score for.

    The other sequences are in ``failed``. A tracker without any score does not count: it has no mean.

    Args:
        reports: by tracker, on the same sequences.
    """
    scored = [set(report.scores) for report in reports.values() if report.scores]
    common = set.intersection(*scored) if scored else set()
    selected: dict[str, Report] = {}
    for tracker, report in reports.items():
        left_out = {name: "another tracker has no score" for name in report.scores if name not in common}
        scores = {name: runs for name, runs in report.scores.items() if name in common}
        selected[tracker] = replace(report, scores=scores, failed={**report.failed, **left_out})
    return selected


def say_common(common: Mapping[str, Report]) -> str:
    """Over how many sequences the means are, such as ``, on 1 of 2 sequences``; empty if over all.

    Args:
        common: what `select_common` returns.
    """
    counts = [report.count for report in common.values() if report.scores and report.failed]
    return f", on {counts[0]} sequences" if counts else ""


def _existing(scores: Iterable[Parts], part: str) -> list[Score]:
    """The scores of a part, of those that have it."""
    candidates = [parts[part] for parts in scores]
    return [score for score in candidates if score is not None]


def _combine_runs(runs: Sequence[Parts], pooled: bool) -> Parts:
    """One sequence's scores from its runs: over all their frames, or the mean of runs over the same frames."""
    combined: dict[str, Score | None] = {}
    for part in PARTS:
        scores = _existing(runs, part)
        mean = mean_score(scores, by_frames=pooled)
        # The mean's frames are the sum over runs; runs over the same frames count them once.
        combined[part] = mean if mean is None or pooled else replace(mean, frames=scores[0].frames)
    return combined
