"""What is wrong with a sequence's frames: all are decoded."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tracking_env.boxes import Size
from tracking_env.datasets import image_header
from tracking_env.datasets.sequence import images_by_number, read_image
from tracking_env.datasets.validation.findings import Remark, spans
from tracking_env.errors import InputError

_AGAIN = "fetch the sequence again"


@dataclass(frozen=True)
class Frames:
    """How many frames were decoded, the size of the first (None without one), and what is to be said."""

    decoded: int
    size: Size | None
    remarks: tuple[Remark, ...]


def look(folder: Path, first: int | None, count: int | None, pool: Executor) -> Frames:
    """Look at a folder of frames.

    Args:
        folder: the folder ``img``.
        first: the first frame's number, by default the lowest that is there.
        count: how many there should be, by default all up to the highest number.
        pool: what decodes them.
    """
    images, others = images_by_number(folder)
    if not images:
        return Frames(0, None, (Remark("holds no images such as 0001.jpg", _AGAIN),))
    start = min(images) if first is None else first
    wanted = range(start, max(images) + 1 if count is None else start + count)
    there = {number: images[number][0] for number in wanted if number in images}
    seen = dict(zip(there, pool.map(_decode, there.values()), strict=True))
    sizes = [size for _, size, _ in seen.values() if size]
    remarks = [*_names(images, wanted, others), *_content(seen)]
    return Frames(len(seen), sizes[0] if sizes else None, tuple(remarks))


def _names(images: Mapping[int, list[Path]], wanted: range, others: list[Path]) -> Iterator[Remark]:
    if missing := set(wanted) - images.keys():
        yield Remark(f"frames are missing: {spans(missing)}", _AGAIN)
    if twice := [number for number in wanted if len(images.get(number, ())) > 1]:
        names = " and ".join(path.name for path in images[twice[0]])
        yield Remark(f"frames are there twice: {spans(twice)} ({names})", "keep one file of each")
    if extra := images.keys() - set(wanted):
        what = f"has {len(extra)} images beyond the {len(wanted)} that count: {spans(extra)}"
        yield Remark(what, "they are not read", False)
    if others:
        names = ", ".join(path.name for path in others[:3])
        yield Remark(f"has {len(others)} other files: {names}", "they are not read", False)
    suffixes = {path.suffix for paths in images.values() for path in paths}
    if upper := sorted(one for one in suffixes if one != one.lower()):
        yield Remark(f"has names in {upper[0]}", f"read all the same; rename them to {upper[0].lower()}", False)


def _content(seen: Mapping[int, tuple[str, Size | None, str]]) -> Iterator[Remark]:
    broken, sizes, kinds = defaultdict(list), defaultdict(list), defaultdict(list)
    for number, (problem, size, kind) in seen.items():
        if size:
            sizes[size].append(number)
            kinds[kind].append(number)
        else:
            broken[problem].append(number)
    for problem, numbers in broken.items():
        yield Remark(f"frames are {problem}: {spans(numbers)}", "fetch them again")
    usual, *different = sizes or [(0, 0)]
    for size in different:
        now, was = ("x".join(map(str, one)) for one in (size, usual))
        yield Remark(f"frames have {now} pixels, the first has {was}: {spans(sizes[size])}", _AGAIN)
    for kind in ("CMYK", "transparent"):
        if kind in kinds:
            mend = "save them as RGB: OpenCV would guess their colours"
            yield Remark(f"frames are {kind}: {spans(kinds[kind])}", mend)
    if grey := kinds.get("grey"):
        if len(kinds) == 1:
            yield Remark("frames are grey", "they are read as three equal channels", False)
        else:
            yield Remark(f"frames are grey among coloured ones: {spans(grey)}", _AGAIN)


def _decode(path: Path) -> tuple[str, Size | None, str]:
    """What is wrong with a frame, or else its size, and what its pixels are."""
    try:
        height, width, _ = read_image(path).shape
        return "", (width, height), image_header.kind(path.read_bytes())
    except InputError as error:
        return "truncated" if "truncated" in str(error) else "no images that can be read", None, ""
