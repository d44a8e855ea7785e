"""A tracker's boxes in files: one reader for the layouts of the field, and a writer.

A folder per tracker, which holds one of

* ``NAME.txt``, one box ``x, y, w, h`` a line (`tracking_env.datasets.box_files.read_boxes`), with seconds per frame in
  ``NAME_time.txt`` or ``times/NAME_time.txt``: this library and got10k's toolkit for OTB write these;
* folders ``run-1/``, ``run-2/``, ... of such files: several runs of one tracker;
* in ``TRACKER-tre``, ``starts.json`` and folders ``start-01/``, ... of such files: ``starts.json`` holds for each
  sequence the frame (0-based) of each start, a file holds the boxes from there on;
* in ``TRACKER-sre``, folders ``left/``, ``scale_8/``, ... of such files, one for each perturbed first box;
* ``NAME/NAME_001.txt``, ``NAME_002.txt``, ... with all their seconds in ``NAME/NAME_time.txt``, a column for each run:
  got10k's layout (``got10k/experiments/got10k.py`` of github.com/got-10k/toolkit);
* ``NAME.json`` or ``NAME_TRACKER.mat`` of the OTB toolkits (`tracking_env.evaluation.otb_toolkit_files`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tracking_env.datasets.box_files import read_boxes, read_rows
from tracking_env.errors import InputError
from tracking_env.evaluation import otb_toolkit_files
from tracking_env.evaluation.result_index import STARTS, index_files, list_parts, list_repetitions, refuse_parent
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.files import read_bytes, write_atomically


@dataclass(frozen=True, eq=False)
class Results:
    """The boxes of one tracker.

    Attributes:
        runs: per run, or per start in TRE and SRE, pixel boxes ``(T, 4)`` float64 by sequence name.
        fps: frames per second by sequence, where known.
        unreadable: sequences whose files cannot be used, each with a one-line reason; they are in no run.
        protocol: one pass (ope), several start frames (tre) or several first boxes (sre).
        starts: in TRE and SRE by sequence, the 0-based frame of each start: the first box of its run. A sequence may
            have fewer starts than there are ``runs``; in OPE it is empty.
    """

    runs: tuple[Mapping[str, np.ndarray], ...]
    fps: Mapping[str, float] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    protocol: ProtocolName = "ope"
    starts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _SequenceRuns:
    """The boxes of one sequence, by the number of the run, counted from 0."""

    boxes: Mapping[int, np.ndarray]
    fps: float | None = None
    protocol: ProtocolName = "ope"
    starts: tuple[int, ...] = ()


def read_results(folder: Path, names: Collection[str]) -> Results:
    """Read the results of one tracker.

    Args:
        folder: the tracker's; the docstring of this module lists its layouts.
        names: the sequences to look for. A file's name may differ from them in case and punctuation (``jogging.1``). It
            may also be the name of the sequence's folder if that has one target (``Human4`` for ``Human4-2``). Other
            files are ignored.

    Returns:
        The runs, with the sequences that have files; the others are in no run.

    Raises:
        InputError: there is no such folder, or it does not hold the results of one tracker.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the folder that holds the results NAME.txt")
    parts, protocol, starts = list_parts(folder)
    sequences: dict[str, _SequenceRuns] = {}
    unreadable: dict[str, str] = {}
    for name, places in index_files(parts, names).items():
        try:
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
    )


def write_result(path: Path, boxes: np.ndarray) -> None:
    """Write pixel boxes ``(T, 4)`` as OTB text, a line ``x,y,w,h`` with 4 decimals per frame; make missing folders.

    The file appears whole or not at all.
    """
    with write_atomically(path) as partial:
        np.savetxt(partial, boxes, fmt="%.4f", delimiter=",")


def _is_text(places: Mapping[int, list[Path]]) -> bool:
    for paths in places.values():
        if len(paths) > 1:
            raise InputError(f"{paths[0]} and {paths[1].name} are the same sequence; keep one of them")
    return all(paths[0].suffix.lower() == ".txt" or paths[0].is_dir() for paths in places.values())


def _read_texts(places: Mapping[int, list[Path]]) -> tuple[dict[int, np.ndarray], float | None]:
    """The boxes of each run, and the speed over all of them."""
    files: dict[int, Path] = {}
    times: list[Path] = []
    for run, (path,) in places.items():
        if path.is_dir():
            files = dict(enumerate(list_repetitions(path)))
            times.append(path / f"{path.name}_time.txt")
        else:
            files[run] = path
            times += [path.with_name(f"{path.stem}_time.txt"), path.parent / "times" / f"{path.stem}_time.txt"]
    for file in files.values():
        read_bytes(file)  # refuses a file that is too large to hold boxes
    seconds: list[float] = []
    for file in times:
        seconds += _read_seconds(file)
    boxes = {run: read_boxes(file) for run, file in files.items()}
    # Frames over all seconds: a mean of rates would favour fast frames.
    return boxes, len(seconds) / sum(seconds) if seconds else None


def _read_seconds(file: Path) -> list[float]:
    """Seconds per frame, those above 0; empty if they cannot be read, since no score depends on them."""
    try:
        rows = read_rows(file, ())
    except InputError:
        return []
    return [seconds for row in rows for seconds in row if 0 < seconds < np.inf]


def _read_records(places: Mapping[int, list[Path]]) -> _SequenceRuns:
    if len(places) > 1:
        raise InputError(f"{places[min(places)][0]} is in a folder of runs; wanted NAME.txt there")
    ((path,),) = places.values()
    records = otb_toolkit_files.read_mat(path) if path.suffix.lower() == ".mat" else otb_toolkit_files.read_json(path)
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
