"""The runs over sequences that ope, tre and sre consist of, and the files that hold their results.

========================================  ============================================================================
``TRACKER/NAME.txt``                      boxes ``x,y,w,h``, a line per frame; ``NAME_time.txt``: seconds per frame
``TRACKER/run-1/NAME.txt``, ...           with ``repeat``: the same with seeds 0, 1, ...
``TRACKER-tre/start-01/NAME.txt``, ...    from each start frame to the end; ``TRACKER-tre/starts.json``: those frames,
                                          ``{NAME: [index, ...]}``, counted from 0
``TRACKER-sre/left/NAME.txt``, ...        from each perturbed first box, see `tracking_env.evaluation.robustness`
``TRACKER-vot/baseline/NAME/...``         from each anchor, see `tracking_env.evaluation.protocols.vot_files`
``TRACKER*/tracker.id``                   the id of the tracker that the folder belongs to
========================================  ============================================================================
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracking_env.datasets.sequence import NO_FIRST_BOX, SelectedFrames, Sequence
from tracking_env.errors import InputError, option
from tracking_env.evaluation.protocols import vot_files
from tracking_env.evaluation.robustness import ProtocolName, choose_start_frames, perturb_first_box

MOST_RUNS = 1000
"""Most runs from the first frame."""


@dataclass(frozen=True, eq=False)
class Task:
    """One run over one sequence.

    Attributes:
        folder: the folder of the tracker's results.
        sequence: the whole sequence.
        run: sub-folder for the result, such as ``start-01``; empty for plain one-pass evaluation.
        start: index of the frame on which the run starts.
        anchor: frame indices of a run from an anchor, in place of those from ``start`` on.
        box: the pixel box ``(4,)`` with which it starts; None for the true one.
        seed: seed of a tracker that draws at random.
    """

    folder: Path
    sequence: Sequence
    run: str = ""
    start: int = 0
    anchor: range | None = None
    box: np.ndarray | None = None
    seed: int = 0

    @property
    def path(self) -> Path:
        """The file of boxes."""
        if self.anchor is not None:
            return vot_files.run_path(self.folder, self.sequence.name, self.anchor[0])
        return self.folder / self.run / f"{self.sequence.name}.txt"

    @property
    def times_path(self) -> Path:
        """The file of seconds per frame."""
        if self.anchor is not None:
            return vot_files.times_path(self.folder, self.sequence.name, self.anchor[0])
        return self.path.with_name(f"{self.sequence.name}_time.txt")

    @property
    def indices(self) -> range:
        """Indices of the frames that it runs over, in its order."""
        return range(self.start, len(self.sequence)) if self.anchor is None else self.anchor

    @property
    def truth(self) -> np.ndarray:
        """True boxes of these frames, ``(N, 4)``."""
        return self.sequence.boxes[list(self.indices)]

    def cut_sequence(self) -> Sequence:
        """The sequence to track: the frames that the run covers; its first box is the one that the run starts with.

        Raises:
            InputError: the run's first frame has no true box.
        """
        if not self.sequence.annotated[self.indices[0]]:
            raise InputError(NO_FIRST_BOX)
        if self.indices == range(len(self.sequence)) and self.box is None:
            return self.sequence
        # Only the first box is the tracker's; the later true boxes are for oracle baselines and scoring.
        boxes = self.truth
        boxes[0] = boxes[0] if self.box is None else self.box
        frames = SelectedFrames(self.sequence.frames, self.indices)
        return Sequence(self.sequence.name, frames, boxes, self.sequence.attributes, self.sequence.dataset)


def results_folder(out: Path, name: str, starts: ProtocolName = "ope") -> Path:
    """The folder in ``out`` for a tracker's results: its name, with ``-tre``, ``-sre`` or ``-vot`` for these starts.

    Raises:
        InputError: the name leads out of ``out``.
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise InputError(f"{option('name')} is {name!r}; give a name without folders")
    return out / (name if starts == "ope" else f"{name}-{starts}")


def plan_tasks(
    sequences: Iterable[Sequence], folder: Path, starts: ProtocolName = "ope", repeat: int = 1
) -> list[Task]:
    """The runs over sequences that an evaluation needs.

    ``ope``: one run from the first frame, or ``repeat`` runs with seeds 0, 1, ...; ``tre``: one run from each of
    `robustness.choose_start_frames`; ``sre``: one run with each box of `robustness.perturb_first_box`; ``vot``: one run
    from each anchor.

    Raises:
        InputError: ``repeat`` is below 1 or above `MOST_RUNS`, or above 1 with other starts than ``ope``; or VOT's
            sequence has no anchors.
    """
    if not 1 <= repeat <= MOST_RUNS or (repeat > 1 and starts != "ope"):
        has_several = f"1: {option('protocol', starts)} has several runs already"
        allowed = f"from 1 to {MOST_RUNS}" if starts == "ope" else has_several
        raise InputError(f"{option('repeat')} is {repeat}; give a number {allowed}")
    tasks = []
    if starts == "tre":
        for sequence in sequences:
            for number, start in enumerate(choose_start_frames(sequence.boxes), 1):
                tasks.append(Task(folder, sequence, f"start-{number:02d}", start))
    elif starts == "sre":
        for sequence in sequences:
            for name, box in perturb_first_box(sequence.boxes[0], sequence.size).items():
                tasks.append(Task(folder, sequence, name, box=box))
    elif starts == "vot":
        for sequence in sequences:
            anchors = vot_files.require_anchors(sequence.name, sequence.anchors)
            tasks += [Task(folder, sequence, anchor=frames) for frames in anchors]
    else:
        sequences = list(sequences)
        # Run by run: a stopped evaluation then has whole runs, which can be scored.
        for seed in range(repeat):
            run = f"run-{seed + 1}" if repeat > 1 else ""
            tasks += [Task(folder, sequence, run, seed=seed) for sequence in sequences]
    return tasks
