"""Experts' runs on disk: what they report of each frame of a sequence when no expert is put back.

Such a run depends on the experts, the frames and the first box alone. So it is made once, and what learns from it needs
no network. A store is a folder::

    runs.json            the header: format, experts, columns
    NAME-KEY.npy         reports of frames of a sequence, (T, K, columns) float64, see `columns`; the key stands for the
                         frames, the first box, and the boxes that the experts started from
    .partial-...         a run that is being written
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from tracking_env.datasets import sequence as sq
from tracking_env.errors import InputError, first_line
from tracking_env.files import cache_folder, is_used_for_something_else, read_json, write_atomically
from tracking_env.search.ensemble.action import action_size, split_action
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.ensemble.team import Team
from tracking_env.search.experts import Expert

HEADER, FORMAT = "runs.json", 1
DTYPE = np.dtype("<f8")
"""Boxes and scores as they are, so that rewards of a stored run are those of a run."""
WIDE = {"boxes": ("x", "y", "w", "h")}
"""Fields of a report with several numbers per expert, besides ``cross_score``, which has one per expert."""


def columns(experts: int) -> list[str]:
    """Names of the numbers of one expert in one frame, for so many experts."""
    names = []
    for field in Report._fields:
        if field == "cross_score":
            names += [f"cross_score {index}" for index in range(experts)]
        else:
            names += WIDE.get(field, (field,))
    return names


def pack(report: Report) -> np.ndarray:
    """A report of K experts on N targets as ``(N, K, columns)`` float64."""
    parts = [np.asarray(part, DTYPE) for part in report]
    return np.concatenate([part if part.ndim == 3 else part[..., None] for part in parts], axis=-1)


def unpack(rows: np.ndarray) -> Report:
    """The inverse of `pack`; the rows of a run, ``(T, K, columns)``, become a report with T for N."""
    parts, position = {}, 0
    for field in Report._fields:
        wide = rows.shape[1] if field == "cross_score" else len(WIDE.get(field, ()))
        parts[field] = rows[..., position : position + wide] if wide else rows[..., position]
        position += wide or 1
    return Report(**(parts | {"running": parts["running"].astype(bool)}))


def run_team(
    team: Team, sequence: sq.Sequence, start: int = 0, stop: int | None = None, around: np.ndarray | None = None
) -> np.ndarray:
    """Reports of a team on its first target, started on the true box of a frame: ``(stop - start, K, columns)``.

    No expert is put back, all run, and all are trusted alike; the first frame is looked at too.

    Args:
        team: the experts.
        sequence: the frames.
        start: first frame, 0-based.
        stop: the frame after the last one; by default the end.
        around: what each expert looks around first, ``(K, 4)``, if not the true box.

    Raises:
        InputError: a frame does not decode.
    """
    team.start([0], [sequence.frames[start]], [sequence.boxes[start]], [around])
    experts = len(team.experts)
    rule = split_action(np.zeros((1, action_size(experts, pausing=False))), experts, pausing=False)
    rows = []
    for index in range(start, len(sequence) if stop is None else stop):
        report = team.look([sequence.frames[index]], [0])
        # The team's memory of how the target looked lately goes on here.
        team.act([0], report, Candidates.none(1, experts), rule)
        rows.append(pack(report)[0])
    return np.stack(rows)


class RunStore:
    """The reports of a sequence, made where they are missing.

    A run gets its name when it is whole: a program that was stopped goes on with the next missing run. Several programs
    may share a store.

    Args:
        experts: K experts; None reads what is there and runs nothing.
        folder: by default one of these experts in the cache folder.

    Raises:
        InputError: the folder holds other experts' runs, or something else, or cannot be written to.

    Example::

        store = RunStore([make_expert("nanotrack-v3"), make_expert("fear-xs")])
        store.build(sequences)
        store[sequences[0]].confidence  # (T, 2)
    """

    def __init__(self, experts: Sequence[Expert] | None, folder: Path | None = None) -> None:
        if experts is None and folder is None:
            raise InputError("a store without experts needs a folder with runs; give one")
        self._team = Team(experts) if experts else None
        names = [f"{expert.name} {expert.id}" for expert in experts or ()]
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
        self.folder = folder or cache_folder() / "experts" / digest
        header = self.folder / HEADER
        if self._team is None and not header.exists():
            raise InputError(f"{self.folder} is no store of experts' runs: it has no {HEADER}; give another folder")
        if is_used_for_something_else(self.folder, HEADER):
            raise InputError(f"{self.folder} is not empty and no store of experts' runs; give another folder")
        if header.exists():
            self.experts = self._read_header(header, names)
            return
        self.experts = names
        try:
            with write_atomically(header) as partial:
                partial.write_text(json.dumps(_header(names), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {header}: {error.strerror or error}; give another folder") from None

    def __getitem__(self, sequence: sq.Sequence) -> Report:
        """The reports from the first frame on, see `get`."""
        return self.get(sequence)

    def get(
        self, sequence: sq.Sequence, start: int = 0, stop: int | None = None, around: np.ndarray | None = None
    ) -> Report:
        """Reports from the true box of frame ``start`` (0-based) on, with stop - start frames for N.

        Args:
            sequence: the frames.
            start: first frame, 0-based.
            stop: the frame after the last one; by default the end.
            around: what each expert looks around first, ``(K, 4)``, if not the true box.

        Raises:
            InputError: the file is damaged; or it is missing and there are no experts to make it.
        """
        stop = len(sequence) if stop is None else stop
        path = self._path(sequence, start, stop, around)
        if not path.exists():
            self._make(sequence, start, stop, around, path)
        shape = stop - start, len(self.experts), len(columns(len(self.experts)))
        try:
            rows = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"cannot read the run {path}: {first_line(error)}; delete the file") from None
        if (rows.shape, rows.dtype) != (shape, DTYPE):
            raise InputError(f"{path} holds {rows.shape} {rows.dtype}, wanted {shape} {DTYPE}; delete the file")
        return unpack(rows)

    def build(self, sequences: Iterable[sq.Sequence], progress: bool = True) -> int:
        """Make the missing runs from first frames; returns their number.

        Args:
            sequences: those that have a run are passed over.
            progress: show a bar, on a terminal.

        Raises:
            InputError: a frame does not decode, or the disk is full; the runs before it stay.
        """
        missing = [sequence for sequence in sequences if not self._path(sequence, 0, len(sequence)).exists()]
        hidden = None if missing and progress else True  # None: hidden but on a terminal
        with tqdm(total=sum(map(len, missing)), desc="experts", unit="frame", disable=hidden) as bar:
            for sequence in missing:
                self.get(sequence)
                bar.update(len(sequence))
        return len(missing)

    def _path(self, sequence: sq.Sequence, start: int, stop: int, around: np.ndarray | None = None) -> Path:
        # The first box is part of the key: other annotations of the same frames are other runs.
        origin = f"{sequence.frames.fingerprint} {start} {sequence.boxes[start].tolist()}"
        if stop < len(sequence):
            origin += f" to {stop}"
        if around is not None:
            origin += f" around {around.tolist()}"
        return self.folder / f"{sequence.name}-{sq.short_hash(origin)}.npy"

    def _make(self, sequence: sq.Sequence, start: int, stop: int, around: np.ndarray | None, path: Path) -> None:
        if self._team is None:
            raise InputError(f"{self.folder} has no run of {sequence.name} from frame {start + 1} on; build it")
        lock = self.folder / ".locks" / f"{path.stem}.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):  # of several programs that miss a run one makes it
                if not path.exists():
                    rows = run_team(self._team, sequence, start, stop, around)
                    with write_atomically(path) as partial:
                        np.save(partial, rows)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}; give another folder") from None

    def _read_header(self, path: Path, names: list[str]) -> list[str]:
        header = read_json(path)
        stored = header.get("experts")
        if not isinstance(stored, list) or header != _header(stored):
            raise InputError(f"{path} is of another version, or damaged; delete {self.folder}")
        if names and names != stored:
            raise InputError(f"{self.folder} holds runs of {stored}, not of {names}; give another folder")
        return stored


def _header(names: list[str]) -> dict[str, Any]:
    return {"format": FORMAT, "experts": names, "columns": columns(len(names))}
