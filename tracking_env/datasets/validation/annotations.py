"""What is wrong with an annotation file, and with its boxes on the frames."""

import codecs
from collections.abc import Iterator

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets import otb
from tracking_env.datasets.validation.findings import Remark, spans


def read(data: bytes, name: str) -> tuple[np.ndarray | None, list[Remark]]:
    """The boxes of a file's content, ``(T, 4)`` of the official range, and what is to be said of the text.

    There are no boxes where a line is not one. Rows may be NaN.

    Args:
        data: what the file holds.
        name: the sequence's; of one of OTB's the number of boxes is known.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return None, [Remark("is UTF-16 text", "save it as UTF-8")]
        return None, [Remark("is no text", "fetch it again")]
    said = []
    if data.startswith(codecs.BOM_UTF8):
        said.append(Remark("begins with a byte order mark", "read all the same; save it as UTF-8 without BOM", False))
    if "\r" in text:
        said.append(Remark("has Windows line ends", "read all the same; dos2unix removes them", False))
    lines = [line.strip() for line in otb.lines(text.rstrip())]
    numbered = [(at, line, otb.numbers(line)) for at, line in enumerate(lines, 1) if line]
    count = len(numbered)
    if count and "" in lines:
        said.append(Remark(f"has {lines.count('')} blank lines", "they are passed over; delete them", False))
    bad = [(at, line) for at, line, row in numbered if len(row) != 4]
    if bad:
        at, line = bad[0]
        more = f", and {len(bad) - 1} more such lines" if len(bad) > 1 else ""
        said.append(Remark(f"line {at} is {line[:60]!r}{more}", _mend(line)))
    if entry := otb.TABLE.get(name):
        official = entry.last - entry.truth_start + 1
        if count not in (entry.frames, official):
            said.append(Remark(f"has {count} boxes, OTB's {name} has {official}", "fetch the official file"))
    elif not count:
        said.append(Remark("has no boxes", "write x,y,w,h for each frame"))
    if bad or not count:
        return None, said
    boxes = np.array([row for _, _, row in numbered])
    lost = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(lost):
        what = f"{len(lost)} boxes are not finite, the first in line {numbered[lost[0]][0]}"
        said.append(Remark(what, "write 0,0,0,0 where the target is out of sight"))
    return otb.crop(name, boxes), said


def _mend(line: str) -> str:
    if any(mark in line for mark in ";|:"):
        return "separate the numbers by commas, tabs or spaces"
    if len(otb.numbers(line)) == 8:
        return "write decimals with a point; or four numbers x,y,w,h instead of a polygon"
    return "write four numbers x,y,w,h"


def on_frames(boxes: np.ndarray, size: Size) -> Iterator[Remark]:
    """What is to be said of boxes ``(T, 4)`` on frames of one size; rows are called by their number from 1."""
    known = np.isfinite(boxes).all(axis=1)
    real = known & bx.annotated(boxes)
    negative = known & (boxes[:, 2:] < 0).any(axis=1)
    none = known & ~real & ~negative
    if negative.any():
        yield Remark(f"boxes have a side below 0: {_rows(negative)}", "write x,y,w,h, or 0,0,0,0 where it is unseen")
    if known[0] and not real[0]:
        yield Remark("the first frame has no box", "a tracker starts there: write its box")
        none[0] = False
    if none.any():
        yield Remark(f"no box in {none.sum()} frames: {_rows(none)}", "they are not scored", False)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1  # the first and the last pixel inside, from 1
    pixels = "x".join(map(str, size))
    outside = real & ((high < 1) | (low > size)).any(axis=1)
    if outside.any():
        mend = "write x,y,w,h in pixels of these frames"
        yield Remark(f"boxes are outside of the {pixels} pixels: {_rows(outside)}", mend)
    across = real & ~outside & ((low < 1) | (high > size)).any(axis=1)
    corners = real & (boxes[:, 2:] > low).all(axis=1) & (boxes[:, 2:] <= size).all(axis=1)
    if across.sum() > len(boxes) / 2 and (corners == real).all():
        mend = "write w,h as third and fourth number, if they are the lower right corner"
        yield Remark(f"boxes reach beyond the {pixels} pixels: {_rows(across)}", mend)
    elif across.any():
        yield Remark(f"boxes reach beyond the {pixels} pixels: {_rows(across)}", "it happens at the rim", False)


def _rows(chosen: np.ndarray) -> str:
    return spans((np.flatnonzero(chosen) + 1).tolist())
