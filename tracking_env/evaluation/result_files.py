"""A tracker's published boxes: one reader for the layouts of the field.

A folder per tracker, which holds one of

* ``NAME.txt``, one box ``x, y, w, h`` a line (`tracking_env.datasets.otb.read_boxes`), with seconds per frame in
  ``NAME_time.txt`` or ``times/NAME_time.txt``: what this library and got10k's toolkit for OTB write;
* folders ``run-1/``, ``run-2/``, ... of such files: several runs of one tracker;
* in ``TRACKER-tre``, ``starts.json`` and folders ``start-01/``, ... of such files: the former says for each sequence at
  which frame (0-based) each start is, a file holds the boxes from there on;
* in ``TRACKER-sre``, folders ``left/``, ``scale_8/``, ... of such files, one for each perturbed first box;
* ``NAME/NAME_001.txt``, ``NAME_002.txt``, ... with all their seconds in ``NAME/NAME_time.txt``, a column for each run:
  got10k's layout (``got10k/experiments/got10k.py`` of github.com/got-10k/toolkit);
* ``NAME.json`` or ``NAME_TRACKER.mat`` of the OTB toolkits (`tracking_env.evaluation.otb_toolkit_files`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tracking_env.datasets import otb
from tracking_env.errors import InputError
from tracking_env.evaluation import otb_toolkit_files
from tracking_env.files import natural, read_bytes, read_json

Kind = Literal["OPE", "TRE", "SRE"]
_RUN = re.compile(r"run-\d+")
_STARTS = "starts.json"
_FILES = (".txt", ".json", ".mat")


@dataclass(frozen=True, eq=False)
class Results:
    """The boxes of one tracker.

    Attributes:
        tracker: its name: the folder's, without ``-tre`` or ``-sre``.
        runs: per run, or per start in TRE and SRE, pixel boxes ``(T, 4)`` float64 by sequence name.
        fps: frames per second by sequence, where known.
        unreadable: sequences that are there but cannot be used, each with a one-line reason; they are in no run.
        kind: one-pass (OPE), or from several starts in time (TRE) or with several first boxes (SRE).
        starts: in TRE and SRE by sequence, the 0-based frame at which each start is: the first box of its run. A
            sequence may have fewer starts than there are ``runs``; in OPE it is empty.
    """

    tracker: str
    runs: tuple[Mapping[str, np.ndarray], ...]
    fps: Mapping[str, float] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = "OPE"
    starts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """What was found of one sequence: its boxes by the number of the run, counted from 0."""

    boxes: Mapping[int, np.ndarray]
    fps: float | None = None
    kind: Kind = "OPE"
    starts: tuple[int, ...] = ()


def read(folder: Path, names: Collection[str]) -> Results:
    """Read the results of one tracker.

    Args:
        folder: the tracker's; see this module for what it may hold.
        names: the sequences to look for. A file's name may differ from them in case and punctuation (``jogging.1``) and
            may be the folder's where that has one target (``Human4`` for ``Human4-2``). Other files are left alone.

    Raises:
        InputError: there is no such folder, or it cannot be what one tracker left.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the folder that holds the results NAME.txt")
    parts, kind, starts = _parts(folder)
    found: dict[str, _Found] = {}
    unreadable: dict[str, str] = {}
    for name, places in _index(parts, names).items():
        try:
            if not _is_text(places):
                found[name] = _read_records(places)
            elif kind == "TRE" and name not in starts:
                raise InputError(f"{folder / _STARTS} does not say at which frames {name} starts")
            else:
                given = () if kind == "OPE" else starts.get(name, (0,) * len(parts))
                found[name] = _Found(*_read_texts(places), kind, given)
        except InputError as error:
            unreadable[name] = str(error)
    kinds = sorted({one.kind for one in found.values()})
    if len(kinds) > 1:
        raise InputError(f"{folder} mixes results of {' and '.join(kinds)}; keep each in a folder of its own")
    if parts == [folder] and not found and not unreadable:
        _refuse_parent(folder)
    count = max((max(one.boxes, default=0) + 1 for one in found.values()), default=1)
    return Results(
        tracker=re.sub(r"-(tre|sre)$", "", folder.resolve().name, flags=re.IGNORECASE),
        runs=tuple(
            {name: one.boxes[run] for name, one in found.items() if run in one.boxes}
            for run in range(max(count, len(parts)))
        ),
        fps={name: one.fps for name, one in found.items() if one.fps is not None},
        unreadable=unreadable,
        kind=kinds[0] if kinds else kind,
        starts={name: one.starts for name, one in found.items() if one.starts},
    )


