"""The tables of the report's page, from scores to cells; best and second best are marked as in the paper's Table 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.score_report import Report
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
        head: the columns' titles, first the one of the rows' names.
        rows: cells by the row's name.
        foot: the same, for rows that stay at the end.
        groups: titles over the columns after the first, each with its number of columns.
    """

    head: Sequence[str]
    rows: Rows
    foot: Rows = field(default_factory=dict)
    groups: Sequence[tuple[str, int]] = ()

    @property
    def edges(self) -> list[int]:
        """Index of the first cell of each group."""
        return [sum(span for _, span in self.groups[:at]) for at in range(len(self.groups))]


def make_headline_table(reports: Reports) -> Table:
    """Trackers by their means over sequences, the best first: where sequences are split, on unseen frames."""
    protocol = next(iter(reports.values())).protocol
    metrics = ("auc", "precision20") if protocol.splits else tuple(protocol.scores)
    parts = PARTS if protocol.splits else ("whole",)
    columns = []
    for metric in metrics:
        for part in parts:
            means = [get_metric(report.mean[part], metric) for report in reports.values()]
            columns.append(make_cells(means, [get_metric(report.std[part], metric) for report in reports.values()]))
    columns.append(_make_speed_cells([report.mean_fps for report in reports.values()]))
    counts = []
    for report in reports.values():
        scored = len(report.sequences)
        counts.append(Cell(scored, f"{scored} of {scored + len(report.failed)}"))
    columns.append(counts)
    rows = _make_rows(reports, columns)
    # The last part of the first score: the unseen one, or the whole.
    ranked = dict(sorted(rows.items(), key=lambda row: -(row[1][len(parts) - 1].value or 0)))
    groups = [(protocol.label(metric), len(parts)) for metric in metrics]
    return Table(("Tracker", *parts * len(metrics), "fps", "scored"), ranked, groups=(*groups, ("", 2)))


def make_sequence_table(reports: Reports, names: Sequence[str], part: str) -> Table:
    """The protocol's first score of each tracker on a part of each of the sequences named, and its mean."""
    metric = next(iter(reports.values())).protocol.headline
    rows = {name: make_cells(_list_numbers(reports, name, part, metric)) for name in names}
    mean = make_cells([get_metric(report.mean[part], metric) for report in reports.values()])
    return Table(("Sequence", *reports), rows, {"Mean": mean})


def compare_with_table_1(official: Reports, paper: Reports) -> Table:
    """Our trackers, then the paper's Table 1: AUC by the paper's formula, the official precision, speed.

    Args:
        official: scores by OTB's formula, on sequences of the paper.
        paper: scores of the same results by the paper's formula.
    """
    rows: dict[str, tuple[float | None, float | None, float | None]] = {}
    for name, report in paper.items():
        precision = get_metric(official[name].mean["whole"], "precision20")
        rows[name] = get_metric(report.mean["whole"], "auc"), precision, report.mean_fps
    for row in published.TABLE_1:
        rows[f"{row.tracker}, paper"] = row.auc, row.precision20, row.fps
    auc, precisions, fps = zip(*rows.values(), strict=True)
    columns = [make_cells(auc), make_cells(precisions), _make_speed_cells(fps)]
    return Table(("Tracker", "AUC", "precision", "fps"), _make_rows(list(rows), columns))


def compare_with_table_2(paper: Reports, names: Sequence[str]) -> Table:
    """Our trackers' mean overlap by the paper's formula, then the paper's Table 2, per sequence and in the mean.

    Args:
        paper: scores by the paper's formula.
        names: sequences, all of them the paper's. If they are all of Table 2, its averages as printed are added.
    """
    values: dict[str, list[float | None]] = {}
    for name in names:
        values[name] = [*_list_numbers(paper, name, "whole", "mean_iou"), *published.TABLE_2[name].values()]
    means = [_mean(column) for column in zip(*values.values(), strict=True)]
    foot = {f"Mean of these {len(values)}": make_cells(means)}
    # The printed averages are over all 30 sequences: beside fewer they would not compare.
    if len(values) == len(published.TABLE_2):
        foot["As printed"] = make_cells([*[None] * len(paper), *published.AVERAGE.values()])
    return Table(
        ("Sequence", *paper, *published.TRACKERS),
        {name: make_cells(row) for name, row in values.items()},
        foot,
        (("These results", len(paper)), ("The paper's Table 2", len(published.TRACKERS))),
    )


def make_cells(values: Numbers, deviations: Numbers = ()) -> list[Cell]:
    """Cells with three decimals and the deviation if there is one; the best and second best of several are marked."""
    # By place, not by tracker: a column of the paper may have the name of one of our trackers.
    best, second = published.find_best_two(dict(enumerate(values)))
    cells = []
    for at, value in enumerate(values):
        deviation = deviations[at] if deviations else None
        text = "–" if value is None else f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"
        mark = "best" if at in best else "second" if at in second else ""
        cells.append(Cell(value, text, mark if len(values) > 1 else ""))
    return cells


def get_metric(score: Score | None, metric: str) -> float | None:
    """A metric of a score, by its name; None of no score."""
    return None if score is None else getattr(score, metric)


def _list_numbers(reports: Reports, name: str, part: str, metric: str) -> list[float | None]:
    """A metric of each tracker on a part of a sequence; None where it was not scored."""
    return [get_metric(report.sequences.get(name, {}).get(part), metric) for report in reports.values()]


def _make_rows(names: Sequence[str] | Reports, columns: Sequence[Sequence[Cell]]) -> Rows:
    return dict(zip(names, zip(*columns, strict=True), strict=True))


def _mean(values: Numbers) -> float | None:
    """The mean; None if a value is missing: means over different sequences would stand side by side."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if len(present) == len(values) else None


def _make_speed_cells(values: Numbers) -> list[Cell]:
    """Cells without marks: speeds of different machines do not compare."""
    return [Cell(fps, "–" if fps is None else f"{fps:,.1f}") for fps in values]
