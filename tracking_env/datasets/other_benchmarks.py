"""Folders of other benchmarks, and videos, as sequences: a table of where each keeps images, boxes and flags.

Boxes become what `Sequence` holds: pixel boxes counted from 1, and zeros in each frame without a true box. The data set
flags such frames, or writes them as NaN or with a side of 0 or less. If a file holds the first box alone, all later
frames are without one. OTB's own folders are read by `tracking_env.datasets.otb`.
"""

import csv
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tracking_env import boxes as bx
from tracking_env.datasets.box_files import read_rows
from tracking_env.datasets.images import numbered_images
from tracking_env.datasets.otb import AVAILABLE
from tracking_env.datasets.sequence import Frames, Sequence
from tracking_env.datasets.video import SUFFIXES, VideoFrames
from tracking_env.errors import InputError, suggest
from tracking_env.files import list_folder, read_bytes

_TRUTH = "groundtruth.txt"
_LIST = "list.txt"
_LONGEST_LIST = 2 << 20  # bytes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Attributes:
        example: the files of a sequence, as error messages show them.
        origin: coordinate of the first pixel in its files, 0 or 1. Boxes are converted to 1.
        images: folder of a sequence's images beside its annotations. Without such a folder the images lie beside the
            annotations themselves.
        absent: files beside the annotations with a 1 for each frame without the target and a 0 for the others.
        columns: how many numbers a line may have: 4 for ``x, y, w, h``; 8 for the corners of a polygon, whose bounding
            box is used; 1 for a code that is no box.
    """

    example: str
    origin: int = 1
    images: str = "."
    absent: tuple[str, ...] = ()
    columns: tuple[int, ...] = (4,)

    @property
    def line(self) -> str:
        """What a line of the annotations should hold, in words."""
        return f"four numbers x,y,w,h{' or the eight of a polygon (masks are not read)' if 8 in self.columns else ''}"


LAYOUTS: dict[str, Layout] = {
    # "All coordinate values are 1-based": got-10k/toolkit#6. Boxes of absent targets are -1,-1,-1,-1 or empty (#10).
    # The test set has the first box alone.
    "got10k": Layout("[train/]NAME/00000001.jpg and groundtruth.txt", absent=("absence.label",)),
    # "The smallest should be 1": HengLan/LaSOT_Evaluation_Toolkit#14. Flagged frames have any box (#19).
    "lasot": Layout(
        "CLASS/NAME/img/00000001.jpg and groundtruth.txt",
        images="img",
        absent=("full_occlusion.txt", "out_of_view.txt"),
    ),
    # Made for OTB's toolkit (its readme; configSeqs.m), so it counts as OTB does; NaN is "fully occluded or outside".
    "uav123": Layout("data_seq/UAV123/NAME/000001.jpg and anno/UAV123/NAME.txt"),
    # The toolkit turns coordinates into indices of arrays that begin at 0, and polygons into the boxes that hold them
    # (votchallenge/toolkit, vot/region/shapes.py). A single number is a code: 0 for a frame without annotation.
    "vot": Layout("NAME/color/00000001.jpg and groundtruth.txt", origin=0, images="color", columns=(4, 8, 1)),
    # Our own: boxes counted from 1, as everywhere in this library.
    "video": Layout("NAME.mp4 and NAME.txt, its first box x,y,w,h or one box a frame"),
}
"""The layouts besides OTB's, by the prefix that chooses them: ``got10k:val``."""

KNOWN = "otb (NAME/img/0001.jpg and groundtruth_rect.txt), " + ", ".join(
    f"{name} ({layout.example})" for name, layout in LAYOUTS.items()
)
"""All layouts in words, for error messages."""


class Range(NamedTuple):
    """Where a sequence of UAV123 lies that shares its images with others: their folder, its first and last image."""

    folder: str
    first: int
    last: int


def _read_ranges() -> dict[str, Range]:
    with (resources.files("tracking_env.datasets") / "uav123.csv").open(encoding="utf-8") as file:
        return {row["name"]: Range(row["folder"], int(row["first"]), int(row["last"])) for row in csv.DictReader(file)}


RANGES: dict[str, Range] = _read_ranges()
"""The sequences of UAV123 that are parts of a video, as in its configSeqs.m; the others are whole folders."""


@dataclass(frozen=True)
class Place:
    """Where a sequence lies.

    Attributes:
        name: the sequence's name.
        group: name of the folder that holds it and stands for all sequences in it, such as ``train`` or ``airplane``;
            empty for sequences in the root.
        truth: its annotation file.
        frames: the folder of its images, or its video file.
        listed: whether it is part of the data set as a whole: its files exist, and its folder's list, if there is one,
            names it.
    """

    name: str
    group: str
    truth: Path
    frames: Path
    listed: bool


