"""A tracking sequence: frames, ground-truth boxes, and the split into a training part and the rest."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
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
MOST_PIXELS = 1 << 26
"""Pixels of the largest frame that is decoded: 200 MB as RGB."""
FARTHEST = 1e9
"""Largest coordinate of a box in pixels; a larger one is a mistake in a file."""
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class TruncatedImageError(InputError):
    """An image file whose end is missing."""


class Frames(Protocol):
    """Random access to the frames of one sequence. Nothing is read before it is asked for."""

    @property
    def size(self) -> Size:
        """Width and height in pixels."""

    @property
    def fingerprint(self) -> str:
        """Changes if the frames change; features are stored under it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB. Several threads may call it at once."""


def short_hash(content: str | bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text (in UTF-8) or of bytes."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


class ImageFiles:
    """Frames that are image files, one file per frame.

    Args:
        paths: JPEG or PNG files, all of one size.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB.

        Raises:
            InputError: it does not decode, or has another size than the first frame.
        """
        frame = read_image(self.paths[index])
        if frame.shape[1::-1] != self.size:
            got, first = "x".join(map(str, frame.shape[1::-1])), "x".join(map(str, self.size))
            raise InputError(f"the frame {self.paths[index]} is {got} pixels, the first one is {first}; fetch it again")
        return frame

    @cached_property
    def size(self) -> Size:
        """Width and height of the first frame, in pixels."""
        height, width, _ = read_image(self.paths[0]).shape
        return width, height

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the files' names and their sizes in bytes."""
        return short_hash("\n".join(f"{path.name} {path.stat().st_size}" for path in self.paths))


class ArrayFrames:
    """Frames held in memory.

    Args:
        array: ``(T, height, width, 3)`` uint8 RGB.

    Raises:
        InputError: the array has another shape or type.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8:
            raise InputError(f"frames must be (T, height, width, 3) uint8, got {array.shape} {array.dtype}")
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB, a view."""
        return self.array[index]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.array.shape[2], self.array.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pixels."""
        return short_hash(np.ascontiguousarray(self.array).tobytes())


def numbered_images(folder: Path, count: int | None, first: int | None = None) -> ImageFiles:
    """Consecutive images of a folder, found by the numbers that are their names: ``0001.jpg``, ``00000001.png``, ...

    Args:
        folder: the folder of the images; other files in it are ignored.
        count: number of images; None for all up to the highest number.
        first: number of the first image; by default the lowest there is.

    Raises:
        InputError: there are no images, or one is missing.
    """
    images = {number: paths[0] for number, paths in images_by_number(folder)[0].items()}
    if not images:
        raise InputError(f"no images in {folder}; expected files such as 0001.jpg")
    start = min(images) if first is None else first
    expected = range(start, max(images) + 1 if count is None else start + count)
    missing = [number for number in expected if number not in images]
    if missing:
        example = next(iter(images.values()))
        first_missing = f"{missing[0]:0{len(example.stem)}d}{example.suffix}"
        present = len(expected) - len(missing)
        raise InputError(
            f"{folder} has fewer images than boxes: {present} images for {len(expected)} boxes, the first missing is "
            f"{first_missing}; fetch the sequence again"
        )
    return ImageFiles([images[number] for number in expected])


def images_by_number(folder: Path) -> tuple[dict[int, list[Path]], list[Path]]:
    """The image files of a folder whose names are numbers, by number, and all other entries; both sorted by name."""
    images: dict[int, list[Path]] = {}
    others = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in IMAGE_SUFFIXES and path.stem.isascii() and path.stem.isdigit():
            images.setdefault(int(path.stem), []).append(path)
        else:
            others.append(path)
    return images, others


def read_image(path: Path) -> np.ndarray:
    """Decode an image file to ``(height, width, 3)`` uint8 RGB; grey images get three equal channels.

    Raises:
        TruncatedImageError: the end of the file is missing.
        InputError: the file is missing, larger than `MOST_PIXELS`, or not a JPEG or PNG.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the frame {path}: {error.strerror}") from None
    if image_header.is_cut_off(data):  # OpenCV would fill the missing part with grey and report nothing
        kind = "PNG" if data.startswith(b"\x89") else "JPEG"
        raise TruncatedImageError(f"the frame {path} is a truncated {kind} ({len(data)} bytes, no end); fetch it again")
    pixels = image_header.count_pixels(data)
    if pixels > MOST_PIXELS:
        raise InputError(f"the frame {path} says that it has {pixels} pixels, at most {MOST_PIXELS} are read")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = None
    if data.startswith(image_header.SIGNATURES):
        with suppress(cv2.error):  # raised for sizes that it does not support
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise InputError(f"the frame {path} does not decode as an image ({len(data)} bytes); fetch it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@dataclass(frozen=True, eq=False)
class Sequence:
    """One target in one video.

    Attributes:
        name: unique in its dataset, for example ``Jogging-2``.
        frames: T frames.
        boxes: ground-truth pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)`` float64, read-only. A frame without a true
            box has a row of zeros, as in OTB's files: the target is out of sight, or nobody annotated it (see
            `annotated`).
        attributes: the benchmark's difficulty tags, for example ``("OCC", "SV")``.
        dataset: ``otb``, ``synthetic`` or a name of `tracking_env.datasets.other_benchmarks.LAYOUTS`.

    Raises:
        InputError: the boxes have another shape or are not as many as the frames, or one is far out of any image.

    Example::

        frames = np.zeros((3, 48, 64, 3), np.uint8)
        sequence = Sequence("black", ArrayFrames(frames), [[10, 12, 20, 16]] * 3)
        sequence.relative[0]  # cx, cy, w, h relative to the image
    """

    name: str
    frames: Frames
    boxes: np.ndarray
    attributes: tuple[str, ...] = ()
    dataset: str = "otb"

    def __post_init__(self) -> None:
        array = np.array(self.boxes, dtype=np.float64)  # a copy, so that nobody else can change it
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
        """Number of training frames, the first third of the video: ``floor(T / 3)``."""
        return len(self) // 3

    @cached_property
    def annotated(self) -> np.ndarray:
        """Which frames have a true box: ``(T,)`` bool, read-only."""
        array: Any = bx.annotated(self.boxes)
        array.flags.writeable = False
        return array

    @cached_property
    def relative(self) -> np.ndarray:
        """The boxes as relative boxes ``cx, cy, w, h``, zeros where there is none: ``(T, 4)`` float32, read-only."""
        array: Any = np.where(self.annotated[:, None], bx.to_relative(self.boxes, self.size), 0).astype(np.float32)
        array.flags.writeable = False
        return array

    def part(self, split: Split) -> range:
        """Frame indices of a split: ``train`` is the first third, ``unseen`` the rest, ``all`` the whole video.

        Raises:
            InputError: the split has another name.
        """
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        return {"train": range(self.seen), "unseen": range(self.seen, len(self)), "all": range(len(self))}[split]

    def windows(self, split: Split, length: int) -> Iterator[range]:
        """Consecutive windows of ``length`` frames over a split; the last one may be shorter (Algorithm 1, line 4).

        Yields:
            Frame indices of each window.
        """
        part = self.part(split)
        for start in range(part.start, part.stop, length):
            yield range(start, min(start + length, part.stop))
