"""Reports as tables, plain or Markdown. The headline is the AUC on frames that training could not see."""

from collections.abc import Mapping

from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.scoring import Parts, Report

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
_HEADLINE = 3  # its column, the name's being 0
_Row = tuple[Parts, Parts | None]  # means, and over runs their deviations


def table(rows: Mapping[str, Report], markdown: bool = False) -> str:
    """Aligned text or Markdown, without a line break at the end: one row per tracker, its means over sequences.

    Three decimals, and the standard deviation after a ± where there were several runs; ``-`` where there is no such
    part. Numbers that the protocol has not are left out; frames per second are there if one tracker's are known.
    """
    cells = _cells("tracker", {name: (one.mean, one.std if len(one.runs) > 1 else None) for name, one in rows.items()})
    speeds = [one.mean_fps for one in rows.values()]
    if any(speeds):
        for row, cell in zip(
            cells, ["fps", *("-" if speed is None else f"{speed:.1f}" for speed in speeds)], strict=True
        ):
            row.append(cell)
    return _text(cells, markdown)


def sequence_table(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: one row per sequence, the mean as the last."""
    rows: dict[str, _Row] = {name: (parts, None) for name, parts in report.sequences.items()}
    mean = (report.mean, report.std if len(report.runs) > 1 else None)
    return _text(_cells("sequence", {**rows, "mean": mean}), markdown)


def attribute_table(report: Report, markdown: bool = False) -> str:
    """The same columns for one tracker: one row per difficulty tag, with the number of sequences it is on."""
    rows: dict[str, _Row] = {f"{tag} ({n})": (parts, None) for tag, (n, parts) in report.by_attribute().items()}
    return _text(_cells("attribute", rows), markdown)


def _cells(corner: str, rows: Mapping[str, _Row]) -> list[list[str]]:
    scores = [score for means, _ in rows.values() for score in means.values() if score]
    columns = [one for one in _COLUMNS if not scores or any(getattr(score, one[2]) is not None for score in scores)]
    head = [corner, *(title for title, _, _ in columns)]
    return [
        head,
        *(
            [name, *(_cell(means[part], std[part] if std else None, what) for _, part, what in columns)]
            for name, (means, std) in rows.items()
        ),
    ]


def _cell(score: Score | None, std: Score | None, what: str) -> str:
    value, deviation = getattr(score, what, None), getattr(std, what, None)
    if value is None:
        return "-"
    return f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"


def _text(cells: list[list[str]], markdown: bool) -> str:
    if markdown:
        head, *body = [[*row[:_HEADLINE], f"**{row[_HEADLINE]}**", *row[_HEADLINE + 1 :]] for row in cells]
        rule = ["---"] + ["---:"] * (len(head) - 1)
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))
    cells[0][_HEADLINE] += " (headline)"
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )
