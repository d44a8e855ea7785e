"""Reports as tables, plain or Markdown. The headline is the AUC on frames that training could not see."""

from collections.abc import Mapping

from tracking_env.evaluation import Report
from tracking_env.metrics import Score

Parts = Mapping[str, Score | None]

_COLUMNS = (
    ("AUC whole", "whole", "auc"),
    ("AUC seen", "seen", "auc"),
    ("AUC unseen", "unseen", "auc"),
    ("P@20 whole", "whole", "precision20"),
    ("P@20 seen", "seen", "precision20"),
    ("P@20 unseen", "unseen", "precision20"),
    ("mean IoU whole", "whole", "mean_iou"),
)
_HEADLINE = 3  # its column, the name's being 0


def table(rows: Mapping[str, Report]) -> str:
    """Plain text, aligned, without a line break at the end: one row per tracker, its means over sequences.

    Three decimals; ``-`` where there is no such part.
    """
    return _plain(_cells("tracker", {name: report.mean for name, report in rows.items()}))


def sequence_table(report: Report) -> str:
    """The same columns for one tracker: one row per sequence, the mean as the last."""
    return _plain(_cells("sequence", {**report.sequences, "mean": report.mean}))


def markdown(rows: Mapping[str, Report]) -> str:
    """The rows of `table` as a Markdown table, the headline column in bold."""
    head, *body = _cells("tracker", {name: report.mean for name, report in rows.items()})
    head[_HEADLINE] = f"**{head[_HEADLINE]}**"
    for row in body:
        row[_HEADLINE] = f"**{row[_HEADLINE]}**"
    rule = ["---"] + ["---:"] * len(_COLUMNS)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _cells(corner: str, rows: Mapping[str, Parts]) -> list[list[str]]:
    head = [corner, *(title for title, _, _ in _COLUMNS)]
    return [head, *([name, *(_cell(parts[part], what) for _, part, what in _COLUMNS)] for name, parts in rows.items())]


def _cell(score: Score | None, what: str) -> str:
    return "-" if score is None else f"{getattr(score, what):.3f}"


def _plain(cells: list[list[str]]) -> str:
    cells[0][_HEADLINE] += " (headline)"
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )
