"""Checking an annotation file, and its boxes against the frames."""

import codecs
from collections.abc import Iterator

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets import otb
from tracking_env.datasets.box_files import decode_text, parse_numbers, parse_rows, split_lines
from tracking_env.datasets.validation.findings import Remark, format_spans


def check_text(data: bytes, name: str) -> tuple[np.ndarray | None, list[Remark]]:
    """Check the content of an annotation file.

    Args:
        data: the content.
        name: the sequence's name; of OTB's sequences the number of boxes is known.

    Returns:
        The boxes of the official range, ``(T, 4)`` with NaN where the file has it, or None if a line is not a box; and
        the remarks.
    """
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        return None, [Remark("is no text", "fetch it again")]
    remarks = []
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        remarks.append(Remark("is UTF-16 text", "read all the same; save it as UTF-8", False))
    if data.startswith(codecs.BOM_UTF8):
        remarks.append(
            Remark("begins with a byte order mark", "read all the same; save it as UTF-8 without BOM", False)
        )
    if "\r" in text:
        remarks.append(Remark("has Windows line ends", "read all the same; dos2unix removes them", False))
    # Blank lines at the end are usual and harmless, so they are not reported.
    lines = [line.strip() for line in split_lines(text.rstrip())]
    rows = list(parse_rows(text, parse_numbers))
    count = len(rows)
    if count and "" in lines:
        remarks.append(Remark(f"has {lines.count('')} blank lines", "they are skipped; delete them", False))
    bad = [(number, line) for number, line, numbers in rows if len(numbers) != 4]
    if bad:
        number, line = bad[0]
        more = f", and {len(bad) - 1} more such lines" if len(bad) > 1 else ""
        remarks.append(Remark(f"line {number} is {line[:60]!r}{more}", _fix_of_line(line)))
    entry = otb.TABLE.get(name)
    if entry and count not in (entry.frames, entry.annotated_frames):
        problem = f"has {count} boxes, OTB's {name} has {entry.annotated_frames}"
        remarks.append(Remark(problem, "fetch the official file"))
    elif not entry and not count:
        remarks.append(Remark("has no boxes", "write x,y,w,h for each frame"))
    # With a line left out, all later boxes would belong to wrong frames.
    if bad or not count:
        return None, remarks
    boxes = np.array([numbers for _, _, numbers in rows])
    not_finite = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(not_finite):
        problem = f"{len(not_finite)} boxes are not finite, the first in line {rows[not_finite[0]][0]}"
        remarks.append(Remark(problem, "write 0,0,0,0 where the target is out of sight"))
    return otb.cut_to_official_range(name, boxes), remarks


def _fix_of_line(line: str) -> str:
    if any(mark in line for mark in "|:"):
        return "separate the numbers by commas, semicolons, tabs or spaces"
    # A decimal comma doubles the numbers; so does a polygon.
    if len(parse_numbers(line)) == 8 or ("," in line and ";" in line):
        return "write decimals with a point; or four numbers x,y,w,h instead of a polygon"
    return "write four numbers x,y,w,h"


def check_boxes(boxes: np.ndarray, size: Size) -> Iterator[Remark]:
    """Check boxes ``(T, 4)`` against frames of one size in pixels.

    Yields:
        Remarks that call rows by their number, counted from 1.
    """
    finite = np.isfinite(boxes).all(axis=1)
    annotated = finite & bx.annotated(boxes)
    negative = finite & (boxes[:, 2:] < 0).any(axis=1)
    absent = finite & ~annotated & ~negative
    if negative.any():
        fix = "write x,y,w,h, or 0,0,0,0 where the target is out of sight"
        yield Remark(f"boxes have a side below 0: {_format_rows(negative)}", fix)
    if finite[0] and not annotated[0]:
        yield Remark("the first frame has no box", "a tracker starts there: write its box")
        # It is a fault already, so no note about it.
        absent[0] = False
    if absent.any():
        yield Remark(f"no box in {absent.sum()} frames: {_format_rows(absent)}", "they are not scored", False)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1  # the first and the last pixel inside, counted from 1
    pixels = "x".join(map(str, size))
    outside = annotated & ((high < 1) | (low > size)).any(axis=1)
    if outside.any():
        fix = "write x,y,w,h in pixels of these frames"
        yield Remark(f"boxes are outside of the {pixels} pixels: {_format_rows(outside)}", fix)
    across = annotated & ~outside & ((low < 1) | (high > size)).any(axis=1)
    # If most boxes leave the image, but each would fit as two corners, then the file has corners.
    fits_as_corners = annotated & (boxes[:, 2:] > low).all(axis=1) & (boxes[:, 2:] <= size).all(axis=1)
    if across.sum() > len(boxes) / 2 and (fits_as_corners == annotated).all():
        fix = "write w,h as third and fourth number, if they are the lower right corner"
        yield Remark(f"boxes reach beyond the {pixels} pixels: {_format_rows(across)}", fix)
    elif across.any():
        problem = f"boxes reach beyond the {pixels} pixels: {_format_rows(across)}"
        yield Remark(problem, "targets at the border of the image do", False)


def _format_rows(chosen: np.ndarray) -> str:
    return format_spans((np.flatnonzero(chosen) + 1).tolist())
