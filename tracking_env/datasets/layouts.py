"""How benchmarks lie on disk: a table of layouts, which one a folder has, and where its sequences are.

`tracking_env.datasets.other_benchmarks` loads them. OTB's own folders are read by `tracking_env.datasets.otb`.
"""

import csv
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from tracking_env.datasets.box_files import decode_text, read_rows
from tracking_env.datasets.video import SUFFIXES
from tracking_env.errors import InputError
from tracking_env.files import list_folder, read_bytes
from tracking_env.names import normal_form

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
        truths: patterns of annotation files below the root, in which ``{folder}`` is the name of a file's folder; the
            first that matches a file counts. A sequence has the name of a file, or of its folder if the file is called
            ``groundtruth.txt``.
        suffix: what follows the sequence's name in the name of its annotation file.
        images: folder of a sequence's images, seen from its annotation file; ``{name}`` is the sequence's name. If
            there is no such folder, the images lie beside a file ``groundtruth.txt``.
        grouped: whether the folder two levels above an annotation file stands for all sequences in it, like ``train``.
        range: file beside the annotations with the numbers of the first and the last image.
        absent: files beside the annotations with a 1 for each frame without the target and a 0 for the others.
        visible: files beside the annotations with a 0 for each frame whose target is invisible.
        anchors: file beside the annotations with a number for each frame: above 0 where a run starts that goes on to
            the end, below 0 where one starts that goes back to the beginning.
        columns: how many numbers a line may have: 4 for ``x, y, w, h``; 8 for the corners of a polygon, in whose data
            set a line may also be a mask; 1 for a code that is no box.
        vatic: lines are VATIC's: track, left, top, right, bottom, four more numbers and a word.
    """

    example: str
    origin: int = 1
    truths: tuple[str, ...] = (f"*/{_TRUTH}", f"*/*/{_TRUTH}")
    suffix: str = ""
    images: str = "."
    grouped: bool = True
    range: str | None = None
    absent: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    anchors: str | None = None
    columns: tuple[int, ...] = (4,)
    vatic: bool = False

    @property
    def line(self) -> str:
        """What a line of the annotations should hold, in words."""
        return f"four numbers x,y,w,h{', the eight of a polygon, or a mask' if 8 in self.columns else ''}"


_LASOT = Layout(
    "CLASS/NAME/img/00000001.jpg and groundtruth.txt",
    images="img",
    absent=("full_occlusion.txt", "out_of_view.txt"),
)
_NFS = "NAME/{0}/NAME/00001.jpg and NAME/{0}/NAME.txt"
LAYOUTS: dict[str, Layout] = {
    # "All coordinate values are 1-based": got-10k/toolkit#6. Boxes of absent targets are -1,-1,-1,-1 or empty (#10).
    # The test set has the first box alone. Cover 0 is an invisible target, which its toolkit does not score.
    "got10k": Layout(
        "[train/]NAME/00000001.jpg and groundtruth.txt", absent=("absence.label",), visible=("cover.label",)
    ),
    # "The smallest should be 1": HengLan/LaSOT_Evaluation_Toolkit#14. Flagged frames have any box (#19).
    "lasot": _LASOT,
    "lasot-ext": _LASOT,
    # Made for OTB's toolkit (its readme; configSeqs.m), so it counts as OTB does; NaN is "fully occluded or outside".
    "uav123": Layout(
        "data_seq/UAV123/NAME/000001.jpg and anno/UAV123/NAME.txt",
        truths=("anno/UAV123/*.txt",),
        images="../../data_seq/UAV123/{name}",
        grouped=False,
    ),
    # NfS and TrackingNet do not say where they count from. Toolkits take their numbers as they are, and so do we.
    "nfs": Layout(_NFS.format(30), truths=("*/30/*.txt",), images="{name}", grouped=False, vatic=True),
    "nfs240": Layout(_NFS.format(240), truths=("*/240/*.txt",), images="{name}", grouped=False, vatic=True),
    "trackingnet": Layout(
        "TEST/frames/NAME/0.jpg and TEST/anno/NAME.txt",
        truths=("*/anno/*.txt", "anno/*.txt"),
        images="../frames/{name}",
    ),
    # Made for OTB's toolkit.
    "tcolor128": Layout(
        "NAME/img/0001.jpg, NAME/NAME_gt.txt and NAME/NAME_frames.txt",
        truths=("*/{folder}_gt.txt",),
        suffix="_gt",
        images="img",
        range="{name}_frames.txt",
    ),
    # The toolkit turns coordinates into indices of arrays that begin at 0, and polygons into the boxes that hold them
    # (votchallenge/toolkit, vot/region/shapes.py). A single number is a code: 0 for a frame without annotation.
    "vot": Layout(
        "NAME/color/00000001.jpg and groundtruth.txt",
        origin=0,
        images="color",
        anchors="anchor.value",
        columns=(4, 8, 1),
    ),
    # Our own: boxes counted from 1, as everywhere in this library.
    "video": Layout("NAME.mp4 and NAME.txt, its first box x,y,w,h or one box a frame"),
}
"""The layouts besides OTB's, by the prefix that chooses them: ``got10k:val``."""

