"""A tracking sequence: frames, true boxes, and the seen / unseen split."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets import image_header
from tracking_env.errors import InputError

Split = Literal["train", "unseen", "all"]
SPLITS: tuple[str, ...] = get_args(Split)
LARGEST = 1 << 26
"""Pixels of the largest frame that is decoded: 200 MB as RGB."""
FARTHEST = 1e9
"""Pixels: no true box reaches farther."""
IMAGES = {".jpg", ".jpeg", ".png"}
"""Names of image files end so."""


class Frames(Protocol):
    """Random access to the frames of one sequence; nothing is read before it is asked for."""

    @property
    def size(self) -> Size:
        """Width and height in pixels."""

    @property
    def fingerprint(self) -> str:
        """Changes when the frames change; part of the key under which features are stored."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8, RGB. Several threads may ask at once."""


class ImageFiles:
    """Frames that are image files, one each."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        frame = read_image(self.paths[index])
        if frame.shape[1::-1] != self.size:
            got, wanted = "x".join(map(str, frame.shape[1::-1])), "x".join(map(str, self.size))
            raise InputError(
                f"the frame {self.paths[index]} is {got} pixels, the first one is {wanted}; fetch it again"
            )
        return frame

    @cached_property
    def size(self) -> Size:
        """Width and height of the first frame, in pixels."""
        height, width, _ = read_image(self.paths[0]).shape
        return width, height

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the file names and their sizes in bytes."""
        listing = "\n".join(f"{path.name} {path.stat().st_size}" for path in self.paths)
        return hashlib.sha256(listing.encode()).hexdigest()[:16]


class ArrayFrames:
    """Frames held in memory, ``(T, height, width, 3)`` uint8, RGB."""

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8:
            raise InputError(f"frames must be (T, height, width, 3) uint8, got {array.shape} {array.dtype}")
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.array[index]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.array.shape[2], self.array.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pixels."""
        return hashlib.sha256(np.ascontiguousarray(self.array).tobytes()).hexdigest()[:16]


def numbered_images(folder: Path, count: int | None, first: int | None = None) -> ImageFiles:
    """Consecutive images of a folder, found by number: ``0001.jpg``, ``00000001.png``, ...; other files are ignored.

    Args:
        folder: where they lie.
        count: how many; None for all from the first to the last one there is.
        first: the first one's number, by default the lowest that is there.

    Raises:
        InputError: there are no images, or one is missing.
    """
    images = {number: paths[0] for number, paths in images_by_number(folder)[0].items()}
    if not images:
        raise InputError(f"no images in {folder}; wanted files such as 0001.jpg")
    start = min(images) if first is None else first
    wanted = range(start, max(images) + 1 if count is None else start + count)
    missing = [number for number in wanted if number not in images]
    if missing:
        example = next(iter(images.values()))
        absent = f"{missing[0]:0{len(example.stem)}d}{example.suffix}"
        counts = f"{len(wanted) - len(missing)} images for {len(wanted)} boxes, the first missing is {absent}"
        raise InputError(f"{folder} has fewer images than boxes: {counts}; fetch the sequence again")
    return ImageFiles([images[number] for number in wanted])


def images_by_number(folder: Path) -> tuple[dict[int, list[Path]], list[Path]]:
    """The image files of a folder whose names are numbers, by number, and everything else in it; both sorted."""
    images: dict[int, list[Path]] = {}
    others = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in IMAGES and path.stem.isascii() and path.stem.isdigit():
            images.setdefault(int(path.stem), []).append(path)
        else:
            others.append(path)
    return images, others


def read_image(path: Path) -> np.ndarray:
    """Decode one image file to ``(height, width, 3)`` uint8 RGB; grey images become three equal channels.

    Raises:
        InputError: the file is missing, cut off, huge, or no JPEG or PNG. (OpenCV fills the lost part of a truncated
            JPEG with grey and says nothing, so the end is looked for first.)
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the frame {path}: {error.strerror}") from None
    if image_header.is_cut_off(data):
        kind = "PNG" if data.startswith(b"\x89") else "JPEG"
        raise InputError(f"the frame {path} is a truncated {kind} ({len(data)} bytes, no end); fetch it again")
    if image_header.pixels(data) > LARGEST:
        raise InputError(
            f"the frame {path} says that it has {image_header.pixels(data)} pixels, at most {LARGEST} are read"
        )
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data.startswith(image_header.KNOWN) else None
    except cv2.error:  # of sizes that it does not take
        image = None
    if image is None:
        raise InputError(f"the frame {path} does not decode as an image ({len(data)} bytes); fetch it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@dataclass(frozen=True, eq=False)
class Sequence:
    """One target in one video.

    Attributes:
        name: unique in its dataset, for example ``Jogging-2``.
        frames: as many as there are boxes.
        boxes: true pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)`` float64, read-only. A frame without a true box has
            a row of zeros, as OTB writes it: the target is out of sight, or its place is not known (see `annotated`).
        attributes: the benchmark's difficulty tags, for example ``("OCC", "SV")``. dataset: where it comes from:
        ``otb``, ``synthetic`` or a name of `tracking_env.datasets.other_benchmarks.LAYOUTS`.
    """

    name: str
    frames: Frames
    boxes: np.ndarray
    attributes: tuple[str, ...] = ()
    dataset: str = "otb"

    def __post_init__(self) -> None:
        array = np.array(self.boxes, dtype=np.float64)  # a copy: nobody else can write to it
        if array.ndim != 2 or array.shape[1] != 4 or len(array) == 0:
            raise InputError(f"{self.name}: boxes must be (T, 4) with T > 0, got {array.shape}")
        if len(self.frames) != len(array):
            raise InputError(f"{self.name}: {len(self.frames)} frames for {len(array)} boxes; give one box per frame")
        far = np.flatnonzero((np.abs(array) > FARTHEST).any(axis=1))
        if len(far):
            raise InputError(
                f"{self.name}: box {far[0] + 1} is {array[far[0]].tolist()}, which is no place in an image"
            )
        array.flags.writeable = False
        object.__setattr__(self, "boxes", array)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> Size:
        """Width and height of the frames, in pixels."""
        return self.frames.size

    @property
    def seen(self) -> int:
        """Number of frames in the training third: ``floor(T / 3)``."""
        return len(self) // 3

    @cached_property
    def annotated(self) -> np.ndarray:
        """Which frames have a true box, ``(T,)`` bool, read-only."""
        array: Any = bx.annotated(self.boxes)
        array.flags.writeable = False
        return array

    @cached_property
    def relative(self) -> np.ndarray:
        """The true boxes as relative boxes ``cx, cy, w, h``, or zeros, ``(T, 4)`` float32, read-only."""
        array: Any = np.where(self.annotated[:, None], bx.to_relative(self.boxes, self.size), 0).astype(np.float32)
        array.flags.writeable = False
        return array

    def part(self, split: Split) -> range:
        """Frame indices of a split: ``train`` is the first third, ``unseen`` the rest, ``all`` the whole video."""
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        return {"train": range(self.seen), "unseen": range(self.seen, len(self)), "all": range(len(self))}[split]

    def windows(self, split: Split, length: int) -> Iterator[range]:
        """Consecutive windows of ``length`` frames over a split; the last one may be shorter (Algorithm 1, line 4)."""
        part = self.part(split)
        for start in range(part.start, part.stop, length):
            yield range(start, min(start + length, part.stop))
