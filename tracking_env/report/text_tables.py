"""Reports as text tables, plain or Markdown, under the name and the reference of the protocol.

Plain tables fit into 80 columns. The parts of the videos have columns only where a tracker was trained on the first
thirds: for the others the whole video is the test.
"""

from collections.abc import Mapping

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.protocols import Protocol
from tracking_env.evaluation.score_report import Parts, Report, say_common, select_common
from tracking_env.terminal import printable

_WIDTH = 80
_SHORTEST = 12  # characters of a name that stay, also where a table then is wider
_SPLIT = {"first third": "seen", "rest": "unseen"}
"""Titles of the columns for the parts of the videos, which have the headline score."""
_Row = tuple[str, Parts, Parts | None]  # a name, means, and their deviations over runs


def format_trackers(reports: Mapping[str, Report], markdown: bool = False) -> str:
    """A row per tracker with its means over sequences, as aligned text or Markdown without a final line break.

    The first line names the protocol. Numbers have three decimals, and after several runs the standard deviation behind
    a ±; ``-`` stands for a part without frames. There is no column for frames per second if none is known. The last
    line names the trackers that were trained on the first thirds of these videos, if there are any.

    The means are over the sequences that all trackers have a score for. If these are not all, the first title says how
    many they are, and the last column how many each tracker has.

    Args:
        reports: by tracker, all by one protocol, at least one.
        markdown: make a Markdown table.
    """
    common = select_common(reports)
    rows = [(name, *_mean_row(report)) for name, report in common.items()]
    protocol = next(iter(reports.values())).protocol
    trained = [name for name, report in reports.items() if report.trained and protocol.splits]
    cells = _make_cells(f"tracker{say_common(common)}", rows, protocol, bool(trained), markdown)
    speeds = [report.mean_fps for report in common.values()]
    if any(speeds):
        cells[0].append("fps")
        for row, speed in zip(cells[1:], speeds, strict=True):
            row.append("-" if speed is None else f"{speed:.1f}")
    if any(report.failed for report in reports.values()):
        cells[0].append("scored")
        for row, report in zip(cells[1:], reports.values(), strict=True):
            row.append(report.count)
    table = _join(cells, protocol, markdown)
    return (
        f"{table}\n\nTrained on the first thirds of these videos: {', '.join(map(printable, trained))}"
        if trained
        else table
    )


def format_sequences(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per sequence, and the mean as the last row."""
    rows: list[_Row] = [(name, parts, None) for name, parts in report.sequences.items()]
    rows.append((f"mean of {report.count}" if report.failed else "mean", *_mean_row(report)))
    return _format_rows("sequence", rows, report, markdown)


def format_attributes(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: a row per difficulty tag, with the number of sequences that have it."""
    rows: list[_Row] = [(f"{tag} ({count})", parts, None) for tag, (count, parts) in report.by_attribute().items()]
    return _format_rows(f"attribute{say_common({'': report})}", rows, report, markdown)


def choose_metrics(protocol: Protocol) -> list[str]:
    """The scores that tables show, fields of `metrics.Score`: the protocol's.

    OTB has no mean overlap: ours, which is nearly its AUC, stands in ``--json`` alone.
    """
    return [metric for metric in protocol.scores if metric != "mean_iou" or protocol.precision is None]


def _format_rows(corner: str, rows: list[_Row], report: Report, markdown: bool) -> str:
    split = report.trained and report.protocol.splits
    return _join(_make_cells(corner, rows, report.protocol, split, markdown), report.protocol, markdown)


def _mean_row(report: Report) -> tuple[Parts, Parts | None]:
    return report.mean, report.std if len(report.runs) > 1 else None


def _make_cells(corner: str, rows: list[_Row], protocol: Protocol, split: bool, markdown: bool) -> list[list[str]]:
    """The titles, and a row of texts for each name."""
    columns = [(protocol.label(metric), "whole", metric) for metric in choose_metrics(protocol)]
    if split:
        label = protocol.label(protocol.headline)
        columns += [(f"{label} {title}", part, protocol.headline) for title, part in _SPLIT.items()]
    cells = [[corner, *(title for title, _, _ in columns)]]
    for name, means, deviations in rows:
        row = [_format_name(name, markdown)]
        for _, part, metric in columns:
            row.append(_format_score(means[part], deviations[part] if deviations else None, metric, markdown))
        cells.append(row)
    return cells


def _format_name(name: str, markdown: bool) -> str:
    """A name as one cell of one row: names are those of folders, which may hold any character."""
    text = printable(name, more="")
    return text.replace("|", r"\|").replace("<", "&lt;") if markdown else text


def _format_score(score: Score | None, deviation: Score | None, metric: str, markdown: bool) -> str:
    value, spread = getattr(score, metric, None), getattr(deviation, metric, None)
    if value is None:
        return "-"
    if spread is None:
        return f"{value:.3f}"
    # 0.518±.002: in 80 columns there is no room for more.
    return f"{value:.3f} ± {spread:.3f}" if markdown else f"{value:.3f}±{spread:.3f}".replace("±0.", "±.")


def _join(cells: list[list[str]], protocol: Protocol, markdown: bool) -> str:
    """Rows of texts as one text under the protocol's heading."""
    if markdown:
        cells.insert(1, ["---"] + ["---:"] * (len(cells[0]) - 1))
        return "\n".join([protocol.heading, "", *(f"| {' | '.join(row)} |" for row in cells)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = max(_SHORTEST, _WIDTH - sum(width + 2 for width in widths[1:]))
    widths[0] = min(widths[0], room)
    lines = [protocol.heading]
    for name, *numbers in cells:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        short = name if len(name) <= room else f"{name[: room - 1]}…"
        lines.append("  ".join([short.ljust(widths[0]), *aligned]))
    return "\n".join(lines)
