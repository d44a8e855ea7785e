"""The Object Tracking Benchmark (OTB): its table of sequences, its named lists, and loading it from disk.

A sequence is a folder ``NAME/`` with images ``img/0001.jpg ...`` and annotations ``groundtruth_rect.txt``, one pixel
box ``x, y, w, h`` a row. ``otb.csv`` holds what the folder does not tell: which images count in the official evaluation
and which image the first annotation row belongs to.
"""

import csv
import difflib
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from tracking_env.datasets.sequence import Sequence, numbered_images
from tracking_env.errors import InputError
from tracking_env.files import read_bytes

AVAILABLE = "available"
TRUTH = "groundtruth_rect.txt"
"""The annotation file's name, but for sequences of two targets."""
_SEPARATOR = re.compile(r"\s*,\s*|\s+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a sequence lies and which of its images are evaluated.

    Attributes:
        name: the sequence's name; differs from ``folder`` where a video has two targets (``Jogging-2``).
        folder: its folder's name.
        truth: its annotation file's name inside the folder.
        truth_start: image number of the annotation file's first row.
        first: image number of the first evaluated frame.
        last: image number of the last one, and of the annotation file's last row.
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


def _read_table() -> dict[str, Entry]:
    with (resources.files("tracking_env.datasets") / "otb.csv").open(encoding="utf-8") as file:
        return {
            row["name"]: Entry(
                name=row["name"],
                folder=row["folder"],
                truth=row["truth"],
                truth_start=int(row["truth_start"]),
                first=int(row["first"]),
                last=int(row["last"]),
                lists=tuple(row["lists"].split()),
                attributes=tuple(row["attributes"].split()),
            )
            for row in csv.DictReader(file)
        }


TABLE: dict[str, Entry] = _read_table()
"""The official sequences by name."""

LISTS: dict[str, tuple[str, ...]] = {"otb100": tuple(TABLE)} | {
    label: tuple(name for name, entry in TABLE.items() if label in entry.lists)
    for label in ("otb50", "otb2013", "drlt30")
}
"""The named lists: OTB's three, and the 30 sequences of the DRLT paper's Table 2."""


def names(spec: str, root: Path | None) -> list[str]:
    """The sequence names that ``spec`` stands for, each once, in the order given.

    Args:
        spec: names and lists, separated by commas. Lists are those of `LISTS` and ``available``, the official sequences
            that are in ``root``. A name that is not OTB's stands for your own data in OTB's layout in ``root``.
        root: the folder that holds the sequences, or None where only official names are wanted.

    Raises:
        InputError: a name is unknown, ``available`` was asked for without a root, or nothing was asked for.
    """
    return list(_resolve(spec, root))


def _resolve(spec: str, root: Path | None) -> dict[str, bool]:
    """Names in order, and whether each was asked for by name (then it must be there) or through a list."""
    found: dict[str, bool] = {}
    for word in filter(None, map(str.strip, spec.split(","))):
        if word == AVAILABLE:
            if root is None:
                raise InputError(f"'{AVAILABLE}' needs a folder to look in; give its path, or name a list or sequences")
            for entry in TABLE.values():
                if (root / entry.folder / entry.truth).is_file():
                    found.setdefault(entry.name, False)
            taken = {entry.folder for entry in TABLE.values()}
            for folder in sorted(root.iterdir()) if root.is_dir() else ():
                if folder.name not in taken and _is_own(root, folder.name):
                    found.setdefault(folder.name, False)
        elif word in LISTS:
            for name in LISTS[word]:
                found.setdefault(name, False)
        elif word in TABLE or (root is not None and _is_own(root, word)):
            found[word] = True
        else:
            raise InputError(_unknown(word))
    if not found:
        where = f"no OTB sequence in {root}" if root else f"no sequence in {spec!r}"
        raise InputError(f"{where}; name sequences, your own folders, or a list: {', '.join(LISTS)}")
    return found


def _is_own(root: Path, name: str) -> bool:
    folder = root / name
    return Path(name).name == name and (folder / "img").is_dir() and (folder / TRUTH).is_file()


def _unknown(word: str) -> str:
    known = {name.lower(): name for name in (*TABLE, *LISTS, AVAILABLE)}
    near = difflib.get_close_matches(word.lower(), known, n=1)
    hint = f"did you mean {known[near[0]]!r}? " if near else ""
    return f"unknown sequence {word!r}; {hint}The lists are {', '.join((*LISTS, AVAILABLE))}"


def load(root: Path, spec: str = AVAILABLE) -> list[Sequence]:
    """The sequences that ``spec`` stands for (see `names`); no image is read yet.

    Of a list, sequences that are not in ``root`` are left out, and one warning is logged that says which.

    Raises:
        InputError: there is no such folder, none of the sequences is in it, one asked for by name is not, or one cannot
            be loaded.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; give the folder that holds the sequence folders, such as OTB/ for OTB/Suv")
    wanted = _resolve(spec, root)
    missing = [
        name
        for name, explicit in wanted.items()
        if not explicit and name in TABLE and not (root / TABLE[name].folder).is_dir()
    ]
    if len(missing) == len(wanted):
        raise InputError(f"none of the {len(wanted)} sequences of {spec!r} is in {root}; give the folder that has them")
    if missing:
        there = len(wanted) - len(missing)
        _log.warning(
            "%d of the %d sequences of %s are in %s; missing: %s", there, len(wanted), spec, root, ", ".join(missing)
        )
    return [load_sequence(root, name) for name in wanted if name not in missing]


def load_sequence(root: Path, name: str) -> Sequence:
    """One sequence: the official range of an OTB sequence, or all annotated frames of your own data.

    Frames are found by image number. Images beyond the range are ignored; your own data starts at its lowest number.

    Raises:
        InputError: the folder or the annotations are not there or cannot be used, or an image is missing.
    """
    entry = TABLE.get(name)
    folder = root / (entry.folder if entry else name)
    if not folder.is_dir():
        raise InputError(f"no sequence {name} in {root}: there is no folder {folder.name}; fetch it, or leave it out")
    boxes = _read_truth(folder / (entry.truth if entry else TRUTH), name)
    frames = numbered_images(folder / "img", len(boxes), entry.first if entry else None)
    return Sequence(name, frames, boxes, entry.attributes if entry else ())


def load_annotations(folder: Path, name: str) -> np.ndarray:
    """True boxes from a folder of ``NAME.txt`` files: ``(T, 4)`` float64 pixel boxes of the official range."""
    return _read_truth(folder / f"{name}.txt", name)


def crop(name: str, boxes: np.ndarray) -> np.ndarray:
    """The rows of the official range, where ``boxes`` has a row for each row of the official annotation file.

    Any other number of rows comes back as it is: it is the range already, or for the caller to refuse. (Only Tiger1 is
    shorter than its file: 354 rows, evaluated from image 6.)
    """
    entry = TABLE.get(name)
    if entry and len(boxes) == entry.last - entry.truth_start + 1:
        return boxes[entry.first - entry.truth_start :]
    return boxes


def read_boxes(path: Path) -> np.ndarray:
    """Read a text file of boxes, annotations or results: ``(T, 4)`` float64, one row ``x, y, w, h`` a line.

    Separators may be commas, tabs or spaces; blank lines are skipped; ``NaN`` is a number here.

    Raises:
        InputError: the file cannot be read, has no rows, or has a row that is not four numbers.
    """
    return np.array(read_rows(path), dtype=np.float64)


def read_rows(path: Path, columns: Collection[int] = (4,), wanted: str = "four numbers x,y,w,h") -> list[list[float]]:
    """The numbers of each line of a text file, as `read_boxes` reads them.

    Args:
        path: the file.
        columns: how many numbers a line may have; any number of them where it is empty.
        wanted: what a line should hold, for the error message.

    Raises:
        InputError: the file cannot be read, has no rows, or has a row of something else.
    """
    data = read_bytes(path, "boxes from ")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; wanted lines of x,y,w,h") from None
    rows = []
    for at, line in enumerate(lines(text), 1):
        if line := line.strip():
            row = numbers(line)
            if not row or (columns and len(row) not in columns):
                raise InputError(f"{path}, line {at}: got {line[:60]!r}, wanted {wanted}")
            rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no boxes; wanted lines of x,y,w,h")
    return rows


def lines(text: str) -> list[str]:
    """The lines of a text, however they end (not `str.splitlines`, which also splits at other marks)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def numbers(line: str) -> list[float]:
    """The numbers of a line, separated by commas, tabs or spaces; none where one of them is no number."""
    try:
        return [float(word) for word in _SEPARATOR.split(line.strip())]
    except ValueError:
        return []


def _read_truth(path: Path, name: str) -> np.ndarray:
    boxes = read_boxes(path)
    bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: box {bad[0] + 1} is not finite; a target out of sight is written 0,0,0,0")
    boxes, entry = crop(name, boxes), TABLE.get(name)
    if entry and len(boxes) != entry.frames:
        official = entry.last - entry.truth_start + 1
        raise InputError(f"{path} has {len(boxes)} boxes, OTB's {name} has {official}; fetch the official file")
    return boxes
