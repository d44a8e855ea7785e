"""Reports as text tables, plain or Markdown, under the name and the reference of the protocol.

Where OTB's protocol splits sequences, the headline column is the AUC on frames that training could not see.
"""

from collections.abc import Mapping

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.protocols import Protocol
from tracking_env.evaluation.score_report import Parts, Report
from tracking_env.evaluation.sequence_score import PARTS

_SPLIT = ("auc", "precision20")
"""Scores with a column for each part, where the protocol splits sequences."""
_Row = tuple[Parts, Parts | None]  # means, and their deviations over runs


def format_trackers(reports: Mapping[str, Report], markdown: bool = False) -> str:
    """A row per tracker with its means over sequences, as aligned text or Markdown without a final line break.

    The first line names the protocol. Numbers have three decimals, and after several runs the standard deviation behind
    a ±; ``-`` stands for a part without frames. There is no column for frames per second if none is known.

    Args:
        reports: by tracker, all by one protocol, at least one.
        markdown: make a Markdown table.
    """
    rows: dict[str, _Row] = {name: _mean_row(report) for name, report in reports.items()}
    protocol = next(iter(reports.values())).protocol
    cells = _make_cells("tracker", rows, protocol)
    speeds = [report.mean_fps for report in reports.values()]
    if any(speeds):
        cells[0].append("fps")
        for row, speed in zip(cells[1:], speeds, strict=True):
            row.append("-" if speed is None else f"{speed:.1f}")
    return _join(cells, protocol, markdown)


def format_sequences(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per sequence, and the mean as the last row."""
    rows: dict[str, _Row] = {name: (parts, None) for name, parts in report.sequences.items()}
    rows["mean"] = _mean_row(report)
    return _join(_make_cells("sequence", rows, report.protocol), report.protocol, markdown)


def format_attributes(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per difficulty tag, with the number of sequences that have it."""
    rows: dict[str, _Row] = {}
    for tag, (count, parts) in report.by_attribute().items():
        rows[f"{tag} ({count})"] = parts, None
    return _join(_make_cells("attribute", rows, report.protocol), report.protocol, markdown)


def _mean_row(report: Report) -> _Row:
    return report.mean, report.std if len(report.runs) > 1 else None


def _columns(protocol: Protocol) -> list[tuple[str, str, str]]:
    """Per column its title, the part of the sequences and the score."""
    if not protocol.splits:
        return [(protocol.label(metric), "whole", metric) for metric in protocol.scores]
    columns = []
    for metric in protocol.scores:
        for part in PARTS if metric in _SPLIT else ("whole",):
            columns.append((f"{protocol.label(metric)} {part}", part, metric))
    return columns


def _make_cells(corner: str, rows: Mapping[str, _Row], protocol: Protocol) -> list[list[str]]:
    """The titles, and a row of texts for each name."""
    columns = _columns(protocol)
    cells = [[corner, *(title for title, _, _ in columns)]]
    for name, (means, deviations) in rows.items():
        row = [name]
        for _, part, metric in columns:
            row.append(_format_score(means[part], deviations[part] if deviations else None, metric))
        cells.append(row)
    return cells


def _format_score(score: Score | None, deviation: Score | None, metric: str) -> str:
    value, spread = getattr(score, metric, None), getattr(deviation, metric, None)
    if value is None:
        return "-"
    return f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"


def _join(cells: list[list[str]], protocol: Protocol, markdown: bool) -> str:
    """Rows of texts as one text under the protocol's heading, the headline column in bold or named as such."""
    # Of split sequences the frames that training could not see count most, else the first score.
    headline = 3 if protocol.splits else 1
    if markdown:
        for row in cells:
            row[headline] = f"**{row[headline]}**"
        cells.insert(1, ["---"] + ["---:"] * (len(cells[0]) - 1))
        return "\n".join([protocol.heading, "", *(f"| {' | '.join(row)} |" for row in cells)])
    if protocol.splits:
        cells[0][headline] += " (headline)"
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [protocol.heading]
    for name, *numbers in cells:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    return "\n".join(lines)
