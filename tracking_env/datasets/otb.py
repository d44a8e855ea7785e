"""The Object Tracking Benchmark (OTB): its table of sequences, its named lists, and loading it from disk.

A sequence is a folder ``NAME/`` with images ``img/0001.jpg ...`` and annotations ``groundtruth_rect.txt``, one pixel
box ``x, y, w, h`` a line. ``otb.csv`` holds what the folder does not tell: which images count in the official
evaluation, and to which image the first annotation row belongs.
"""

import csv
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.images import numbered_images
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError, suggest
from tracking_env.files import list_folder
from tracking_env.names import normal_form

AVAILABLE = "available"
"""The list of all sequences that are in the root."""
TRUTH = "groundtruth_rect.txt"
"""Name of the annotation file; folders with two targets have ``groundtruth_rect.1.txt`` and so on."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a sequence lies and which of its images are evaluated.

    Attributes:
        name: the sequence's name. It differs from ``folder`` if a video has two targets (``Jogging-2``).
        folder: name of its folder.
        truth: name of its annotation file in the folder.
        truth_start: image number of the annotation file's first row.
        first: image number of the first evaluated frame.
        last: image number of the last evaluated frame, and of the annotation file's last row.
        lists: the named lists it is on, besides ``otb100``.
        attributes: its difficulty tags, for example ``("OCC", "SV")``.
    """

    name: str
    folder: str
    truth: str
    truth_start: int
    first: int
    last: int
    lists: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Number of evaluated frames."""
        return self.last - self.first + 1

    @property
    def annotated_frames(self) -> int:
        """Number of rows of the official annotation file."""
        return self.last - self.truth_start + 1


def _read_table() -> dict[str, Entry]:
    entries = {}
    with (resources.files("tracking_env.datasets") / "otb.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            entries[row["name"]] = Entry(
                name=row["name"],
                folder=row["folder"],
                truth=row["truth"],
                truth_start=int(row["truth_start"]),
                first=int(row["first"]),
                last=int(row["last"]),
                lists=tuple(row["lists"].split()),
                attributes=tuple(row["attributes"].split()),
            )
    return entries


TABLE: dict[str, Entry] = _read_table()
"""The official sequences by name."""

LISTS: dict[str, tuple[str, ...]] = {"otb100": tuple(TABLE)} | {
    label: tuple(name for name, entry in TABLE.items() if label in entry.lists)
    for label in ("otb50", "otb2013", "drlt30")
}
"""The named lists: OTB's three, and the 30 sequences of the DRLT paper's Table 2."""


def resolve_names(spec: str, root: Path | None) -> list[str]:
    """The sequence names that a specification stands for, each once, in the order given.

    Args:
        spec: names and lists, separated by commas. Lists are those of `LISTS`, and ``available`` for the sequences that
            are in ``root``. The name of a folder of several targets (Jogging) stands for all of them. A name that is
            not OTB's stands for your own data in OTB's layout in ``root``.
        root: the folder that holds the sequences; None to resolve official names and lists only.

    Raises:
        InputError: a name is unknown, the specification is empty, or ``available`` is in it and there is no root.

    Example::

        resolve_names("Suv,drlt30", None)  # ["Suv", "Bird2", "BlurBody", ...]
    """
    return list(_resolve(spec, None if root is None else _find_folders(root), root))


def _resolve(spec: str, available: Collection[str] | None, root: Path | None) -> dict[str, bool]:
    """Names in order, and whether each was asked for by its own name (then it must exist) or through a list.

    Args:
        spec: names and lists, as for `resolve_names`.
        available: names of the sequences in the root; None without a root.
        root: the folder, for error messages.
    """
    explicit: dict[str, bool] = {}
    for word in filter(None, map(str.strip, normal_form(spec).split(","))):
        if word == AVAILABLE:
            if available is None:
                raise InputError(f"'{AVAILABLE}' needs a folder to look in; give its path, or name a list or sequences")
            for name in available:
                explicit.setdefault(name, False)
        elif word in LISTS:
            for name in LISTS[word]:
                explicit.setdefault(name, False)
        elif word in TABLE or word in (available or ()):
            # Not setdefault: named by itself it must exist, even if a list before it has it too.
            explicit[word] = True
        elif targets := [entry.name for entry in TABLE.values() if entry.folder == word]:
            explicit |= dict.fromkeys(targets, True)
        else:
            lists = *LISTS, AVAILABLE
            hint = suggest(word, (*TABLE, *lists, *(available or ())))
            raise InputError(f"unknown sequence {word!r}{hint}; the lists are {', '.join(lists)}")
    if not explicit:
        place = f"no OTB sequence in {root}" if root else f"no sequence in {spec!r}"
        raise InputError(f"{place}; name sequences, your own folders, or a list: {', '.join(LISTS)}")
    return explicit


def choose(spec: str, available: Collection[str], root: Path) -> list[str]:
    """The names that a specification stands for (see `resolve_names`), without those of a list that are not available.

    A logged warning names what is left out. A sequence asked for by name is checked when it is loaded.

    Raises:
        InputError: a name is unknown, or nothing is left.
    """
    explicit = _resolve(spec, available, root)
    missing = [name for name, asked_by_name in explicit.items() if not asked_by_name and name not in available]
    if len(missing) == len(explicit):
        raise InputError(
            f"none of the {len(explicit)} sequences of {spec!r} is in {root}; give the folder that has them"
        )
    if missing:
        there = len(explicit) - len(missing)
        _log.warning(
            "%d of the %d sequences of %s are in %s; missing: %s", there, len(explicit), spec, root, ", ".join(missing)
        )
    return [name for name in explicit if name not in missing]


def _find_folders(root: Path) -> dict[str, Path]:
    """The folders of the sequences that are in a root, by name: OTB's in the table's order, then your own."""
    # Two targets may share a folder, so the annotation file decides.
    folders = {
        name: root / entry.folder for name, entry in TABLE.items() if (root / entry.folder / entry.truth).is_file()
    }
    official = {entry.folder for entry in TABLE.values()}
    for folder in list_folder(root):
        name = normal_form(folder.name)
        if name in official or not ((folder / "img").is_dir() and (folder / TRUTH).is_file()):
            continue
        if name in folders:
            raise InputError(f"two folders in {root} are named {name!r}, in two Unicode forms; rename one of them")
        folders[name] = folder
    return folders


def find(root: Path, spec: str = AVAILABLE) -> dict[str, Callable[[], Sequence]]:
    """The sequences that a specification stands for (see `resolve_names`), by name: functions that load them.

    Sequences of a list that are not in ``root`` are left out, with one logged warning that names them.

    Raises:
        InputError: the folder does not exist, or holds none of the sequences.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; give the folder that holds the sequence folders, such as OTB/ for OTB/Suv")
    folders = _find_folders(root)
    return {name: partial(_load, root, folders.get(name), name) for name in choose(spec, folders, root)}


