"""Text files of boxes: annotations and results, one box a line."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from tracking_env.errors import InputError
from tracking_env.files import read_bytes

_SEPARATOR = re.compile(r"\s*,\s*|\s+")


def read_boxes(path: Path) -> np.ndarray:
    """Read a file of boxes with one row ``x, y, w, h`` a line, as ``(T, 4)`` float64.

    Separators may be commas, tabs or spaces. Blank lines are skipped. ``NaN`` counts as a number.

    Raises:
        InputError: the file cannot be read, has no rows, or has a row that is not four numbers.
    """
    return np.array(read_rows(path), dtype=np.float64)


def read_rows(path: Path, columns: Collection[int] = (4,), expected: str = "four numbers x,y,w,h") -> list[list[float]]:
    """Read the numbers of each line of a text file, written as in `read_boxes`.

    Args:
        path: the file.
        columns: how many numbers a line may have; empty for any number of them.
        expected: what a line should hold, for the error message.

    Returns:
        The numbers of each line that is not blank, in order.

    Raises:
        InputError: the file cannot be read, has no rows, or has a row of something else.
    """
    data = read_bytes(path, "boxes from ")
    try:
        # Some Windows editors put a byte order mark first; this codec drops it.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; expected lines of x,y,w,h") from None
    rows = []
    for line_number, line in enumerate(split_lines(text), 1):
        line = line.strip()
        if not line:
            continue
        row = parse_numbers(line)
        if not row or (columns and len(row) not in columns):
            raise InputError(f"{path}, line {line_number}: got {line[:60]!r}, expected {expected}")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no boxes; expected lines of x,y,w,h")
    return rows


def split_lines(text: str) -> list[str]:
    r"""Split a text at ``\n``, ``\r\n`` and ``\r``, and not, as `str.splitlines` does, at other characters too."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def parse_numbers(line: str) -> list[float]:
    """The numbers of a line, separated by commas, tabs or spaces; an empty list if any word is not a number."""
    try:
        return [float(word) for word in _SEPARATOR.split(line.strip())]
    except ValueError:
        return []
