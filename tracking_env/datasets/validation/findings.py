"""What `tracking_env.datasets.validation.folder` says of a file or a folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Remark(NamedTuple):
    """Something odd, what to do about it, and whether it must be mended; otherwise it is a note."""

    what: str
    mend: str
    fault: bool = True


@dataclass(frozen=True)
class Finding:
    """A remark on a file.

    Attributes:
        sequence: whose.
        path: the file or folder, relative to the root.
        what: what it is.
        mend: what to do about it.
        fault: whether it must be mended; otherwise it is a note.
    """

    sequence: str
    path: str
    what: str
    mend: str
    fault: bool

    def __str__(self) -> str:
        return f"{'fault' if self.fault else 'note'}  {self.path}: {self.what}; {self.mend}"


def spans(numbers: Iterable[int], most: int = 6) -> str:
    """``1-3, 7``: numbers in order as spans, the first ``most`` of many."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in found]
    return ", ".join(words[:most]) + (f", ... ({len(words) - most} more)" if len(words) > most else "")
