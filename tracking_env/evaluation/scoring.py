"""From predicted boxes, in memory or in result files, to a report of scores: whole, seen and unseen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets import otb
from tracking_env.errors import InputError
from tracking_env.evaluation import drlt_paper, metrics, result_files
from tracking_env.evaluation.metrics import METRICS, Score, mean_score, std_score
from tracking_env.evaluation.result_files import Results
from tracking_env.files import whole

PROTOCOL = (
    "OTB one-pass evaluation: success at 21 overlaps k/20 (>), precision at 20 px (<=), normalised precision at 0.20 "
    "of the true box (<=), first frame counted, unweighted mean over sequences; seen = the frames open to training, "
    "unseen = the rest"
)
PARTS = ("whole", "seen", "unseen")
ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR")
"""OTB's difficulty tags, in the order of the benchmark's page."""

Parts = Mapping[str, Score | None]
PROTOCOLS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, int], dict[str, Score | None]]]] = {
    "otb": (PROTOCOL, metrics.part_scores),
    "drlt-paper": (drlt_paper.PROTOCOL, drlt_paper.part_scores),
}
"""Per protocol, what it is and its formula."""
_SEVERAL = {
    "OPE": "",
    "TRE": "; TRE: of each sequence, all frames of the runs from all starts, each run's first frame being the true one",
    "SRE": "; SRE: of each sequence, all frames of the runs from all perturbed first boxes",
}


@dataclass(frozen=True)
class Report:
    """Scores of one tracker on a set of sequences.

    Attributes:
        sequences: per sequence, the score of each of `PARTS`, of several runs the mean; None for a part without frames.
        failed: sequences that could not be scored, each with a one-line reason; they are in no mean.
        runs: per run of the tracker, its mean over sequences of each of `PARTS`.
        attributes: per sequence, its difficulty tags.
        fps: frames per second by sequence, where known.
        protocol: how it was scored, in words.
    """

    sequences: Mapping[str, Parts]
    failed: Mapping[str, str] = field(default_factory=dict)
    runs: Sequence[Parts] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fps: Mapping[str, float] = field(default_factory=dict)
    protocol: str = PROTOCOL

    @property
    def mean(self) -> dict[str, Score | None]:
        """Per part, the unweighted mean over the sequences that have it; None where none has."""
        return _mean(self.sequences.values())

    @property
    def std(self) -> dict[str, Score | None]:
        """Per part, the sample standard deviation of `mean` over the runs; None of fewer than two runs."""
        return {part: std_score([one for run in self.runs if (one := run[part])]) for part in PARTS}

    @property
    def mean_fps(self) -> float | None:
        """The mean over the scored sequences whose speed is known."""
        speeds = [speed for name, speed in self.fps.items() if name in self.sequences]
        return sum(speeds) / len(speeds) if speeds else None

    def by_attribute(self) -> dict[str, tuple[int, dict[str, Score | None]]]:
        """Per difficulty tag, OTB's in OTB's order, on how many sequences it is, and the mean over these."""
        tags = dict.fromkeys((*ATTRIBUTES, *(tag for own in self.attributes.values() for tag in own)))
        tagged = {tag: [one for one in self.sequences if tag in self.attributes.get(one, ())] for tag in tags}
        return {
            tag: (len(names), _mean([self.sequences[name] for name in names])) for tag, names in tagged.items() if names
        }

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts.

        ``mean``, ``std`` (None of one run), ``runs`` (their number), ``fps`` (None if unknown), ``sequences`` (with
        their ``fps`` if known), ``attributes``, ``failed`` and ``protocol``.
        """
        return {
            "mean": _numbers(self.mean),
            "std": _numbers(self.std) if len(self.runs) > 1 else None,
            "runs": len(self.runs),
            "fps": self.mean_fps,
            "sequences": {
                name: {"frames": _frames(parts)}
                | ({"fps": self.fps[name]} if name in self.fps else {})
                | _numbers(parts)
                for name, parts in self.sequences.items()
            },
            "attributes": {
                tag: {"sequences": count} | _numbers(parts) for tag, (count, parts) in self.by_attribute().items()
            },
            "failed": dict(self.failed),
            "protocol": self.protocol,
        }