def _parts(folder: Path) -> tuple[list[Path], Kind, Mapping[str, tuple[int, ...]]]:
    """The folders of the runs or starts in their order, and where the starts are."""
    inner = sorted((path for path in folder.iterdir() if path.is_dir()), key=natural)
    file, name = folder / _STARTS, folder.resolve().name.lower()
    if file.is_file() or name.endswith(("-tre", "-sre")):
        if not inner:
            raise InputError(f"{folder} has no folders of starts; wanted start-01, start-02, ... in it")
        return (inner, "SRE", {}) if name.endswith("-sre") else (inner, "TRE", read_starts(file))
    runs = [path for path in inner if _RUN.fullmatch(path.name)]
    return runs or [folder], "OPE", {}


def read_starts(file: Path) -> dict[str, tuple[int, ...]]:
    """The frame (0-based) of each start, by sequence.

    Raises:
        InputError: the file is not what `tracking_env.evaluation.runner` writes.
    """
    try:
        starts = {name: tuple(frames) for name, frames in read_json(file).items()}
        if not all(type(frame) is int and frame >= 0 for frames in starts.values() for frame in frames):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{file} is not what evaluate writes; wanted {{sequence: [first frame, ...]}}") from None
    return starts


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _index(parts: list[Path], names: Collection[str]) -> dict[str, dict[int, list[Path]]]:
    """By sequence and run, the files that may hold it, or in got10k's layout its folder."""
    folders = [entry.folder for entry in otb.TABLE.values()]
    alone = {_key(one.folder): one.name for one in otb.TABLE.values() if folders.count(one.folder) == 1}
    known = {key: name for key, name in alone.items() if name in names} | {_key(name): name for name in names}
    index: dict[str, dict[int, list[Path]]] = {}
    for run, part in enumerate(parts):
        for path in sorted(part.iterdir()):
            kind = path.suffix.lower()
            if kind in _FILES:
                words = path.stem.split("_")
                # NAME_TRACKER.mat: a tracker's name may hold a _ too, so the longest NAME that is known counts.
                ends = range(len(words), 0, -1) if kind == ".mat" else [len(words)]
                candidates = ["_".join(words[:end]) for end in ends]
            else:
                candidates = [path.name] if len(parts) == 1 and _repetitions(path) else []
            exact = [one for one in candidates if one in names]
            similar = [known[key] for one in candidates if (key := _key(one)) in known]
            if exact or similar:
                index.setdefault((exact or similar)[0], {}).setdefault(run, []).append(path)
    return {name: index[name] for name in names if name in index}


def _repetitions(folder: Path) -> list[Path]:
    """The files ``NAME_001.txt``, ... in got10k's folder ``NAME``."""
    pattern = re.compile(re.escape(folder.name) + r"_\d+\.txt")
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name)) if folder.is_dir() else []


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
            files = dict(enumerate(_repetitions(path)))
            times.append(path / f"{path.name}_time.txt")
        else:
            files[run] = path
            times += [path.with_name(f"{path.stem}_time.txt"), path.parent / "times" / f"{path.stem}_time.txt"]
    for file in files.values():
        read_bytes(file)  # refuses a file too large to be one of boxes
    seconds = [one for file in times for one in _read_seconds(file)]
    return {run: otb.read_boxes(file) for run, file in files.items()}, len(seconds) / sum(seconds) if seconds else None


def _read_seconds(file: Path) -> list[float]:
    """Seconds per frame, those above 0; nothing where they cannot be read, since no score depends on them."""
    try:
        seconds = np.array(read_bytes(file).decode().replace(",", " ").split(), dtype=np.float64)
    except ValueError:  # InputError too
        return []
    return seconds[np.isfinite(seconds) & (seconds > 0)].tolist()


def _read_records(places: Mapping[int, list[Path]]) -> _Found:
    if len(places) > 1:
        raise InputError(f"{places[min(places)][0]} is in a folder of runs; wanted NAME.txt there")
    ((path,),) = places.values()
    records = otb_toolkit_files.read_mat(path) if path.suffix.lower() == ".mat" else otb_toolkit_files.read_json(path)
    firsts = [one.first for one in records]
    starts = tuple(0 if first is None or firsts[0] is None else first - firsts[0] for first in firsts)
    shifted = any(one.shifted for one in records)
    kind: Kind = "SRE" if shifted else "TRE" if any(starts) else "OPE"
    speeds = [one.fps for one in records if one.fps is not None]
    return _Found(
        boxes={run: one.boxes for run, one in enumerate(records)},
        fps=sum(speeds) / len(speeds) if speeds else None,
        kind=kind,
        starts=() if kind == "OPE" else starts,
    )


def _refuse_parent(folder: Path) -> None:
    """Say what to type where the folder given is the one above the trackers'."""
    paths = sorted(folder.iterdir())
    inner = [path.name for path in paths if path.is_dir()]
    if inner and not any(path.suffix.lower() in _FILES or _repetitions(path) for path in paths):
        some = ", ".join(inner[:3])
        raise InputError(f"{folder} has folders ({some}) but no results; give the trackers' folders: {folder}/*")
