"""Reports as text tables, plain or Markdown. The headline column is the AUC on frames that training could not see."""

from collections.abc import Iterable, Mapping

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.score_report import Parts, Report

_COLUMNS = (
    ("AUC whole", "whole", "auc"),
    ("AUC seen", "seen", "auc"),
    ("AUC unseen", "unseen", "auc"),
    ("P@20 whole", "whole", "precision20"),
    ("P@20 seen", "seen", "precision20"),
    ("P@20 unseen", "unseen", "precision20"),
    ("norm. P@.20 whole", "whole", "norm_precision20"),
    ("mean IoU whole", "whole", "mean_iou"),
)
_HEADLINE = 3  # index of its column, the first being that of the names
_Row = tuple[Parts, Parts | None]  # means, and their deviations over runs


def format_trackers(reports: Mapping[str, Report], markdown: bool = False) -> str:
    """A row per tracker with its means over sequences, as aligned text or Markdown without a final line break.

    Numbers have three decimals, and after several runs the standard deviation behind a ±; ``-`` stands for a part
    without frames. There is no column for a metric that the formula lacks, nor for frames per second if none is known.
    """
    rows: dict[str, _Row] = {name: _mean_row(report) for name, report in reports.items()}
    cells = _make_cells("tracker", rows)
    speeds = [report.mean_fps for report in reports.values()]
    if any(speeds):
        cells[0].append("fps")
        for row, speed in zip(cells[1:], speeds, strict=True):
            row.append("-" if speed is None else f"{speed:.1f}")
    return _join(cells, markdown)


def format_sequences(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per sequence, and the mean as the last row."""
    rows: dict[str, _Row] = {name: (parts, None) for name, parts in report.sequences.items()}
    rows["mean"] = _mean_row(report)
    return _join(_make_cells("sequence", rows), markdown)


def format_attributes(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per difficulty tag, with the number of sequences that have it."""
    rows: dict[str, _Row] = {}
    for tag, (count, parts) in report.by_attribute().items():
        rows[f"{tag} ({count})"] = parts, None
    return _join(_make_cells("attribute", rows), markdown)


def _mean_row(report: Report) -> _Row:
    return report.mean, report.std if len(report.runs) > 1 else None


def _make_cells(corner: str, rows: Mapping[str, _Row]) -> list[list[str]]:
    """The titles, and a row of texts for each name."""
    # The paper's formula has no precision: leave its empty columns out.
    columns = [column for column in _COLUMNS if _is_measured(column[2], rows.values())]
    cells = [[corner, *(title for title, _, _ in columns)]]
    for name, (means, deviations) in rows.items():
        row = [name]
        for _, part, metric in columns:
            row.append(_format_score(means[part], deviations[part] if deviations else None, metric))
        cells.append(row)
    return cells


def _is_measured(metric: str, rows: Iterable[_Row]) -> bool:
    """Whether one of the scores has this metric; True if there is no score at all."""
    scores = [score for means, _ in rows for score in means.values() if score is not None]
    return not scores or any(getattr(score, metric) is not None for score in scores)


def _format_score(score: Score | None, deviation: Score | None, metric: str) -> str:
    value, spread = getattr(score, metric, None), getattr(deviation, metric, None)
    if value is None:
        return "-"
    return f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"


def _join(cells: list[list[str]], markdown: bool) -> str:
    """Rows of texts as one text, the headline column in bold or named as such."""
    if markdown:
        for row in cells:
            row[_HEADLINE] = f"**{row[_HEADLINE]}**"
        cells.insert(1, ["---"] + ["---:"] * (len(cells[0]) - 1))
        return "\n".join(f"| {' | '.join(row)} |" for row in cells)
    cells[0][_HEADLINE] += " (headline)"
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for name, *numbers in cells:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    return "\n".join(lines)
