"""Scores of one tracker by VOT's multi-start protocol, from the files of its runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from tracking_env.boxes import Size
from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.protocols import PROTOCOLS, vot, vot_files
from tracking_env.evaluation.protocols.protocol import FrameMeasures
from tracking_env.evaluation.result_files import read_seconds
from tracking_env.evaluation.score_report import Parts, Report
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore


@dataclass(frozen=True, eq=False)
class AnchorReport(Report):
    """A report whose scores are VOT's; ``scores`` holds for each sequence the runs from its anchors.

    Attributes:
        lengths: number of frames of each sequence, the weight of its robustness.
    """

    lengths: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def sequences(self) -> dict[str, Parts]:
        """Per sequence, the scores of its runs together, as the whole; training has no part of VOT's sequences."""
        return {name: _as_whole(vot.score_runs(runs)) for name, runs in self._measures.items()}

    @cached_property
    def mean(self) -> Parts:
        """The scores of all sequences together, weighted as VOT weights them."""
        return _as_whole(vot.score_sequences(self._measures, self.lengths))

    @property
    def _measures(self) -> dict[str, list[FrameMeasures]]:
        return {name: [run.measures for run in runs] for name, runs in self.scores.items()}


def score_anchors(
    folder: Path,
    truths: Mapping[str, np.ndarray],
    anchors: Mapping[str, Sequence[range]],
    sizes: Mapping[str, Size],
) -> AnchorReport:
    """Score a tracker's folder by VOT's multi-start protocol.

    Args:
        folder: holds ``baseline/NAME/NAME_00000000.txt``, see `vot_files`.
        truths: true boxes of every sequence to score, ``(T, 4)``.
        anchors: frame indices of each run of each sequence, as in `datasets.Sequence.anchors`.
        sizes: width and height of the images of each sequence.

    Returns:
        A report in the order of ``truths``. A sequence is in its ``failed`` if it has no anchors, or if a run is
        missing or has too many or too few rows.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the one with baseline/NAME/NAME_00000000.txt")
    protocol = PROTOCOLS["vot"]
    scores: dict[str, tuple[SequenceScore, ...]] = {}
    failed: dict[str, str] = {}
    fps: dict[str, float] = {}
    for name, truth in truths.items():
        try:
            runs = [_read_run(folder, name, frames) for frames in vot_files.require_anchors(name, anchors[name])]
        except InputError as error:
            failed[name] = str(error)
            continue
        measures = [
            protocol.measure(run, truth[list(frames)], sizes.get(name))
            for run, frames in zip(runs, anchors[name], strict=True)
        ]
        scores[name] = tuple(SequenceScore(frames, 0, protocol) for frames in measures)
        seconds = _read_all_seconds(vot_files.times_path(folder, name, frames[0]) for frames in anchors[name])
        if seconds:
            fps[name] = len(seconds) / sum(seconds)
    lengths = {name: len(truth) for name, truth in truths.items()}
    return AnchorReport(scores, failed, fps=fps, protocol=protocol, rules=protocol.rules, lengths=lengths)


def _read_run(folder: Path, name: str, frames: range) -> np.ndarray:
    path = vot_files.run_path(folder, name, frames[0])
    run = vot_files.read_run(path)
    if len(run) != len(frames):
        raise InputError(f"{path} has {len(run)} rows for {len(frames)} frames; run the tracker again")
    return run


def _read_all_seconds(paths: Iterable[Path]) -> list[float]:
    return [second for path in paths for second in read_seconds(path)]


def _as_whole(score: Score | None) -> Parts:
    return {part: score if part == "whole" else None for part in PARTS}
