"""The findings of `tracking_env.datasets.validation.folder`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Remark(NamedTuple):
    """A problem and how to fix it, of a file that is not named yet."""

    problem: str
    fix: str
    fault: bool = True
    """whether it must be fixed; otherwise it is a note"""


@dataclass(frozen=True)
class Finding:
    """A problem of a file or a folder.

    Attributes:
        sequence: the sequence that the file belongs to.
        path: the file or folder, relative to the root.
        problem: what is wrong with it.
        fix: what to do about it.
        fault: whether it must be fixed; otherwise it is a note.
    """

    sequence: str
    path: str
    problem: str
    fix: str
    fault: bool

    def __str__(self) -> str:
        return f"{'fault' if self.fault else 'note'}  {self.path}: {self.problem}; {self.fix}"


def format_spans(numbers: Iterable[int], most: int = 6) -> str:
    """Numbers in order as spans, such as ``1-3, 7``; of many spans the first ``most``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return ", ".join(words[:most]) + (f", ... ({len(words) - most} more)" if len(words) > most else "")