KNOWN = "otb (NAME/img/0001.jpg and groundtruth_rect.txt), " + ", ".join(
    f"{name} ({layout.example})" for name, layout in LAYOUTS.items()
)
"""All layouts in words, for error messages."""
_CLASSES = (
    "atv badminton cosplay dancingshoe footbag frisbee jianzi lantern misc opossum paddle raccoon rhino skatingshoe "
    "wingsuit"
)
EXTENSION = frozenset(_CLASSES.split())
"""The classes of LaSOT's extension (Fan et al., IJCV 2021), by which it differs from LaSOT."""


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
    # Most telling first: four of the data sets have files groundtruth.txt.
    if any(list_folder(folder, "groundtruth_rect*.txt") for folder in list_folder(root)):
        return "otb"
    for name in ("uav123", "trackingnet", "nfs", "nfs240", "tcolor128"):
        places = _find_places(root, name)
        if any(place.listed for place in places):
            return name
    for truth in _truth_files(root, LAYOUTS["got10k"]):
        folder = truth.parent
        if (folder / "img").is_dir():
            return "lasot-ext" if {root.name, folder.parent.name} & EXTENSION else "lasot"
        if (folder / "color").is_dir() or (folder / "sequence").is_file():
            return "vot"
        # Some years of VOT have no folder color: polygons tell them from GOT-10k.
        return "vot" if len(read_rows(truth, (), "numbers")[0]) == 8 else "got10k"
    return "video" if _videos(root) else None


def find_places(root: Path, layout: str) -> dict[str, Place]:
    """All sequences of a folder by name, in the order of its list, or else of their names.

    Raises:
        InputError: two sequences have the same name, or a list cannot be read.
    """
    if layout == "video":
        places = [Place(normal_form(path.stem), "", path.with_suffix(".txt"), path, True) for path in _videos(root)]
    else:
        places = _sort_by_lists(_find_places(root, layout))
    by_name = {place.name: place for place in places}
    for place in places:
        # The dict has the last place of each name, so any other one is a duplicate.
        other = by_name[place.name]
        if other is not place:
            raise InputError(f"two sequences in {root} are named {place.name!r}: {place.frames}, {other.frames}")
    return by_name


def _truth_files(root: Path, layout: Layout) -> list[Path]:
    for pattern in layout.truths:
        paths = [root]
        for part in pattern.split("/"):
            paths = [path for folder in paths for path in _entries(folder, part.format(folder=folder.name))]
        if paths:
            return paths
    return []


def _entries(folder: Path, pattern: str) -> list[Path]:
    if "*" in pattern:
        return list_folder(folder, pattern)
    # Without a listing: a sequence's folder may hold thousands of images.
    return [folder / pattern] if (folder / pattern).exists() else []


def _videos(root: Path) -> list[Path]:
    """The videos of a folder that have a file of boxes beside them."""
    videos = [path for path in list_folder(root) if path.suffix.lower() in SUFFIXES]
    return [path for path in videos if path.with_suffix(".txt").is_file()]


def _find_places(root: Path, name: str) -> list[Place]:
    """The sequences of a layout that have an annotation file; listed if their images are there."""
    layout = LAYOUTS[name]
    places = []
    for truth in _truth_files(root, layout):
        folder = truth.parent
        sequence = folder.name if truth.name == _TRUTH else truth.stem.removesuffix(layout.suffix)
        shared = RANGES[sequence].folder if name == "uav123" and sequence in RANGES else sequence
        frames = folder / layout.images.format(name=shared)
        if truth.name == _TRUTH and not frames.is_dir():
            frames = folder
        group = normal_form(folder.parent.name) if layout.grouped and folder.parent != root else ""
        places.append(Place(normal_form(sequence), group, truth, frames, frames.is_dir()))
    return places


def _sort_by_lists(places: list[Place]) -> list[Place]:
    """The places in the order of their folders' lists; those that a list does not name come last, not listed."""
    names: dict[Path, set[str]] = {}
    for place in places:
        names.setdefault(place.truth.parent.parent, set()).add(place.name)
    lists = {folder: _read_list(folder, there) for folder, there in names.items()}

    def order(place: Place) -> tuple[Path, int, str]:
        folder = place.truth.parent.parent
        positions = lists[folder]
        return folder, positions.get(place.name, len(positions)), place.name

    ordered = []
    for place in sorted(places, key=order):
        positions = lists[place.truth.parent.parent]
        listed = place.listed and (not positions or place.name in positions)
        ordered.append(Place(place.name, place.group, place.truth, place.frames, listed))
    return ordered


def _read_list(folder: Path, there: set[str]) -> Mapping[str, int]:
    """The names on a folder's list with their positions; empty without a list. A warning names those without files."""
    path = folder / _LIST
    if not path.is_file():
        return {}
    try:
        names = normal_form(decode_text(read_bytes(path, most=_LONGEST_LIST))).split()
    except (InputError, UnicodeDecodeError):
        raise InputError(f"cannot read {path} as a list of sequences, one name a line") from None
    missing = [name for name in names if name not in there]
    if missing:
        # No error: people often download a part of a data set, but the whole list.
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        count = len(names) - len(missing)
        _log.warning("%d of the %d sequences of %s are there; missing: %s", count, len(names), path, some)
    return {name: position for position, name in enumerate(names)}
