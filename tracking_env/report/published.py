"""The numbers that the DRLT paper prints: Zhang et al., arXiv:1701.08936 (2017), Tables 1 and 2.

They are typed from the paper, so that a report can show other numbers beside them. Table 2 was made with another
overlap than the benchmark's (see `tracking_env.evaluation.drlt_paper`), on whole videos. DRLT had trained on the first
third of each.
"""

import csv
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TypeVar

SOURCE = "Zhang et al., Deep Reinforcement Learning for Visual Object Tracking in Videos, arXiv:1701.08936"
_AVERAGE = "Average"
_Name = TypeVar("_Name", bound=Hashable)


@dataclass(frozen=True)
class TrackerRow:
    """One row of Table 1.

    Attributes:
        tracker: its name as printed.
        auc: area under the success curve, in [0, 1], whole videos of the 30 sequences.
        precision20: rate of frames with a centre error of at most 20 pixels, in [0, 1].
        fps: frames per second; DRLT's on one NVIDIA GTX 1080.
    """

    tracker: str
    auc: float
    precision20: float
    fps: float


TABLE_1: tuple[TrackerRow, ...] = (
    TrackerRow("DLT", 0.384, 0.490, 8),
    TrackerRow("STRUCK", 0.496, 0.664, 10),
    TrackerRow("DRLT", 0.543, 0.635, 45),
    TrackerRow("DRLT-LSTM", 0.543, 0.635, 270),  # DRLT with features that were computed before
)
"""Table 1: accuracy and speed of four trackers."""


def _read_table() -> dict[str, dict[str, float]]:
    table = {}
    with (resources.files("tracking_env.report") / "published.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sequence = row.pop("sequence")
            table[sequence] = {tracker: float(cell) for tracker, cell in row.items()}
    return table


TABLE_2: dict[str, dict[str, float]] = _read_table()
"""Table 2: per sequence, the mean overlap of each of the nine trackers, in [0, 1] with 3 decimals."""

# The mean of DRLT's column is 0.563; the paper prints 0.562, in its text too. The other eight agree. One cannot tell
# which of the 31 numbers is wrong, so all stay as printed.
AVERAGE: dict[str, float] = TABLE_2.pop(_AVERAGE)
"""The last row of Table 2, as printed."""

TRACKERS: tuple[str, ...] = tuple(AVERAGE)
"""The columns of Table 2, in their order."""


def find_best_two(row: Mapping[_Name, float | None], decimals: int = 3) -> tuple[set[_Name], set[_Name]]:
    """The best and the second best of a row, which the paper prints in red and blue.

    Args:
        row: a value per tracker, higher is better; None for a tracker without a value.
        decimals: values that are equal after rounding share a place.

    Returns:
        The names of the best and those of the second best. A set has several names if values are equal, and none if
        there is no such value. The second best is the next lower value, also after two best ones. (The paper counts so:
        DRLT is best in 12 rows and second in 4.)

    Example:
        >>> find_best_two({"DRLT": 0.563, "STRUCK": 0.476, "SCM": 0.414})
        ({'DRLT'}, {'STRUCK'})
    """
    values = {name: round(value, decimals) for name, value in row.items() if value is not None}
    places = [*sorted(set(values.values()), reverse=True), None, None]
    best, second = ({name for name, value in values.items() if value == place} for place in places[:2])
    return best, second
