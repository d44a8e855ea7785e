"""A tracker's boxes in files: one reader for the layouts of the field, and a writer.

A folder per tracker, which holds one of

* ``NAME.txt``, one box ``x, y, w, h`` a line (`tracking_env.datasets.box_files.read_boxes`), with seconds per frame in
  ``NAME_time.txt`` or ``times/NAME_time.txt``: this library and got10k's toolkit for OTB write these. A fifth number
  in [0, 1] is a confidence, and is left out;
* folders ``run-1/``, ``run-2/``, ... of such files, or PyTracking's ``default_000/``, ``default_001/``, ...: several
  runs of one tracker;
* in ``TRACKER-tre``, ``starts.json`` and folders ``start-01/``, ... of such files: ``starts.json`` holds for each
  sequence the frame (0-based) of each start, a file holds the boxes from there on;
* in ``TRACKER-sre``, folders ``left/``, ``scale_8/``, ... of such files, one for each perturbed first box;
* ``NAME/NAME_001.txt``, ``NAME_002.txt``, ... with all their seconds in ``NAME/NAME_time.txt``, a column for each run:
  got10k's layout (``got10k/experiments/got10k.py`` of github.com/got-10k/toolkit);
* the same of the VOT toolkit, whose first line is the code 1 for the first frame. A polygon becomes its upright box, a
  line 0 repeats the box before it. Runs that begin anew after a failure (a line 2) are no one-pass results;
* ``NAME.json`` or ``NAME_TRACKER.mat`` of the OTB toolkits (`tracking_env.evaluation.otb_toolkit.records`).

A folder of ``NAME_TRACKER.mat`` may hold many trackers: `tracking_env.evaluation.tracker_folders` reads them all.

Beside any of these, ``trained-on.txt`` names the sequences whose first thirds the tracker was trained on, one a line.
Tables then show the scores of the first thirds and of the rest, too.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.box_files import read_rows
from tracking_env.errors import InputError
from tracking_env.evaluation.otb_toolkit import records as toolkit_records
from tracking_env.evaluation.result_index import STARTS, Place, index_files, list_parts, list_repetitions, refuse_parent
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.files import read_bytes, write_atomically

TRAINED_ON = "trained-on.txt"
"""Name of the file with the names of the sequences on which a tracker was trained."""


@dataclass(frozen=True, eq=False)
class Results:
    """The boxes of one tracker.

    Attributes:
        runs: per run, or per start in TRE and SRE, pixel boxes ``(T, 4)`` float64 by sequence name.
        fps: frames per second by sequence, where known.
        unreadable: sequences whose files cannot be used, each with a one-line reason; they are in no run.
        protocol: one pass (ope), several start frames (tre) or several first boxes (sre).
        trained_on: names of the sequences on whose first frames the tracker was trained, as far as it is known.
        starts: in TRE and SRE by sequence, the 0-based frame of each start: the first box of its run. A sequence may
            have fewer starts than there are ``runs``; in OPE it is empty.
    """

    runs: tuple[Mapping[str, np.ndarray], ...]
    fps: Mapping[str, float] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    protocol: ProtocolName = "ope"
    starts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trained_on: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _SequenceRuns:
    """The boxes of one sequence, by the number of the run, counted from 0."""

    boxes: Mapping[int, np.ndarray]
    fps: float | None = None
    protocol: ProtocolName = "ope"
    starts: tuple[int, ...] = ()


def read_results(folder: Path, names: Collection[str], tracker: str | None = None) -> Results:
    """Read the results of one tracker, in the coordinates of its files.

    Args:
        folder: the tracker's; the docstring of this module lists its layouts.
        names: the sequences to look for. A file's name may differ from them in case and separators (``jogging.1``), if
            it is the only one that does. It may also be the name of the sequence's folder if that has one target
            (``Human4`` for ``Human4-2``). Other files are ignored.
        tracker: the one whose files ``NAME_TRACKER.mat`` to read; needed only if there are several.

    Returns:
        The runs, with the sequences that have files; the others are in no run.

    Raises:
        InputError: there is no such folder, or it does not hold the results of one tracker.
    """
    parts, protocol, starts = list_parts(folder)
    index = index_files(parts, names)
    if tracker is not None:
        index = index.select(tracker)
    elif index.trackers:
        raise InputError(f"{folder} holds results of {len(index.trackers)} trackers; name one, or read all of them")
    sequences: dict[str, _SequenceRuns] = {}
    unreadable: dict[str, str] = dict(index.unclear)
    for name, runs_of_name in index.places.items():
        try:
            places = {
                number: _choose_file(name, candidates) for number, candidates in runs_of_name.items() if candidates
            }
            if not _is_text(places):
                sequences[name] = _read_records(places)
            elif protocol == "tre" and name not in starts:
                raise InputError(f"{folder / STARTS} does not say at which frames {name} starts")
            else:
                own_starts = () if protocol == "ope" else starts.get(name, (0,) * len(parts))
                sequences[name] = _SequenceRuns(*_read_texts(places), protocol, own_starts)
        except InputError as error:
            unreadable[name] = str(error)
    protocols = sorted({sequence.protocol for sequence in sequences.values()})
    if len(protocols) > 1:
        mixed = " and ".join(name.upper() for name in protocols)
        raise InputError(f"{folder} mixes results of {mixed}; keep each in a folder of its own")
    if parts == [folder] and not sequences and not unreadable:
        refuse_parent(folder)
    # A file of records or a got10k folder holds several runs itself, so there may be more runs than folders.
    runs: list[dict[str, np.ndarray]] = [{} for _ in parts]
    for name, sequence in sequences.items():
        for number, boxes in sequence.boxes.items():
            runs += [{} for _ in range(number + 1 - len(runs))]
            runs[number][name] = boxes
    return Results(
        runs=tuple(runs),
        fps={name: sequence.fps for name, sequence in sequences.items() if sequence.fps is not None},
        unreadable=unreadable,
        protocol=protocols[0] if protocols else protocol,
        starts={name: sequence.starts for name, sequence in sequences.items() if sequence.starts},
        trained_on=read_trained_on(folder),
    )


def read_trained_on(folder: Path) -> frozenset[str]:
    """The names in a folder's ``trained-on.txt``, one a line; none without such a file.

    Raises:
        InputError: the file is too large to hold names.
    """
    file = folder / TRAINED_ON
    if not file.is_file():
        return frozenset()
    return frozenset(read_bytes(file).decode("utf-8", errors="replace").splitlines())


def write_result(path: Path, boxes: np.ndarray) -> None:
    """Write pixel boxes ``(T, 4)`` as OTB text, a line ``x,y,w,h`` with 4 decimals per frame; make missing folders.

    The file appears whole or not at all.
    """
    with write_atomically(path) as partial:
        np.savetxt(partial, boxes, fmt="%.4f", delimiter=",")


def _choose_file(name: str, candidates: list[Place]) -> Path:
    """The one file of a run."""
    if len(candidates) > 1:
        first, second = (place.path for place in candidates[:2])
        way = f"move {second.name} to another folder" if candidates[0].exact else f"rename the one that is {name}"
        raise InputError(f"{first} and {second.name} may both be the results of {name}; {way}")
    return candidates[0].path


def _is_text(places: Mapping[int, Path]) -> bool:
    return all(path.suffix.lower() == ".txt" or path.is_dir() for path in places.values())


def _read_texts(places: Mapping[int, Path]) -> tuple[dict[int, np.ndarray], float | None]:
    """The boxes of each run, and the speed over all of them."""
    files: dict[int, Path] = {}
    times: list[Path] = []
    for run, path in places.items():
        if path.is_dir():
            files = dict(enumerate(list_repetitions(path)))
            times.append(path / f"{path.name}_time.txt")
        else:
            files[run] = path
            times += [path.with_name(f"{path.stem}_time.txt"), path.parent / "times" / f"{path.stem}_time.txt"]
    seconds: list[float] = []
    for file in times:
        seconds += read_seconds(file)
    boxes = {run: _read_boxes(file) for run, file in files.items()}
    # Frames over all seconds: a mean of rates would favour fast frames.
    return boxes, len(seconds) / sum(seconds) if seconds else None


def _read_boxes(file: Path) -> np.ndarray:
    """The boxes ``(T, 4)`` of a text file, NaN where it has none; see the top of this module.

    Raises:
        InputError: the file cannot be read, or its lines are something else.
    """
    rows = read_rows(file, (1, 4, 5, 8), "four numbers x,y,w,h (and a confidence), or what the VOT toolkit writes")
    if len(rows[0]) == 1:
        return _convert_vot(file, rows)
    if any(len(row) != len(rows[0]) for row in rows) or len(rows[0]) == 8:
        number = next((number for number, row in enumerate(rows, 1) if len(row) != 4), 1)
        raise InputError(f"{file}, row {number}: got {len(rows[number - 1])} numbers, expected four numbers x,y,w,h")
    table = np.array(rows)
    if table.shape[1] == 5 and ((table[:, 4] < 0) | (table[:, 4] > 1)).any():
        raise InputError(f"{file} has five numbers a row, and the last is no confidence in [0, 1]; expected x,y,w,h")
    return table[:, :4]


def _convert_vot(file: Path, rows: list[list[float]]) -> np.ndarray:
    """The boxes of a file of the VOT toolkit; its first row is a code, and stands for the true box."""
    # 1: the tracker was given the box; 2: it failed; 0: nothing is known (votchallenge/toolkit, vot/region).
    codes = [row[0] for row in rows if len(row) == 1]
    if codes[0] != 1 or any(code != 0 for code in codes[1:]):
        some = ", ".join(f"{code:g}" for code in codes[:4])
        raise InputError(
            f"{file} has the codes {some} of VOT's supervised experiment, which starts the tracker again; one-pass "
            "results have the code 1 in their first row only"
        )
    boxes = np.full((len(rows), 4), np.nan)
    for at, row in enumerate(rows):
        if len(row) == 5:
            raise InputError(f"{file}, row {at + 1}: got 5 numbers, expected a box x,y,w,h, a polygon or a code")
        if len(row) > 1:
            boxes[at] = bx.bounding_box(row) if len(row) == 8 else row
    return boxes


def read_seconds(file: Path) -> list[float]:
    """Seconds per frame, those above 0; empty if they cannot be read, since no score depends on them."""
    try:
        rows = read_rows(file, ())
    except InputError:
        return []
    return [seconds for row in rows for seconds in row if 0 < seconds < np.inf]


def _read_records(places: Mapping[int, Path]) -> _SequenceRuns:
    if len(places) > 1:
        raise InputError(f"{places[min(places)]} is in a folder of runs; wanted NAME.txt there")
    (path,) = places.values()
    records = toolkit_records.read_mat(path) if path.suffix.lower() == ".mat" else toolkit_records.read_json(path)
    # Image numbers need not begin at 1 (David's begin at 300): starts count from the first record's frame.
    firsts = [record.first for record in records]
    starts = tuple(0 if first is None or firsts[0] is None else first - firsts[0] for first in firsts)
    protocol: ProtocolName = "ope"
    if any(record.shifted for record in records):
        protocol = "sre"
    elif any(starts):
        protocol = "tre"
    speeds = [record.fps for record in records if record.fps is not None]
    return _SequenceRuns(
        boxes={run: record.boxes for run, record in enumerate(records)},
        fps=sum(speeds) / len(speeds) if speeds else None,
        protocol=protocol,
        starts=() if protocol == "ope" else starts,
    )
