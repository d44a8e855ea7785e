"""The tables of the report's page, from scores to cells; best and second best are marked as in the paper's Table 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.scoring import Report
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.report import published

Reports = Mapping[str, Report]
"""The scores of each tracker, by its name."""


@dataclass(frozen=True)
class Cell:
    """A number in a table (None: there is none) and its text; ``mark`` is ``best``, ``second`` or nothing."""

    value: float | None
    text: str
    mark: str = ""


Rows = Mapping[str, Sequence[Cell]]
Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Table:
    """A sortable table.

    Attributes:
        head: the columns' titles, the first that of the rows' names.
        rows: cells by the row's name.
        foot: the same, for rows that stay at the end.
        groups: titles over the columns after the first, with the number of columns each.
    """

    head: Sequence[str]
    rows: Rows
    foot: Rows = field(default_factory=dict)
    groups: Sequence[tuple[str, int]] = ()

    @property
    def edges(self) -> list[int]:
        """Indices of the cells that each group begins with."""
        return [sum(span for _, span in self.groups[:at]) for at in range(len(self.groups))]


def headline(reports: Reports) -> Table:
    """Trackers by their means over sequences, the best on unseen frames first."""
    columns = []
    for what in ("auc", "precision20"):
        for part in PARTS:
            values = [number(report.mean[part], what) for report in reports.values()]
            columns.append(marked(values, [number(report.std[part], what) for report in reports.values()]))
    columns.append(_speeds([report.mean_fps for report in reports.values()]))
    counts = [(len(report.sequences), len(report.sequences) + len(report.failed)) for report in reports.values()]
    columns.append([Cell(scored, f"{scored} of {wanted}") for scored, wanted in counts])
    rows = _rows(reports, columns)
    ranked = dict(sorted(rows.items(), key=lambda row: -(row[1][2].value or 0)))
    return Table(("Tracker", *PARTS, *PARTS, "fps", "scored"), ranked, groups=(("AUC", 3), ("P@20", 3), ("", 2)))


def per_sequence(reports: Reports, names: Sequence[str], part: str) -> Table:
    """AUC of each tracker on a part of each of the sequences named, and its mean."""
    rows = {name: marked([_of(report, name, part, "auc") for report in reports.values()]) for name in names}
    mean = marked([number(report.mean[part], "auc") for report in reports.values()])
    return Table(("Sequence", *reports), rows, {"Mean": mean})


def beside_table_1(official: Reports, paper: Reports) -> Table:
    """The paper's Table 1 after our trackers: AUC by its formula, the official precision, speed.

    Args:
        official: scores by OTB's protocol, on sequences of the paper.
        paper: scores of the same by the paper's formula.
    """
    ours = [
        (number(report.mean["whole"], "auc"), number(official[name].mean["whole"], "precision20"), report.mean_fps)
        for name, report in paper.items()
    ]
    lines = [*ours, *((line.auc, line.precision20, line.fps) for line in published.TABLE_1)]
    auc, precision, fps = zip(*lines, strict=True)
    names = [*paper, *(f"{line.tracker}, paper" for line in published.TABLE_1)]
    return Table(("Tracker", "AUC", "precision", "fps"), _rows(names, [marked(auc), marked(precision), _speeds(fps)]))


def beside_table_2(paper: Reports, names: Sequence[str]) -> Table:
    """The paper's Table 2 after our trackers' mean overlap by its formula, on the sequences named, and the means.

    Args:
        paper: scores by the paper's formula.
        names: sequences, all of them the paper's. If they are all that it has, the averages it prints are there too.
    """
    values = {
        name: [
            *(_of(report, name, "whole", "mean_iou") for report in paper.values()),
            *published.TABLE_2[name].values(),
        ]
        for name in names
    }
    means = [_mean(column) for column in zip(*values.values(), strict=True)]
    foot = {f"Mean of these {len(values)}": marked(means)}
    if len(values) == len(published.TABLE_2):
        foot["As printed"] = marked([*[None] * len(paper), *published.AVERAGE.values()])
    return Table(
        ("Sequence", *paper, *published.TRACKERS),
        {name: marked(row) for name, row in values.items()},
        foot,
        (("These results", len(paper)), ("The paper's Table 2", len(published.TRACKERS))),
    )


def marked(values: Numbers, spread: Numbers = ()) -> list[Cell]:
    """Cells with three decimals, each with its deviation where there is one; best and second of several are marked."""
    best, second = published.best_two(dict(enumerate(values)))
    cells = []
    for at, one in enumerate(values):
        deviation = spread[at] if spread else None
        text = "–" if one is None else f"{one:.3f}" if deviation is None else f"{one:.3f} ± {deviation:.3f}"
        mark = "best" if at in best else "second" if at in second else ""
        cells.append(Cell(one, text, mark if len(values) > 1 else ""))
    return cells


def number(score: Score | None, what: str) -> float | None:
    """One of a score's numbers, by its name; None of no score."""
    return None if score is None else getattr(score, what)


def _of(report: Report, name: str, part: str, what: str) -> float | None:
    return number(report.sequences.get(name, {}).get(part), what)


def _rows(names: Sequence[str] | Reports, columns: Sequence[Sequence[Cell]]) -> Rows:
    return dict(zip(names, zip(*columns, strict=True), strict=True))


def _mean(values: Numbers) -> float | None:
    """None where one is missing: means of different sequences would stand side by side."""
    there = [one for one in values if one is not None]
    return float(np.mean(there)) if len(there) == len(values) else None


def _speeds(values: Numbers) -> list[Cell]:
    """Cells without marks: speeds of different machines have no best."""
    return [Cell(fps, "–" if fps is None else f"{fps:,.1f}") for fps in values]
