"""From predicted boxes, in memory or in result files, to a report of scores: whole, seen and unseen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env import otb
from tracking_env.errors import InputError
from tracking_env.files import whole
from tracking_env.metrics import Score, mean_score, part_scores

PROTOCOL = (
    "OTB one-pass evaluation: success at 21 overlaps k/20 (>), precision at 20 px (<=), first frame counted, "
    "unweighted mean over sequences; seen = the frames open to training, unseen = the rest"
)
PARTS = ("whole", "seen", "unseen")


@dataclass(frozen=True)
class Report:
    """Scores of one tracker on a set of sequences.

    Attributes:
        sequences: per sequence, the score of each of `PARTS`; None for a part without frames.
        failed: sequences that could not be scored, each with a one-line reason; they are in no mean.
    """

    sequences: Mapping[str, Mapping[str, Score | None]]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean(self) -> dict[str, Score | None]:
        """Per part, the unweighted mean over the sequences that have it; None where none has."""
        return {
            part: mean_score([one for parts in self.sequences.values() if (one := parts[part]) is not None])
            for part in PARTS
        }

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts: ``mean``, ``sequences``, ``failed`` and ``protocol``."""
        return {
            "mean": _numbers(self.mean),
            "sequences": {name: {"frames": _frames(parts)} | _numbers(parts) for name, parts in self.sequences.items()},
            "failed": dict(self.failed),
            "protocol": PROTOCOL,
        }


def evaluate(
    predictions: Mapping[str, np.ndarray], truths: Mapping[str, np.ndarray], seen: Mapping[str, int] | None = None
) -> Report:
    """Score predictions by the protocol of `tracking_env.metrics`.

    Args:
        predictions: pixel boxes ``x, y, w, h`` per sequence, ``(T, 4)``; ones that are not in ``truths`` are left out.
        truths: true boxes of every sequence to score, ``(T, 4)``.
        seen: number of first frames that training could see, per sequence, in [0, T); 0 for a sequence that is unseen
            as a whole. By default the paper's third, ``floor(T / 3)``, of each.

    Returns:
        A report in the order of ``truths``. A sequence without prediction, or with too many or too few rows, is in its
        ``failed``; a run over all rows of the official annotation file is cut to the official range (see `otb.crop`).
    """
    sequences: dict[str, Mapping[str, Score | None]] = {}
    failed: dict[str, str] = {}
    for name, truth in truths.items():
        if name not in predictions:
            failed[name] = "no result"
            continue
        run = np.asarray(predictions[name])
        if len(run) != len(truth):
            run = otb.crop(name, run)
        if len(run) != len(truth):
            failed[name] = f"{len(run)} rows for {len(truth)} frames; write one row per frame"
            continue
        sequences[name] = part_scores(run, truth, len(truth) // 3 if seen is None else seen[name])
    return Report(sequences, failed)


def score_folder(results: Path, truths: Mapping[str, np.ndarray], seen: Mapping[str, int] | None = None) -> Report:
    """Score a folder of OTB result files ``NAME.txt``; see `evaluate`. A file that cannot be read is in ``failed``.

    Raises:
        InputError: there is no such folder.
    """
    if not results.is_dir():
        raise InputError(f"no folder {results}; give the folder that holds the results NAME.txt")
    predictions: dict[str, np.ndarray] = {}
    unread: dict[str, str] = {}
    for name in truths:
        try:
            predictions[name] = otb.read_boxes(results / f"{name}.txt")
        except InputError as error:
            unread[name] = str(error)
    report = evaluate(predictions, truths, seen)
    return Report(report.sequences, {**report.failed, **unread})


def write_result(path: Path, boxes: np.ndarray) -> None:
    """Write pixel boxes ``(T, 4)`` as OTB text, ``x,y,w,h`` with 4 decimals a line, making folders on the way.

    The file appears whole or not at all.
    """
    with whole(path) as partial:
        np.savetxt(partial, boxes, fmt="%.4f", delimiter=",")


def _numbers(parts: Mapping[str, Score | None]) -> dict[str, Any]:
    return {
        part: {"auc": one.auc, "precision20": one.precision20, "mean_iou": one.mean_iou} if one else None
        for part, one in parts.items()
    }


def _frames(parts: Mapping[str, Score | None]) -> int:
    return max(one.frames for one in parts.values() if one)
