"""Folders of other benchmarks, and videos, as sequences.

`tracking_env.datasets.layouts` says where each data set keeps images, boxes and flags. Boxes become what `Sequence`
holds: pixel boxes counted from 1, and zeros in each frame without a true box. The data set flags such frames, or writes
them as NaN or with a side of 0 or less. If a file holds the first box alone, all later frames are without one.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets import layouts
from tracking_env.datasets.box_files import decode_text, parse_mask, parse_numbers, read_rows, split_lines
from tracking_env.datasets.images import ImageFiles, numbered_images
from tracking_env.datasets.layouts import RANGES, Layout, Place, find_places
from tracking_env.datasets.otb import AVAILABLE
from tracking_env.datasets.sequence import Frames, Sequence
from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError, suggest
from tracking_env.files import read_bytes
from tracking_env.names import normal_form

_log = logging.getLogger(__name__)


def find(root: Path, layout: str, spec: str = AVAILABLE) -> dict[str, Callable[[], Sequence]]:
    """The sequences that a specification stands for: functions that load them, by name.

    Args:
        root: the data set's folder, or the folder that holds its sequences; or a video file.
        layout: one of `layouts.LAYOUTS`.
        spec: names, groups (``val``, ``airplane``) and ``available``, separated by commas.

    Raises:
        InputError: the folder does not exist, or a name is unknown.
    """
    if not root.exists():
        raise InputError(f"no folder {root}; give one with {layouts.LAYOUTS[layout].example}")
    if root.is_file():
        # A video is one of its folder's sequences, named by its stem.
        box_file = root.with_suffix(".txt")
        if not box_file.is_file():
            raise InputError(f"{root} has no first box; write its first box x,y,w,h to {box_file.name} beside it")
        root, spec = root.parent, normal_form(root.stem) if spec == AVAILABLE else spec
    places = find_places(root, layout)
    selected: dict[str, Place] = {}
    for word in filter(None, map(str.strip, normal_form(spec).split(","))):
        if word in places:
            selected[word] = places[word]
            continue
        members = [place for place in places.values() if place.listed and word in (place.group, AVAILABLE)]
        if not members and word != AVAILABLE:
            raise InputError(_unknown(word, layout, root, places.values()))
        selected |= {place.name: place for place in members}
    if not selected:
        raise InputError(f"no sequence of {layout} in {root}; expected {layouts.LAYOUTS[layout].example}")
    return {name: partial(_load_sequence, place, layout) for name, place in selected.items()}


def load(root: Path, layout: str, spec: str = AVAILABLE) -> list[Sequence]:
    """Load the sequences that a specification stands for (see `find`). No image is read, but videos are counted.

    Raises:
        InputError: as `find`, or a sequence cannot be loaded.
    """
    return [load_one() for load_one in find(root, layout, spec).values()]


def _unknown(word: str, layout: str, root: Path, places: Iterable[Place]) -> str:
    names = {place.name for place in places} | {place.group for place in places if place.group} | {AVAILABLE}
    known = sorted(names)
    hint = suggest(word, known)
    return f"unknown sequence {word!r} of {layout} in {root}{hint}; there are {', '.join(known[:5])}, ..."


def _load_sequence(place: Place, name: str) -> Sequence:
    layout = layouts.LAYOUTS[name]
    frames: Frames
    polygons = None
    if layout.vatic:
        boxes, frames = _load_vatic(place)
    else:
        rows = _read_regions(place.truth, layout)
        boxes, frames = np.array([_box(row) for row in rows]), _load_frames(place, name, len(rows))
        if any(len(row) == 8 for row in rows):
            polygons = np.array([_polygon(row) for row in rows]) + (1 - layout.origin)
    # Sides are the same in both countings, so only corners move.
    boxes[:, :2] += 1 - layout.origin
    for hidden in _hidden_frames(place.truth.parent, layout, len(boxes)):
        boxes[hidden] = 0
    # A box that is partly outside the image stays; NaN, infinity and boxes without sides become zeros.
    absent = ~(np.isfinite(boxes).all(axis=1) & bx.annotated(boxes))
    boxes[absent] = 0
    if polygons is not None:
        polygons[absent] = 0
    unknown = len(frames) - len(boxes)
    boxes = np.concatenate([boxes, np.zeros((unknown, 4))])
    polygons = None if polygons is None else np.concatenate([polygons, np.zeros((unknown, 8))])
    anchors = _read_anchors(place, layout, len(boxes))
    return Sequence(place.name, frames, boxes, dataset=name, anchors=anchors, polygons=polygons)


def _read_regions(path: Path, layout: Layout) -> list[list[float]]:
    """The numbers of each line; a mask, where the layout has them, as the box around it, which a warning says."""
    masks = 0

    def parse(line: str) -> list[float]:
        nonlocal masks
        if 8 in layout.columns and line.startswith("m"):
            masks += 1
            return parse_mask(line)
        return parse_numbers(line)

    rows = read_rows(path, layout.columns, layout.line, parse)
    if masks:
        _log.warning("%s has masks; the boxes around them are used, also to score, which VOT itself does not", path)
    return rows


def _load_vatic(place: Place) -> tuple[np.ndarray, ImageFiles]:
    """Boxes and images of NfS, one for each other.

    Like got10k's toolkit: of an annotation for 240 frames a second, 30 images a second have every eighth row; of a row
    or an image more than the others the last one is left out.
    """
    boxes, frames = _read_vatic(place.truth), numbered_images(place.frames, None)
    if abs(len(boxes) / len(frames) - 8) < 1:
        boxes = boxes[::8]
    if abs(len(boxes) - len(frames)) > 1:
        raise InputError(
            f"{place.truth} has {len(boxes)} boxes, {place.frames} {len(frames)} images; fetch the sequence again"
        )
    count = min(len(boxes), len(frames))
    return boxes[:count], ImageFiles(frames.paths[:count])


def _read_vatic(path: Path) -> np.ndarray:
    """Boxes ``x, y, w, h`` of VATIC's lines: track, left, top, right, bottom, four more numbers and a word."""
    try:
        lines = split_lines(decode_text(read_bytes(path, "boxes from ")))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; expected VATIC's lines") from None
    boxes = []
    for line_number, line in enumerate(lines, 1):
        corners = parse_numbers(" ".join(line.split()[1:5]))
        if line.strip() and len(corners) != 4:
            raise InputError(f"{path}, line {line_number}: got {line[:60]!r}, expected track left top right bottom ...")
        if corners:
            left, top, right, bottom = corners
            boxes.append([left, top, right - left, bottom - top])
    if not boxes:
        raise InputError(f"{path} holds no boxes; expected VATIC's lines")
    return np.array(boxes)


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
    limits = _read_limits(place, layout)
    if limits is not None:
        first, last = limits
        if boxes != last - first + 1:
            raise InputError(
                f"{place.truth} has {boxes} boxes, {layout}'s {place.name} {last - first + 1}; fetch it again"
            )
    # A single box is a test set's, whose number of frames only the images tell.
    return numbered_images(place.frames, None if boxes == 1 else boxes, first)


