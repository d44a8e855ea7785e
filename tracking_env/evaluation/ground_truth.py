"""The sequences that results are scored against: from a folder with frames, drawn, or from annotation files alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets import loading, otb
from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The true boxes of one sequence, with its frames if there are any.

    Attributes:
        name: unique among the sequences of a report.
        boxes: true pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)``.
        attributes: its difficulty tags, some of `tracking_env.evaluation.score_report.ATTRIBUTES`.
        frames: its frames; None if there are only annotations.
        dataset: the data set that it is from, as in `datasets.Sequence.dataset`.
    """

    name: str
    boxes: np.ndarray
    attributes: tuple[str, ...] = ()
    frames: Frames | None = None
    dataset: str = "otb"

    @property
    def seen(self) -> int:
        """Number of frames in the training third."""
        return len(self.boxes) // 3


def read_ground_truth(root: Path | None, annotations: Path | None, sequences: str | None) -> list[GroundTruth]:
    """The ground truth of sequences: with frames from a data set or drawn, or without frames from annotation files.

    Args:
        root: folder of a data set, as for `tracking_env.datasets.loading.load`.
        annotations: folder of ``NAME.txt`` with true boxes of OTB sequences.
        sequences: names and lists, as for `tracking_env.datasets.loading.load`. By default drlt30, or all sequences of
            another data set than OTB.

    Raises:
        InputError: there is not exactly one source, or it lacks a sequence.
    """
    names = sequences or loading.default_names(root)
    if annotations is not None and root is None:
        return [
            GroundTruth(name, otb.read_annotations(annotations, name), otb.TABLE[name].attributes)
            for name in otb.resolve_names(names, None)
        ]
    if annotations is None and (root is not None or names.startswith("synthetic:")):
        return [
            GroundTruth(sequence.name, sequence.boxes, sequence.attributes, sequence.frames, sequence.dataset)
            for sequence in loading.load(root, names)
        ]
    raise InputError("true boxes come from one place; give either --root OTB or --annotations DIR")


def read_sizes(sequences: Iterable[GroundTruth]) -> dict[str, Size]:
    """Width and height of the frames of each sequence that has frames, by name; reads the first frame of each."""
    return {sequence.name: sequence.frames.size for sequence in sequences if sequence.frames is not None}