def load(root: Path, spec: str = AVAILABLE) -> list[Sequence]:
    """Load the sequences that a specification stands for (see `find`); no image is read yet.

    Raises:
        InputError: as `find`; or one that was asked for by name is missing, or a sequence cannot be loaded.
    """
    return [load_one() for load_one in find(root, spec).values()]


def load_sequence(root: Path, name: str) -> Sequence:
    """Load one sequence: the official range of an OTB sequence, or all annotated frames of your own data.

    Frames are found by image number. Images outside the range are ignored; your own data starts at its lowest number.

    Raises:
        InputError: the folder or the annotations are missing or cannot be used, or an image is missing.
    """
    return _load(root, _find_folders(root).get(name), name)


def _load(root: Path, folder: Path | None, name: str) -> Sequence:
    """Load a sequence from its folder; None stands for the usual one, which then lacks something."""
    entry = TABLE.get(name)
    folder = folder or root / (entry.folder if entry else name)
    if not folder.is_dir():
        raise InputError(f"no sequence {name} in {root}: there is no folder {folder.name}; fetch it, or leave it out")
    boxes = read_truth(folder / (entry.truth if entry else TRUTH), name)
    frames = numbered_images(folder / "img", len(boxes), entry.first if entry else None)
    return Sequence(name, frames, boxes, entry.attributes if entry else ())


def folder_names(names: Collection[str]) -> dict[str, str]:
    """The names of folders that stand for one of these sequences: those of one target, such as Human4."""
    folders = [entry.folder for entry in TABLE.values()]
    return {entry.folder: name for name, entry in TABLE.items() if name in names and folders.count(entry.folder) == 1}


def cut_to_official_range(name: str, boxes: np.ndarray) -> np.ndarray:
    """The rows of the official range, if ``boxes`` ``(T, 4)`` has one for each row of the official annotation file.

    Boxes of any other number are returned unchanged: they are the range already, or the caller refuses them. Only
    Tiger1 has a range shorter than its file: 354 rows, evaluated from image 6.
    """
    entry = TABLE.get(name)
    if entry and len(boxes) == entry.annotated_frames:
        return boxes[entry.first - entry.truth_start :]
    return boxes


def read_truth(path: Path, name: str) -> np.ndarray:
    """The true boxes in an annotation file: ``(T, 4)`` float64 pixel boxes of the official range.

    Raises:
        InputError: the file cannot be read, has a number that is not finite, or does not have the official number of
            boxes.
    """
    boxes = read_boxes(path)
    # NaN may mean an absent target or damage; zeros have one meaning.
    not_finite = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(not_finite):
        raise InputError(f"{path}: box {not_finite[0] + 1} is not finite; write 0,0,0,0 for a target out of sight")
    boxes, entry = cut_to_official_range(name, boxes), TABLE.get(name)
    if entry and len(boxes) != entry.frames:
        raise InputError(
            f"{path} has {len(boxes)} boxes, OTB's {name} has {entry.annotated_frames}; fetch the official file"
        )
    return boxes
