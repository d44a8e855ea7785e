"""Finding the result files of sequences in a tracker's folder; `result_files` lists the layouts and reads the files."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tracking_env.datasets import layouts, otb
from tracking_env.errors import InputError
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.files import list_folder, natural_key, read_json
from tracking_env.names import NameIndex, normal_form

BASELINE = "baseline"
"""Name of the folder of VOT's multi-start runs, as in its toolkit."""
STARTS = "starts.json"
"""Name of the file of TRE's start frames."""
_RUN = re.compile(r"run-\d+")
_PARAMETERS = re.compile(r"(.+)_\d{3}")  # PyTracking's runs with one set of parameters: default_000, default_001, ...
_FILES = (".txt", ".json", ".mat")
_KNOWN = NameIndex([*otb.TABLE, *layouts.RANGES])


class Place(NamedTuple):
    """A file that holds results of a sequence, or in got10k's and VOT's layout a folder.

    The ``tracker`` is the one in the name of a ``.mat`` file, and empty for others. ``exact`` tells whether the
    sequence's name is spelled as the data set spells it.
    """

    path: Path
    tracker: str
    exact: bool


@dataclass(frozen=True)
class Index:
    """The result files of a folder.

    Attributes:
        places: by sequence and run, the files that hold it: one, unless there are several trackers or doubles.
        unclear: sequences whose files may be another's too, each with a one-line reason.
    """

    places: Mapping[str, Mapping[int, list[Place]]] = field(default_factory=dict)
    unclear: Mapping[str, str] = field(default_factory=dict)

    @property
    def trackers(self) -> list[str]:
        """The trackers of a folder of many, by the names of their files; empty of a folder of one tracker.

        There are many if a sequence has files of several. One tracker's files may spell its name in several ways.
        """
        groups = [{place.tracker for place in places} for runs in self.places.values() for places in runs.values()]
        return sorted(set().union(*groups)) if any(len(group - {""}) > 1 for group in groups) else []

    def select(self, tracker: str) -> "Index":
        """The files of one tracker."""
        selected = {
            name: {run: [place for place in places if place.tracker == tracker] for run, places in runs.items()}
            for name, runs in self.places.items()
        }
        return Index({name: runs for name, runs in selected.items() if any(runs.values())}, self.unclear)


def list_parts(folder: Path) -> tuple[list[Path], ProtocolName, Mapping[str, tuple[int, ...]]]:
    """The folders of the runs or starts in their order, the protocol, and TRE's start frames by sequence.

    Raises:
        InputError: there is no such folder, a folder of TRE or SRE has no folders of starts, or its start frames cannot
            be read.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the folder that holds the results NAME.txt")
    inner = sorted((path for path in list_folder(folder) if path.is_dir()), key=natural_key)
    file, name = folder / STARTS, folder.resolve().name.lower()
    if file.is_file() or name.endswith(("-tre", "-sre")):
        if not inner:
            raise InputError(f"{folder} has no folders of starts; wanted start-01, start-02, ... in it")
        return (inner, "sre", {}) if name.endswith("-sre") else (inner, "tre", read_starts(file))
    runs = [path for path in inner if _RUN.fullmatch(path.name)]
    if runs:
        return runs, "ope", {}
    matches = [_PARAMETERS.fullmatch(path.name) for path in inner]
    parameters = {match[1] if match else "" for match in matches}
    # Several sets of parameters are several trackers. Where there are results, such names are sequences'.
    if len(parameters) == 1 and "" not in parameters and not _has_files(folder):
        return inner, "ope", {}
    return [folder], "ope", {}


def read_starts(file: Path) -> dict[str, tuple[int, ...]]:
    """The frame (0-based) of each start, by sequence.

    Raises:
        InputError: the content is not what `tracking_env.evaluation.runner` writes.
    """
    try:
        starts = {normal_form(name): tuple(frames) for name, frames in read_json(file).items()}
        # JSON's true is an int in Python, so isinstance would accept it.
        if not all(type(frame) is int and frame >= 0 for frames in starts.values() for frame in frames):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{file} is not what evaluate writes; wanted {{sequence: [first frame, ...]}}") from None
    return starts


def index_files(parts: list[Path], names: Collection[str]) -> Index:
    """The files of the runs or starts that hold results of these sequences.

    A file belongs to the sequence of its exact name, or else to the only one of a similar name (see `NameIndex`). The
    name of a folder of OTB stands for its sequence, unless it has two targets, such as Jogging.
    """
    index = NameIndex(names, otb.folder_names(names))
    places: dict[str, dict[int, list[Place]]] = {name: {} for name in names}
    shared: dict[str, str] = {}
    for run, part in enumerate(parts):
        for path in list_folder(part):
            word, tracker = _split_name(path, len(parts) == 1, index)
            candidates = index.find(word) if word else []
            if len(candidates) == 1:
                place = Place(path, tracker, index.find_exact(word) is not None)
                places[candidates[0]].setdefault(run, []).append(place)
            for name in candidates if len(candidates) > 1 else ():
                shared[name] = f"{path} may be the result of {' or '.join(candidates)}; name the file exactly"
    unclear: dict[str, str] = {}
    for name, runs in places.items():
        for run, similar in runs.items():
            # A similar name beside the exact one is another sequence's, which is not asked for.
            runs[run] = [place for place in similar if place.exact] or similar
        if not runs and name in shared:
            unclear[name] = shared[name]
    return Index({name: runs for name, runs in places.items() if runs and name not in unclear}, unclear)


def list_sequences(folder: Path, names: Collection[str]) -> list[str]:
    """The sequences that have result files in a folder, readable or not; VOT's lie in ``baseline`` in it."""
    baseline = folder / BASELINE
    index = index_files(list_parts(baseline if baseline.is_dir() else folder)[0], names)
    return [name for name in names if name in index.places or name in index.unclear]


def list_repetitions(folder: Path) -> list[Path]:
    """The files ``NAME_001.txt``, ... in got10k's or VOT's folder ``NAME``."""
    pattern = re.compile(re.escape(normal_form(folder.name)) + r"_\d+\.txt")
    return [path for path in list_folder(folder, "*.txt") if pattern.fullmatch(normal_form(path.name))]


def refuse_parent(folder: Path) -> None:
    """Refuse the folder above the trackers' folders, a likely mistake.

    Raises:
        InputError: the folder holds folders, but no results.
    """
    inner = [path.name for path in list_folder(folder) if path.is_dir()]
    if inner and not _has_files(folder):
        some = ", ".join(inner[:3])
        raise InputError(f"{folder} has folders ({some}) but no results; give the trackers' folders: {folder}/*")


def _has_files(folder: Path) -> bool:
    return any(path.suffix.lower() in _FILES or list_repetitions(path) for path in list_folder(folder))


def _split_name(path: Path, single: bool, index: NameIndex) -> tuple[str, str]:
    """The words of a file's or folder's name that name a sequence, and those that name a tracker.

    Args:
        path: the file or folder.
        single: whether it lies in the tracker's folder itself; got10k's folders do.
        index: of the sequences.

    Returns:
        Two texts; the first is empty for what holds no sequence.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        # NAME_TRACKER.mat: a tracker's name may hold a _ too, so the longest NAME that is known counts.
        words = path.stem.split("_")
        for end in range(len(words), 0, -1):
            word = "_".join(words[:end])
            if index.find(word) or _KNOWN.find(word):
                return word, "_".join(words[end:])
        return "", ""
    if suffix in _FILES:
        return path.stem, ""
    return (path.name, "") if single and list_repetitions(path) else ("", "")
