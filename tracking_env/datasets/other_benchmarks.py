"""Folders of other benchmarks, and videos, as sequences: a table of where each keeps images, boxes and flags.

What a file writes becomes what `Sequence` holds: pixel boxes counted from 1, and zeros in each frame without a true
box, which are those that the data set flags, those that it writes as NaN or with a side of 0 or less, and all but the
first where a file holds the first box alone. (OTB's own folders are read by `tracking_env.datasets.otb`.)
"""

import csv
import difflib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.otb import AVAILABLE, read_rows
from tracking_env.datasets.sequence import Frames, Sequence, numbered_images
from tracking_env.datasets.video import SUFFIXES, VideoFrames
from tracking_env.errors import InputError

_TRUTH = "groundtruth.txt"
_LIST = "list.txt"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Attributes:
        looks: a sequence of it, for people.
        origin: what its files call the first pixel, 0 or 1. All is turned to 1.
        images: the folder of a sequence's images beside its annotations; without such a folder they lie there
            themselves.
        absent: files beside the annotations with a 1 for each frame without the target and a 0 for the others.
        columns: how many numbers a line may have: 4 for ``x, y, w, h``, 8 for the corners of a polygon, of which the
            box that holds it is taken, 1 for a code that is no box.
    """

    looks: str
    origin: int = 1
    images: str = "."
    absent: tuple[str, ...] = ()
    columns: tuple[int, ...] = (4,)

    @property
    def wanted(self) -> str:
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
    # Ours: boxes counted from 1, as everywhere in this library.
    "video": Layout("NAME.mp4 and NAME.txt, its first box x,y,w,h or one box a frame"),
}
"""What there is besides OTB, by the name that goes before a colon: ``got10k:val``."""

KNOWN = "otb (NAME/img/0001.jpg and groundtruth_rect.txt), " + ", ".join(
    f"{name} ({layout.looks})" for name, layout in LAYOUTS.items()
)
"""All layouts, in words."""


class Range(NamedTuple):
    """Of a sequence of UAV123 that shares its images with others: their folder, its first and its last image."""

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
        group: the name of the folder it is in, which stands for all in it: ``train``, ``airplane``. Empty in the root.
        truth: its annotation file.
        frames: the folder of its images, or its video.
        listed: whether it is part of the data set as a whole: on its list, where it has one, and there.
    """

    name: str
    group: str
    truth: Path
    frames: Path
    listed: bool


def recognise(root: Path) -> str | None:
    """Which of `LAYOUTS`, or ``otb``, a folder or a video file is in; None for an unknown one."""
    if root.is_file():
        return "video" if root.suffix.lower() in SUFFIXES else None
    if (root / "anno" / "UAV123").is_dir():
        return "uav123"
    if next(root.glob("*/groundtruth_rect*.txt"), None):
        return "otb"
    for truth in _truths(root):
        folder = truth.parent
        if (folder / "img").is_dir():
            return "lasot"
        if (folder / "color").is_dir() or (folder / "sequence").is_file():
            return "vot"
        return "vot" if len(read_rows(truth, (), "numbers")[0]) == 8 else "got10k"  # some have no folder color
    return "video" if _videos(root) else None


def load(root: Path, layout: str, spec: str = AVAILABLE) -> list[Sequence]:
    """The sequences that ``spec`` stands for; no image is read yet (of a video only its header).

    Args:
        root: the data set's folder, or the one that holds its sequences; or a video file.
        layout: one of `LAYOUTS`.
        spec: names, folders that hold several (``val``, ``airplane``) and ``available``, separated by commas.

    Raises:
        InputError: there is no such folder, a name is unknown, or a sequence cannot be loaded.
    """
    if not root.exists():
        raise InputError(f"no folder {root}; give one with {LAYOUTS[layout].looks}")
    if root.is_file():
        if not root.with_suffix(".txt").is_file():
            beside = root.with_suffix(".txt").name
            raise InputError(f"{root} has no box to start from; write its first box x,y,w,h to {beside} beside it")
        root, spec = root.parent, root.stem if spec == AVAILABLE else spec
    places = _places(root, layout)
    wanted: dict[str, Place] = {}
    for word in filter(None, map(str.strip, spec.split(","))):
        if word in places:
            found = [places[word]]
        else:
            found = [one for one in places.values() if one.listed and word in (one.group, AVAILABLE)]
        if not found and word != AVAILABLE:
            raise InputError(_unknown(word, layout, root, places.values()))
        wanted |= {one.name: one for one in found}
    if not wanted:
        raise InputError(f"no sequence of {layout} in {root}; wanted {LAYOUTS[layout].looks}")
    return [_sequence(one, layout) for one in wanted.values()]


