"""Finding the result files of sequences in a tracker's folder; `result_files` lists the layouts and reads the files."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from tracking_env.datasets import otb
from tracking_env.errors import InputError
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.files import list_folder, natural_key, read_json

STARTS = "starts.json"
"""Name of the file of TRE's start frames."""
_RUN = re.compile(r"run-\d+")
_FILES = (".txt", ".json", ".mat")


def list_parts(folder: Path) -> tuple[list[Path], ProtocolName, Mapping[str, tuple[int, ...]]]:
    """The folders of the runs or starts in their order, the protocol, and TRE's start frames by sequence.

    Raises:
        InputError: a folder of TRE or SRE has no folders of starts, or its start frames cannot be read.
    """
    inner = sorted((path for path in list_folder(folder) if path.is_dir()), key=natural_key)
    file, name = folder / STARTS, folder.resolve().name.lower()
    if file.is_file() or name.endswith(("-tre", "-sre")):
        if not inner:
            raise InputError(f"{folder} has no folders of starts; wanted start-01, start-02, ... in it")
        return (inner, "sre", {}) if name.endswith("-sre") else (inner, "tre", read_starts(file))
    runs = [path for path in inner if _RUN.fullmatch(path.name)]
    return runs or [folder], "ope", {}


def read_starts(file: Path) -> dict[str, tuple[int, ...]]:
    """The frame (0-based) of each start, by sequence.

    Raises:
        InputError: the content is not what `tracking_env.evaluation.runner` writes.
    """
    try:
        starts = {name: tuple(frames) for name, frames in read_json(file).items()}
        # JSON's true is an int in Python, so isinstance would accept it.
        if not all(type(frame) is int and frame >= 0 for frames in starts.values() for frame in frames):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{file} is not what evaluate writes; wanted {{sequence: [first frame, ...]}}") from None
    return starts


def index_files(parts: list[Path], names: Collection[str]) -> dict[str, dict[int, list[Path]]]:
    """By sequence and run, the files that may hold it, or in got10k's layout its folder."""
    known: dict[str, str] = {}
    folders = [entry.folder for entry in otb.TABLE.values()]
    for entry in otb.TABLE.values():
        # The folder's name stands for its sequence, unless it has two targets, such as Jogging.
        if entry.name in names and folders.count(entry.folder) == 1:
            known[_simplify(entry.folder)] = entry.name
    # Last, so that a sequence's own name comes before a folder's.
    known |= {_simplify(name): name for name in names}
    index: dict[str, dict[int, list[Path]]] = {name: {} for name in names}
    for run, part in enumerate(parts):
        for path in list_folder(part):
            name = _find_sequence(path, len(parts) == 1, names, known)
            if name is not None:
                index[name].setdefault(run, []).append(path)
    return {name: places for name, places in index.items() if places}


def list_repetitions(folder: Path) -> list[Path]:
    """The files ``NAME_001.txt``, ... in got10k's folder ``NAME``."""
    pattern = re.compile(re.escape(folder.name) + r"_\d+\.txt")
    return [path for path in list_folder(folder) if pattern.fullmatch(path.name)]


def refuse_parent(folder: Path) -> None:
    """Refuse the folder above the trackers' folders, a likely mistake.

    Raises:
        InputError: the folder holds folders, but no results.
    """
    paths = list_folder(folder)
    inner = [path.name for path in paths if path.is_dir()]
    if inner and not any(path.suffix.lower() in _FILES or list_repetitions(path) for path in paths):
        some = ", ".join(inner[:3])
        raise InputError(f"{folder} has folders ({some}) but no results; give the trackers' folders: {folder}/*")


def _find_sequence(path: Path, single: bool, names: Collection[str], known: Mapping[str, str]) -> str | None:
    """The sequence that a file or folder holds; None of one that holds no sequence.

    Args:
        path: the file or folder.
        single: whether it lies in the tracker's folder itself; got10k's folders do.
        names: all sequences.
        known: sequences by their names without case and punctuation.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        # NAME_TRACKER.mat: a tracker's name may hold a _ too, so the longest NAME that is known counts.
        words = path.stem.split("_")
        candidates = ["_".join(words[:end]) for end in range(len(words), 0, -1)]
    elif suffix in _FILES:
        candidates = [path.stem]
    else:
        candidates = [path.name] if single and list_repetitions(path) else []
    # An exact name comes first: two sequences may differ in punctuation alone.
    for candidate in candidates:
        if candidate in names:
            return candidate
    for candidate in candidates:
        if _simplify(candidate) in known:
            return known[_simplify(candidate)]
    return None


def _simplify(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(filter(str.isalnum, name)).lower()
