"""The runs that a protocol asks of a tracker, and where their results lie.

========================================  ============================================================================
``TRACKER/NAME.txt``                      boxes ``x,y,w,h``, one line a frame; ``NAME_time.txt``: seconds, alike
``TRACKER/run-1/NAME.txt``, ...           with ``repeat``: the same with seeds 0, 1, ...
``TRACKER-tre/start-01/NAME.txt``, ...    from each start frame to the end; ``TRACKER-tre/starts.json``: those frames,
                                          ``{NAME: [index, ...]}``, counted from 0
``TRACKER-sre/left/NAME.txt``, ...        from each perturbed first box, see `tracking_env.evaluation.robustness`
``TRACKER*/tracker.id``                   which tracker the folder belongs to
========================================  ============================================================================
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.sequence import Frames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation import robustness


class LaterFrames:
    """The frames of a sequence from one on."""

    def __init__(self, frames: Frames, start: int) -> None:
        self.frames, self.start = frames, start

    def __len__(self) -> int:
        return len(self.frames) - self.start

    def __getitem__(self, index: int) -> np.ndarray:
        return self.frames[range(self.start, len(self.frames))[index]]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.frames.size

    @property
    def fingerprint(self) -> str:
        """The frames' own, and where they start."""
        return f"{self.frames.fingerprint}-{self.start}"


@dataclass(frozen=True, eq=False)
class Task:
    """One run over one sequence.

    Attributes:
        folder: the tracker's.
        sequence: the whole sequence.
        run: the folder's part that the result is for, such as ``start-01``; empty for plain one-pass evaluation.
        start: index of the frame that the run starts on.
        box: the pixel box ``(4,)`` that it starts with; None for the true one.
        seed: of a tracker that draws at random.
    """

    folder: Path
    sequence: Sequence
    run: str = ""
    start: int = 0
    box: np.ndarray | None = None
    seed: int = 0

    @property
    def path(self) -> Path:
        """The result file."""
        return self.folder / self.run / f"{self.sequence.name}.txt"

    @property
    def times(self) -> Path:
        """The file of seconds per frame that belongs to it."""
        return self.path.with_name(f"{self.sequence.name}_time.txt")

    @property
    def truth(self) -> np.ndarray:
        """True boxes of the frames that it runs over, ``(T - start, 4)``."""
        return self.sequence.boxes[self.start :]

    def given(self) -> Sequence:
        """What the tracker is given: a sequence of the frames that it runs over, with the first box in front."""
        if self.start == 0 and self.box is None:
            return self.sequence
        boxes = self.truth.copy()
        boxes[0] = boxes[0] if self.box is None else self.box
        frames = LaterFrames(self.sequence.frames, self.start)
        return Sequence(self.sequence.name, frames, boxes, self.sequence.attributes, self.sequence.dataset)


def folder(out: Path, name: str, protocol: robustness.Protocol = "ope") -> Path:
    """The folder of a tracker's results in ``out``: its name, with ``-tre`` or ``-sre`` for these."""
    return out / (name if protocol == "ope" else f"{name}-{protocol}")


def plan(
    sequences: Iterable[Sequence], folder: Path, protocol: robustness.Protocol = "ope", repeat: int = 1
) -> list[Task]:
    """The runs of a protocol over sequences.

    ``ope``: one run from the first frame, or ``repeat`` with seeds 0, 1, ...; ``tre``: one from each of
    `protocols.starts`; ``sre``: one with each of the boxes `protocols.perturbed`.

    Raises:
        InputError: ``repeat`` is below 1, or above it with another protocol than ``ope``.
    """
    if repeat < 1 or (repeat > 1 and protocol != "ope"):
        wanted = ">= 1" if protocol == "ope" else f"1: {protocol} has several runs already"
        raise InputError(f"--repeat is {repeat} with --protocol {protocol}; give a number {wanted}")
    sequences = list(sequences)
    if protocol == "tre":
        return [
            Task(folder, one, f"start-{number:02d}", start)
            for one in sequences
            for number, start in enumerate(robustness.starts(one.boxes), 1)
        ]
    if protocol == "sre":
        return [
            Task(folder, one, name, box=box)
            for one in sequences
            for name, box in robustness.perturbed(one.boxes[0], one.size).items()
        ]
    runs = [f"run-{number}" for number in range(1, repeat + 1)] if repeat > 1 else [""]
    return [Task(folder, one, name, seed=seed) for seed, name in enumerate(runs) for one in sequences]
