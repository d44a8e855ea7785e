"""The page's tables beside the paper's, from scores to cells; best and second best are marked as in its Table 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.score_report import Report
from tracking_env.report import published


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


@dataclass(frozen=True)
class PaperScores:
    """A tracker's scores that stand beside the paper's; None where there is none.

    Attributes:
        auc: by the paper's formula, as in its Table 1.
        precision20: by OTB's formula, as in its Table 1.
        fps: frames per second.
        overlaps: mean overlap by the paper's formula, by sequence, as in its Table 2.
    """

    auc: float | None
    precision20: float | None
    fps: float | None
    overlaps: Mapping[str, float | None]


def score_for_paper(official: Report, paper: Report) -> PaperScores:
    """The scores of one tracker on the paper's sequences.

    Args:
        official: by OTB's formula.
        paper: of the same results, by the paper's formula.
    """
    return PaperScores(
        auc=get_metric(paper.mean["whole"], "auc"),
        precision20=get_metric(official.mean["whole"], "precision20"),
        fps=paper.mean_fps,
        overlaps={name: get_metric(parts["whole"], "mean_iou") for name, parts in paper.sequences.items()},
    )


def compare_with_table_1(trackers: Mapping[str, PaperScores], comparable: bool) -> Table:
    """Our trackers, then the paper's Table 1: AUC by the paper's formula, the official precision, speed.

    Args:
        trackers: their scores.
        comparable: whether these are over the paper's 30 sequences; if not, none is marked as the best.
    """
    rows: dict[str, tuple[float | None, float | None, float | None]] = {}
    for name, scores in trackers.items():
        rows[name] = scores.auc, scores.precision20, scores.fps
    for row in published.TABLE_1:
        rows[f"{row.tracker}, paper"] = row.auc, row.precision20, row.fps
    auc, precisions, fps = zip(*rows.values(), strict=True)
    # Speeds are not marked: those of different machines do not compare.
    speeds = [Cell(speed, "–" if speed is None else f"{speed:,.1f}") for speed in fps]
    columns = zip(make_cells(auc, comparable), make_cells(precisions, comparable), speeds, strict=True)
    return Table(("Tracker", "AUC", "precision", "fps"), dict(zip(rows, columns, strict=True)))


def compare_with_table_2(trackers: Mapping[str, PaperScores], names: Sequence[str]) -> Table:
    """Our trackers' mean overlap by the paper's formula, then the paper's Table 2, per sequence and in the mean.

    Args:
        trackers: scores on the paper's sequences.
        names: sequences, all of them the paper's. If they are all of Table 2, its averages as printed are added.
    """
    values: dict[str, list[float | None]] = {}
    for name in names:
        ours = [scores.overlaps.get(name) for scores in trackers.values()]
        values[name] = [*ours, *published.TABLE_2[name].values()]
    means = [_mean(column) for column in zip(*values.values(), strict=True)]
    foot = {f"Mean of these {len(values)}": make_cells(means)}
    # The printed averages are over all 30 sequences: beside fewer they would not compare.
    if len(values) == len(published.TABLE_2):
        foot["As printed"] = make_cells([*[None] * len(trackers), *published.AVERAGE.values()])
    return Table(
        ("Sequence", *trackers, *published.TRACKERS),
        {name: make_cells(row) for name, row in values.items()},
        foot,
        (("These results", len(trackers)), ("The paper's Table 2", len(published.TRACKERS))),
    )


def make_cells(values: Numbers, marked: bool = True) -> list[Cell]:
    """Cells with three decimals; the best and second best of several are marked, if they are to be."""
    # By place, not by tracker: a column of the paper may have the name of one of our trackers.
    best, second = published.find_best_two(dict(enumerate(values)))
    cells = []
    for at, value in enumerate(values):
        mark = "best" if at in best else "second" if at in second else ""
        cells.append(Cell(value, "–" if value is None else f"{value:.3f}", mark if marked and len(values) > 1 else ""))
    return cells


def get_metric(score: Score | None, metric: str) -> float | None:
    """A metric of a score, by its name; None of no score."""
    return None if score is None else getattr(score, metric)


def _mean(values: Numbers) -> float | None:
    """The mean; None if a value is missing: means over different sequences would stand side by side."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if len(present) == len(values) else None