def evaluate(
    predictions: Mapping[str, np.ndarray] | Results,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    protocol: str = "otb",
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
        protocol: one of `PROTOCOLS`.

    Returns:
        A report in the order of ``truths``. A sequence is in its ``failed`` if one of its runs is missing or has too
        many or too few rows, or if no frame but the first has a true box; a run over all rows of the official
        annotation file is cut to the official range (see `otb.crop`).
    """
    given = predictions if isinstance(predictions, Results) else Results("", (predictions,))
    if attributes is None:
        attributes = {name: otb.TABLE[name].attributes for name in truths if name in otb.TABLE}
    text, formula = PROTOCOLS[protocol]
    scored: dict[str, list[dict[str, Score | None]]] = {}
    failed: dict[str, str] = {}
    for name, truth in truths.items():
        try:
            if len(truth) > 1 and not bx.annotated(truth[1:]).any():
                raise InputError("only its first frame has a true box, so that there is nothing to score")
            first = len(truth) // 3 if seen is None else seen[name]
            scored[name] = [
                formula(run, truth[start:], max(first - start, 0)) for run, start in _runs(given, name, truth)
            ]
        except InputError as error:
            failed[name] = str(error)
    pooled = given.kind != "OPE"
    return Report(
        sequences={
            name: {part: _combined([one[part] for one in runs], pooled) for part in PARTS}
            for name, runs in scored.items()
        },
        failed=failed,
        runs=() if pooled else [_mean([runs[at] for runs in scored.values()]) for at in range(len(given.runs))],
        attributes={name: tuple(tags) for name, tags in attributes.items() if name in truths},
        fps={name: speed for name, speed in given.fps.items() if name in truths},
        protocol=text + _SEVERAL[given.kind],
    )


def score_folder(
    folder: Path,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    protocol: str = "otb",
) -> Report:
    """Score the folder of one tracker, in any layout of `tracking_env.evaluation.result_files`; see `evaluate`.

    Raises:
        InputError: there is no such folder, or it cannot be what one tracker left.
    """
    return evaluate(result_files.read(folder, truths), truths, seen, attributes, protocol)


def write_result(path: Path, boxes: np.ndarray) -> None:
    """Write pixel boxes ``(T, 4)`` as OTB text, ``x,y,w,h`` with 4 decimals a line, making folders on the way.

    The file appears whole or not at all.
    """
    with whole(path) as partial:
        np.savetxt(partial, boxes, fmt="%.4f", delimiter=",")


def _runs(given: Results, name: str, truth: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The runs of a sequence, each as long as the truth from its start, and their starts.

    Raises:
        InputError: a run cannot be read, is missing, or is too long or too short.
    """
    if name in given.unreadable:
        raise InputError(given.unreadable[name])
    if not any(name in run for run in given.runs):
        raise InputError("no result")
    starts = given.starts.get(name) or (0,) * len(given.runs)
    runs = []
    for at, start in enumerate(starts):
        where = f"{'run' if given.kind == 'OPE' else 'start'} {at + 1}: " if len(starts) > 1 else ""
        if at >= len(given.runs) or name not in given.runs[at]:
            raise InputError(f"{where}no result")
        if not 0 <= start < len(truth):
            raise InputError(f"{where}starts at frame {start} of {len(truth)}, counted from 0; run the tracker again")
        run, frames = np.asarray(given.runs[at][name]), len(truth) - start
        if len(run) != frames and start == 0:
            run = otb.crop(name, run)
        if len(run) != frames:
            raise InputError(f"{where}{len(run)} rows for {frames} frames; write one row per frame")
        runs.append((run, start))
    return runs


def _mean(scores: Iterable[Parts]) -> dict[str, Score | None]:
    scores = list(scores)
    return {part: mean_score([one for parts in scores if (one := parts[part])]) for part in PARTS}


def _combined(scores: Sequence[Score | None], pooled: bool) -> Score | None:
    """One sequence's score from its runs: over all their frames, or the mean of runs over the same frames."""
    there = [one for one in scores if one]
    mean = mean_score(there, by_frames=pooled)
    return mean if mean is None or pooled else replace(mean, frames=there[0].frames)


def _numbers(parts: Parts) -> dict[str, Any]:
    return {part: {what: getattr(one, what) for what in METRICS} if one else None for part, one in parts.items()}


def _frames(parts: Parts) -> int:
    return max(one.frames for one in parts.values() if one)