def _unknown(word: str, layout: str, root: Path, places: Iterable[Place]) -> str:
    known = sorted({one.name for one in places} | {one.group for one in places if one.group} | {AVAILABLE})
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown sequence {word!r} of {layout} in {root}; {hint}There are {', '.join(known[:5])}, ..."


def _truths(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/{_TRUTH}")) or sorted(root.glob(f"*/*/{_TRUTH}"))


def _videos(root: Path) -> list[Path]:
    """The videos of a folder that have a file of boxes beside them."""
    if not root.is_dir():
        return []
    videos = [path for path in sorted(root.iterdir()) if path.suffix.lower() in SUFFIXES]
    return [path for path in videos if path.with_suffix(".txt").is_file()]


def _places(root: Path, layout: str) -> dict[str, Place]:
    """All sequences of a folder, in the order of its list, or else by name."""
    if layout == "video":
        found = [Place(path.stem, "", path.with_suffix(".txt"), path, True) for path in _videos(root)]
    elif layout == "uav123":
        found = []
        for truth in sorted((root / "anno" / "UAV123").glob("*.txt")):
            name = truth.stem
            frames = root / "data_seq" / "UAV123" / (RANGES[name].folder if name in RANGES else name)
            found.append(Place(name, "", truth, frames, frames.is_dir()))
    else:
        truths = _truths(root)
        lists = {parent: _listed(parent) for parent in dict.fromkeys(truth.parent.parent for truth in truths)}
        found = []
        for truth in sorted(truths, key=lambda one: _rank(one.parent, lists[one.parent.parent])):
            folder = truth.parent
            group, names = "" if folder.parent == root else folder.parent.name, lists[folder.parent]
            images = inner if (inner := folder / LAYOUTS[layout].images).is_dir() else folder
            found.append(Place(folder.name, group, truth, images, not names or folder.name in names))
    by_name = {one.name: one for one in found}
    if len(by_name) < len(found):
        one = next(one for one in found if by_name[one.name] is not one)
        raise InputError(f"two sequences in {root} are named {one.name!r}: {one.frames}, {by_name[one.name].frames}")
    return by_name


def _rank(folder: Path, names: dict[str, int]) -> tuple[Path, int, str]:
    return folder.parent, names.get(folder.name, len(names)), folder.name


def _listed(folder: Path) -> dict[str, int]:
    """The names on a folder's list, and their places; none without one. A warning says which are not there."""
    path = folder / _LIST
    if not path.is_file():
        return {}
    try:
        names = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"cannot read {path} as a list of sequences, one name a line") from None
    missing = [name for name in names if not (folder / name / _TRUTH).is_file()]
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        there = len(names) - len(missing)
        _log.warning("%d of the %d sequences of %s are there; missing: %s", there, len(names), path, some)
    return {name: at for at, name in enumerate(names)}


def _sequence(place: Place, layout: str) -> Sequence:
    kind = LAYOUTS[layout]
    boxes = np.array([_box(row) for row in read_rows(place.truth, kind.columns, kind.wanted)])
    boxes[:, :2] += 1 - kind.origin
    for name in kind.absent:
        if (flags := place.truth.parent / name).is_file():
            boxes[_flags(flags, len(boxes))] = 0
    # A box partly outside the image is a box; NumPy compares NaN and infinities without a word.
    boxes[~(np.isfinite(boxes).all(axis=1) & bx.annotated(boxes))] = 0
    if not boxes[0].any():
        raise InputError(f"{place.truth}: the first frame has no box; a tracker cannot start there")
    frames = _frames(place, layout, len(boxes))
    unknown = np.zeros((len(frames) - len(boxes), 4))
    return Sequence(place.name, frames, np.concatenate([boxes, unknown]), dataset=layout)


def _frames(place: Place, layout: str, boxes: int) -> Frames:
    """The frames of so many boxes; of a single one all frames there are."""
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
    return numbered_images(place.frames, None if boxes == 1 else boxes, first)


def _box(row: list[float]) -> list[float]:
    """One line as ``x, y, w, h``: of a polygon ``x1, y1, ..., x4, y4`` the box that holds it, of a code zeros."""
    if len(row) == 8:
        xs, ys = row[::2], row[1::2]
        return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return row if len(row) == 4 else [0.0] * 4


def _flags(path: Path, count: int) -> np.ndarray:
    """Flags of ``count`` frames, one a line or all in one, as ``(count,)`` bool."""
    flags = [flag for row in read_rows(path, (), "0 or 1 for each frame") for flag in row]
    if len(flags) != count or not set(flags) <= {0, 1}:
        raise InputError(f"{path} has {len(flags)} numbers; wanted 0 or 1 for each of the {count} frames")
    return np.array(flags, dtype=bool)