def _read_limits(place: Place, layout: str) -> tuple[int, int] | None:
    """The numbers of a sequence's first and last image, where the data set states them."""
    if layout == "uav123" and place.name in RANGES:
        return RANGES[place.name][1:]
    name = layouts.LAYOUTS[layout].range
    if name is None:
        return None
    path = place.truth.with_name(name.format(name=place.name))
    numbers = [number for row in read_rows(path, (), "the first and the last frame") for number in row]
    if len(numbers) != 2 or not all(number.is_integer() for number in numbers):
        raise InputError(f"{path} holds {numbers}; expected the numbers of the first and the last frame")
    return int(numbers[0]), int(numbers[1])


def _read_anchors(place: Place, layout: Layout, count: int) -> tuple[range, ...]:
    """The frames of the runs from each anchor of ``count`` frames; first those that go on, as in VOT's toolkit."""
    path = place.truth.with_name(layout.anchors) if layout.anchors else None
    if path is None or not path.is_file():
        return ()
    values = [value for row in read_rows(path, (), "a number for each frame") for value in row]
    if len(values) != count:
        raise InputError(f"{path} has {len(values)} numbers for {count} frames; fetch the sequence again")
    onward = [range(frame, count) for frame, value in enumerate(values) if value > 0]
    back = [range(frame, -1, -1) for frame, value in enumerate(values) if value < 0]
    return (*onward, *back)


def _hidden_frames(folder: Path, layout: Layout, count: int) -> Iterable[np.ndarray]:
    """Per file of flags, which of ``count`` frames have no target: ``(count,)`` bool."""
    for name in layout.absent:
        if (folder / name).is_file():
            yield _read_flags(folder / name, count)
    for name in layout.visible:
        if (folder / name).is_file():
            yield _read_numbers(folder / name, count, set(range(9)), "0 to 8") == 0


def _box(row: list[float]) -> list[float]:
    """A line as ``x, y, w, h``: a polygon ``x1, y1, ..., x4, y4`` as its bounding box, a code as zeros."""
    if len(row) == 8:
        return bx.bounding_box(row)
    return row if len(row) == 4 else [0.0] * 4


def _polygon(row: list[float]) -> list[float]:
    """A line as the corners ``x1, y1, ..., x4, y4`` of its polygon or box; a code as zeros."""
    if len(row) == 4:
        x, y, w, h = row
        return [x, y, x + w, y, x + w, y + h, x, y + h]
    return row if len(row) == 8 else [0.0] * 8


def _read_flags(path: Path, count: int) -> np.ndarray:
    """Flags of ``count`` frames, one a line or all in one line, as ``(count,)`` bool."""
    return _read_numbers(path, count, {0, 1}, "0 or 1").astype(bool)


def _read_numbers(path: Path, count: int, allowed: set[int], expected: str) -> np.ndarray:
    """A number for each of ``count`` frames, ``(count,)``."""
    numbers = [number for row in read_rows(path, (), f"{expected} for each frame") for number in row]
    if len(numbers) != count or not set(numbers) <= allowed:
        raise InputError(f"{path} has {len(numbers)} numbers; expected {expected} for each of the {count} frames")
    return np.array(numbers)
