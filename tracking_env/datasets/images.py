"""Frames that are image files."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets import image_header
from tracking_env.datasets.sequence import short_hash
from tracking_env.errors import InputError
from tracking_env.files import list_folder, read_bytes
from tracking_env.log_levels import quiet_decoders

MOST_PIXELS = 1 << 25
"""Pixels of the largest frame that is decoded: 8K video, 100 MB as RGB."""
_MOST_BYTES = 128 << 20  # of its file
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class TruncatedImageError(InputError):
    """An image file whose end is missing."""


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
        # Not their content: to read all images of a benchmark takes minutes.
        return short_hash("\n".join(f"{path.name} {path.stat().st_size}" for path in self.paths))


def numbered_images(folder: Path, count: int | None, first: int | None = None) -> ImageFiles:
    """Consecutive images of a folder, found by the numbers that are their names: ``0001.jpg``, ``00000001.png``, ...

    Args:
        folder: the folder of the images; other files in it are ignored.
        count: number of images; None for all up to the highest number.
        first: number of the first image; by default the lowest there is.

    Raises:
        InputError: there are no images, or one is missing.
    """
    # Of two files with one number, such as 1.jpg and 0001.jpg, the first; `tracking-env check` reports both.
    images = {number: paths[0] for number, paths in images_by_number(folder)[0].items()}
    if not images:
        raise InputError(f"no images in {folder}; expected files such as 0001.jpg")
    start = min(images) if first is None else first
    expected = range(start, max(images) + 1 if count is None else start + count)
    # Not a list of all: between two images whose numbers are dates there are billions.
    first_missing = next((number for number in expected if number not in images), None)
    if first_missing is not None:
        example = next(iter(images.values()))
        name = f"{first_missing:0{len(example.stem)}d}{example.suffix}"
        present = f"{sum(number in expected for number in images)} images"
        lack = f"fewer images than boxes: {present} for {count} boxes"
        if count is None:
            lack = f"{present} with numbers from {expected.start} to {expected.stop - 1}"
        raise InputError(f"{folder} has {lack}, the first missing is {name}; fetch the sequence again")
    return ImageFiles([images[number] for number in expected])


def images_by_number(folder: Path) -> tuple[dict[int, list[Path]], list[Path]]:
    """The image files of a folder whose names are numbers, by number, and all other entries; both sorted by name."""
    images: dict[int, list[Path]] = {}
    others = []
    for path in list_folder(folder):
        # isdigit alone would let pass digits such as a superscript 2, which int refuses.
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
    data = read_bytes(path, "the frame ", _MOST_BYTES)
    if image_header.is_cut_off(data):  # OpenCV would fill the missing part with grey and report nothing
        kind = "PNG" if data.startswith(b"\x89") else "JPEG"
        raise TruncatedImageError(f"the frame {path} is a truncated {kind} ({len(data)} bytes, no end); fetch it again")
    # Ask before decoding: a small file can claim a size for which OpenCV would take all memory.
    pixels = image_header.count_pixels(data)
    if pixels > MOST_PIXELS:
        raise InputError(f"the frame {path} has {pixels} pixels by its header; give frames of at most {MOST_PIXELS}")
    # Boxes were drawn on the pixels as stored, so an orientation in the file must not turn them.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = None
    # OpenCV reads other formats too, but their ends and sizes were not checked above.
    if data.startswith(image_header.SIGNATURES) and pixels > 0:
        with suppress(cv2.error), quiet_decoders():  # an error is raised for sizes that it does not support
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise InputError(f"the frame {path} does not decode as an image ({len(data)} bytes); fetch it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