def detect_layout(root: Path) -> str | None:
    """The layout of a folder or a video file: one of `LAYOUTS`, ``otb``, or None if it is unknown."""
    if root.is_file():
        return "video" if root.suffix.lower() in SUFFIXES else None
    # Most telling first: three of the data sets have files groundtruth.txt.
    if (root / "anno" / "UAV123").is_dir():
        return "uav123"
    if any(list_folder(folder, "groundtruth_rect*.txt") for folder in list_folder(root)):
        return "otb"
    for truth in _truth_files(root):
        folder = truth.parent
        if (folder / "img").is_dir():
            return "lasot"
        if (folder / "color").is_dir() or (folder / "sequence").is_file():
            return "vot"
        # Some years of VOT have no folder color: polygons tell them from GOT-10k.
        return "vot" if len(read_rows(truth, (), "numbers")[0]) == 8 else "got10k"
    return "video" if _videos(root) else None


def load(root: Path, layout: str, spec: str = AVAILABLE) -> list[Sequence]:
    """Load the sequences that a specification stands for; no image is read yet.

    A video is decoded once, to count its frames.

    Args:
        root: the data set's folder, or the folder that holds its sequences; or a video file.
        layout: one of `LAYOUTS`.
        spec: names, groups (``val``, ``airplane``) and ``available``, separated by commas.

    Raises:
        InputError: the folder does not exist, a name is unknown, or a sequence cannot be loaded.
    """
    if not root.exists():
        raise InputError(f"no folder {root}; give one with {LAYOUTS[layout].example}")
    if root.is_file():
        # A video is one of its folder's sequences, named by its stem.
        box_file = root.with_suffix(".txt")
        if not box_file.is_file():
            raise InputError(f"{root} has no first box; write its first box x,y,w,h to {box_file.name} beside it")
        root, spec = root.parent, root.stem if spec == AVAILABLE else spec
    places = _find_places(root, layout)
    selected: dict[str, Place] = {}
    for word in filter(None, map(str.strip, spec.split(","))):
        if word in places:
            selected[word] = places[word]
            continue
        members = [place for place in places.values() if place.listed and word in (place.group, AVAILABLE)]
        if not members and word != AVAILABLE:
            raise InputError(_unknown(word, layout, root, places.values()))
        selected |= {place.name: place for place in members}
    if not selected:
        raise InputError(f"no sequence of {layout} in {root}; expected {LAYOUTS[layout].example}")
    # Videos are decoded once to count their frames, which takes long.
    hidden = None if layout == "video" else True
    chosen = tqdm(selected.values(), desc="count frames", unit="video", leave=False, disable=hidden)
    return [_load_sequence(place, layout) for place in chosen]


def _unknown(word: str, layout: str, root: Path, places: Iterable[Place]) -> str:
    names = {place.name for place in places} | {place.group for place in places if place.group} | {AVAILABLE}
    known = sorted(names)
    hint = suggest(word, known)
    return f"unknown sequence {word!r} of {layout} in {root}{hint}; there are {', '.join(known[:5])}, ..."


def _truth_files(root: Path) -> list[Path]:
    # One level below lie GOT-10k's splits and LaSOT's classes.
    folders = list_folder(root)
    truths = [folder / _TRUTH for folder in folders if (folder / _TRUTH).is_file()]
    if truths:
        return truths
    inner = [path for folder in folders for path in list_folder(folder)]
    return [path / _TRUTH for path in inner if (path / _TRUTH).is_file()]


def _videos(root: Path) -> list[Path]:
    """The videos of a folder that have a file of boxes beside them."""
    videos = [path for path in list_folder(root) if path.suffix.lower() in SUFFIXES]
    return [path for path in videos if path.with_suffix(".txt").is_file()]


def _find_places(root: Path, layout: str) -> dict[str, Place]:
    """All sequences of a folder by name, in the order of its list, or else of their names."""
    if layout == "video":
        places = [Place(path.stem, "", path.with_suffix(".txt"), path, True) for path in _videos(root)]
    elif layout == "uav123":
        places = []
        for truth in list_folder(root / "anno" / "UAV123", "*.txt"):
            name = truth.stem
            frames = root / "data_seq" / "UAV123" / (RANGES[name].folder if name in RANGES else name)
            places.append(Place(name, "", truth, frames, frames.is_dir()))
    else:
        places = _find_folders(root, LAYOUTS[layout])
    by_name = {place.name: place for place in places}
    for place in places:
        # The dict has the last place of each name, so any other one is a duplicate.
        other = by_name[place.name]
        if other is not place:
            raise InputError(f"two sequences in {root} are named {place.name!r}: {place.frames}, {other.frames}")
    return by_name


