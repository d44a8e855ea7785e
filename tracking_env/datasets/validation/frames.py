"""Checking the frames of a sequence: all of them are decoded."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tracking_env.boxes import Size
from tracking_env.datasets import image_header
from tracking_env.datasets.images import TruncatedImageError, images_by_number, read_image
from tracking_env.datasets.validation.findings import Remark, format_spans
from tracking_env.errors import InputError

_AGAIN = "fetch the sequence again"


@dataclass(frozen=True)
class CheckedFrames:
    """The result of `check_frames`: how many frames were decoded, the first one's size (or None), and the remarks."""

    decoded: int
    size: Size | None
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class _Image:
    """A decoded frame: its size and pixel format, or why it does not decode."""

    size: Size | None = None
    pixel_format: str = ""
    problem: str = ""


def check_frames(folder: Path, first: int | None, count: int | None, pool: Executor) -> CheckedFrames:
    """Check a folder of frames.

    Args:
        folder: the folder ``img``.
        first: number of the first frame; by default the lowest there is.
        count: number of frames there should be; by default all up to the highest number.
        pool: the executor that decodes them.
    """
    files, others = images_by_number(folder)
    if not files:
        return CheckedFrames(0, None, (Remark("holds no images such as 0001.jpg", _AGAIN),))
    start = min(files) if first is None else first
    expected = range(start, max(files) + 1 if count is None else start + count)
    paths = {number: files[number][0] for number in expected if number in files}
    # Each frame is decoded as a whole: headers do not tell of damage inside.
    images = dict(zip(paths, pool.map(_decode, paths.values()), strict=True))
    sizes = [image.size for image in images.values() if image.size]
    remarks = [*_check_names(files, expected, others), *_check_content(images)]
    return CheckedFrames(len(images), sizes[0] if sizes else None, tuple(remarks))


def _check_names(files: Mapping[int, list[Path]], expected: range, others: list[Path]) -> Iterator[Remark]:
    missing = set(expected) - files.keys()
    if missing:
        yield Remark(f"frames are missing: {format_spans(missing)}", _AGAIN)
    twice = [number for number in expected if len(files.get(number, ())) > 1]
    if twice:
        names = " and ".join(path.name for path in files[twice[0]])
        yield Remark(f"frames are there twice: {format_spans(twice)} ({names})", "keep one file of each")
    extra = files.keys() - set(expected)
    if extra:
        problem = f"has {len(extra)} images beyond the {len(expected)} that count: {format_spans(extra)}"
        yield Remark(problem, "they are not read", False)
    if others:
        names = ", ".join(path.name for path in others[:3])
        yield Remark(f"has {len(others)} other files: {names}", "they are not read", False)
    suffixes = {path.suffix for paths in files.values() for path in paths}
    upper = sorted(suffix for suffix in suffixes if suffix != suffix.lower())
    if upper:
        yield Remark(f"has names in {upper[0]}", f"read all the same; rename them to {upper[0].lower()}", False)


def _check_content(images: Mapping[int, _Image]) -> Iterator[Remark]:
    broken, sizes, formats = defaultdict(list), defaultdict(list), defaultdict(list)
    for number, image in images.items():
        if image.size:
            sizes[image.size].append(number)
            formats[image.pixel_format].append(number)
        else:
            broken[image.problem].append(number)
    for problem, numbers in broken.items():
        yield Remark(f"frames are {problem}: {format_spans(numbers)}", "fetch them again")
    # The keys are in the order of the frames, so the first is the first frame's size.
    first_size, *other_sizes = sizes or [(0, 0)]
    for size in other_sizes:
        got, first = ("x".join(map(str, sides)) for sides in (size, first_size))
        yield Remark(f"frames have {got} pixels, the first has {first}: {format_spans(sizes[size])}", _AGAIN)
    for name in ("CMYK", "transparent"):
        if name in formats:
            fix = "save them as RGB: OpenCV would guess their colours"
            yield Remark(f"frames are {name}: {format_spans(formats[name])}", fix)
    grey = formats.get("grey")
    if grey and len(formats) == 1:
        yield Remark("frames are grey", "they are read as three equal channels", False)
    elif grey:
        yield Remark(f"frames are grey among coloured ones: {format_spans(grey)}", _AGAIN)


def _decode(path: Path) -> _Image:
    try:
        height, width, _ = read_image(path).shape
        return _Image((width, height), image_header.pixel_format(path.read_bytes()))
    except TruncatedImageError:
        return _Image(problem="truncated")
    except InputError:
        return _Image(problem="no images that can be read")
