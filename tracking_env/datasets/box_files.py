"""Text files of boxes: annotations and results, one box a line."""

import codecs
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracking_env.errors import InputError
from tracking_env.files import read_table

_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
# Python's float would read 1_4_2 as 142, and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
# What the C library of Windows prints: -nan(ind) and nan(snan); in older versions 1.#QNAN, -1.#IND00 and 1.#INF.
_NO_NUMBER = re.compile(r"[+-]?(nan\(\w+\)|1\.#(qnan|snan|ind|inf)\d*)", re.IGNORECASE)
_HEADERS = {("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height")}
_COLUMNS = {"x1", "y1", "x2", "y2", "cx", "cy", "xmin", "ymin", "xmax", "ymax", "right", "bottom"}.union(*_HEADERS)
"""Names of columns by which a comment counts as a header."""


class Row(NamedTuple):
    """A line of a text file, its number (counted from 1), and its numbers; none if a word is not a number."""

    line_number: int
    line: str
    numbers: list[float]


Parser = Callable[[str], list[float]]
"""Makes numbers of a line; none of a line that it cannot read."""


def read_boxes(path: Path) -> np.ndarray:
    """Read a file of boxes with one row ``x, y, w, h`` a line, as ``(T, 4)`` float64.

    The text is UTF-8, or UTF-16 with its mark. Commas, semicolons, tabs or spaces separate the numbers; one may also
    end the line. Blank lines, a first line ``x,y,w,h`` and comments after ``#`` are skipped. ``NaN`` counts as a
    number, also as Windows spells it (``-nan(ind)``).

    Raises:
        InputError: the file cannot be read, has no rows, or has a row that is not four numbers.
    """
    return np.array(read_rows(path), dtype=np.float64)


def read_rows(
    path: Path,
    columns: Collection[int] = (4,),
    expected: str = "four numbers x,y,w,h",
    parse: Parser | None = None,
) -> list[list[float]]:
    """Read the numbers of each line of a text file, written as in `read_boxes`.

    Args:
        path: the file.
        columns: how many numbers a line may have; empty for any number of them.
        expected: what a line should hold, for the error message.
        parse: makes numbers of a line; by default `parse_numbers`.

    Returns:
        The numbers of each line that is not blank, in order.

    Raises:
        InputError: the file cannot be read, has no rows, or has a row of something else.
    """
    data = read_table(path, "boxes from ")
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; expected lines of x,y,w,h") from None
    rows = []
    for line_number, line, row in parse_rows(text, parse or parse_numbers):
        if not row or (columns and len(row) not in columns):
            raise InputError(f"{path}, line {line_number}: got {line[:60]!r}, expected {expected}")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no boxes; expected lines of x,y,w,h")
    return rows


def decode_text(data: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 that begins with its mark, as PowerShell writes it.

    Raises:
        UnicodeDecodeError: the bytes are neither.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    # Some Windows editors put a byte order mark first; this codec drops it.
    return data.decode("utf-8-sig")


def split_lines(text: str) -> list[str]:
    r"""Split a text at ``\n``, ``\r\n`` and ``\r``, and not, as `str.splitlines` does, at other characters too."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def parse_rows(text: str, parse: Parser) -> Iterator[Row]:
    """The rows of a text, without blank lines, a header of known columns, and comments.

    A header or comment that names other columns than ``x, y, w, h`` (``# x1 y1 x2 y2``) is a row without numbers, since
    its numbers would be read as what they are not.
    """
    is_first = True
    for line_number, line in enumerate(map(str.strip, split_lines(text)), 1):
        if not line:
            continue
        words = [word.lower() for word in _SEPARATOR.split(line.lstrip("#").strip())]
        names_columns = len(_COLUMNS.intersection(words)) > 2
        is_known = tuple(words[:4]) in _HEADERS
        if line.startswith("#") and not names_columns:
            continue
        if is_known and (is_first or line.startswith("#")):
            continue
        is_first = False
        yield Row(line_number, line, parse(line))


def parse_numbers(line: str) -> list[float]:
    """The numbers of a line, separated by commas, semicolons, tabs or spaces; one separator may end the line.

    Returns:
        An empty list if any word is not a number, or if the line has both commas and semicolons: decimal commas.
    """
    line = line.strip()
    line = line[:-1].rstrip() if line.endswith((",", ";")) else line
    if "," in line and ";" in line:
        return []
    words = _SEPARATOR.split(line)
    if not all(_NUMBER.fullmatch(word) or _NO_NUMBER.fullmatch(word) for word in words):
        return []
    # An infinite number is as broken as a missing one: all of Windows's spellings count as NaN.
    return [float("nan") if _NO_NUMBER.fullmatch(word) else float(word) for word in words]


def parse_mask(line: str) -> list[float]:
    """The upright box ``x, y, w, h`` of a mask as VOT writes it, its first pixel 0; zeros of an empty mask.

    The line is ``m``, then ``x, y, w, h`` of a region, and the lengths of runs of pixels in it, row by row: outside the
    mask, inside, outside, ... (votchallenge/toolkit, ``vot/region/io.py``).

    Returns:
        An empty list if the line is something else, or has more pixels than the region.

    Example:
        >>> parse_mask("m10,20,4,3,5,2,2,2")
        [11.0, 21.0, 2.0, 2.0]
    """
    words = line.removeprefix("m").split(",")
    if not line.startswith("m") or len(words) < 4 or not all(word.strip().isdecimal() for word in words):
        return []
    x, y, width, height, *runs = map(int, words)
    ends = np.cumsum(runs, dtype=np.int64)
    if len(runs) and not 0 <= ends[-1] <= width * height:
        return []
    starts, ends = ends[0::2][: len(ends) // 2], ends[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts] - 1
    if not len(starts):
        return [0.0] * 4
    rows, last_rows = starts // width, ends // width
    # A run that goes on in the next row covers the end of one row and the beginning of another.
    left = np.where(rows == last_rows, starts % width, 0).min()
    right = np.where(rows == last_rows, ends % width, width - 1).max()
    return [float(x + left), float(y + rows[0]), float(right - left + 1), float(last_rows[-1] - rows[0] + 1)]