def _find_folders(root: Path, layout: Layout) -> list[Place]:
    """The sequence folders that hold an annotation file, in the root or one level below."""
    truths = _truth_files(root)
    lists = {parent: _read_list(parent) for parent in dict.fromkeys(truth.parent.parent for truth in truths)}

    def order(truth: Path) -> tuple[Path, int, str]:
        folder, positions = truth.parent, lists[truth.parent.parent]
        # Sequences that the list does not name come after all others.
        return folder.parent, positions.get(folder.name, len(positions)), folder.name

    places = []
    for truth in sorted(truths, key=order):
        folder = truth.parent
        group = "" if folder.parent == root else folder.parent.name
        images = folder / layout.images
        positions = lists[folder.parent]
        listed = not positions or folder.name in positions
        places.append(Place(folder.name, group, truth, images if images.is_dir() else folder, listed))
    return places


def _read_list(folder: Path) -> dict[str, int]:
    """The names on a folder's list with their positions; empty without a list. A warning names those without files."""
    path = folder / _LIST
    if not path.is_file():
        return {}
    try:
        names = read_bytes(path, most=_LONGEST_LIST).decode("utf-8-sig").split()
    except (InputError, UnicodeDecodeError):
        raise InputError(f"cannot read {path} as a list of sequences, one name a line") from None
    missing = [name for name in names if not (folder / name / _TRUTH).is_file()]
    if missing:
        # No error: people often download a part of a data set, but the whole list.
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        there = len(names) - len(missing)
        _log.warning("%d of the %d sequences of %s are there; missing: %s", there, len(names), path, some)
    return {name: position for position, name in enumerate(names)}


def _load_sequence(place: Place, layout: str) -> Sequence:
    rules = LAYOUTS[layout]
    boxes = np.array([_box(row) for row in read_rows(place.truth, rules.columns, rules.line)])
    # Sides are the same in both countings, so only corners move.
    boxes[:, :2] += 1 - rules.origin
    for name in rules.absent:
        flags = place.truth.parent / name
        if flags.is_file():
            boxes[_read_flags(flags, len(boxes))] = 0
    # A box that is partly outside the image stays; NaN, infinity and boxes without sides become zeros.
    boxes[~(np.isfinite(boxes).all(axis=1) & bx.annotated(boxes))] = 0
    frames = _load_frames(place, layout, len(boxes))
    unknown = np.zeros((len(frames) - len(boxes), 4))
    return Sequence(place.name, frames, np.concatenate([boxes, unknown]), dataset=layout)


def _load_frames(place: Place, layout: str, boxes: int) -> Frames:
    """The frames that a number of boxes belong to; for a single box, all frames there are."""
    if layout == "video":
        frames = VideoFrames(place.frames)
        if boxes not in (1, len(frames)):
            raise InputError(
                f"{place.truth} has {boxes} boxes, {place.frames.name} {len(frames)} frames; give the first box, or all"
            )
        return frames
    first = None
    if layout == "uav123" and place.name in RANGES:
        _, first, last = RANGES[place.name]
        if boxes != last - first + 1:
            raise InputError(
                f"{place.truth} has {boxes} boxes, UAV123's {place.name} {last - first + 1}; fetch it again"
            )
    # A single box is a test set's, whose number of frames only the images tell.
    return numbered_images(place.frames, None if boxes == 1 else boxes, first)


def _box(row: list[float]) -> list[float]:
    """A line as ``x, y, w, h``: a polygon ``x1, y1, ..., x4, y4`` as its bounding box, a code as zeros."""
    if len(row) == 8:
        xs, ys = row[::2], row[1::2]
        return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return row if len(row) == 4 else [0.0] * 4


def _read_flags(path: Path, count: int) -> np.ndarray:
    """Flags of ``count`` frames, one a line or all in one line, as ``(count,)`` bool."""
    flags = [flag for row in read_rows(path, (), "0 or 1 for each frame") for flag in row]
    if len(flags) != count or not set(flags) <= {0, 1}:
        raise InputError(f"{path} has {len(flags)} numbers; expected 0 or 1 for each of the {count} frames")
    return np.array(flags, dtype=bool)
