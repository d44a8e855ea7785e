"""The numbers and pictures of the page as JSON, which its script draws."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from tracking_env.errors import InputError
from tracking_env.evaluation.score_report import Parts
from tracking_env.report.comparison import LEVEL, compare
from tracking_env.report.page_content import PART_NAMES, Page
from tracking_env.report.page_tables import get_metric
from tracking_env.report.summary import Summary, choose_frames, group_size, list_curves
from tracking_env.report.text_tables import choose_metrics

_DECIMALS = 4  # of curves and intervals
_SCORE_DECIMALS = 8  # rounding 0.68249 to four digits and then to three gives 0.683
_LARGEST = 32767  # pixels, of a coordinate in two bytes

Json = dict[str, Any]


def to_json(page: Page) -> Json:
    """Everything that the page's script shows. Lists by tracker and by sequence have the page's order."""
    summaries, names = list(page.summaries.values()), [sequence.name for sequence in page.sequences]
    trackers = list(page.summaries)
    return {
        "trackers": [_describe(page, name, summary) for name, summary in page.summaries.items()],
        "parts": {part: PART_NAMES[part] for part in page.parts},
        "metrics": {metric: page.protocol.label(metric) for metric in choose_metrics(page.protocol)},
        "sequences": _list_sequences(page),
        "over": page.over,
        "means": _by_part_and_metric(page, lambda part, metric: [_metric(s.mean, part, metric) for s in summaries]),
        "deviations": _by_part_and_metric(page, lambda part, metric: [_metric(s.std, part, metric) for s in summaries]),
        "scores": _by_part_and_metric(
            page,
            lambda part, metric: [
                [_metric(s.sequences.get(name, {}), part, metric) for name in names] for s in summaries
            ],
        ),
        "curves": _list_curves(page),
        "attributes": _list_attributes(page),
        "changes": _list_changes(page),
        "level": LEVEL,
        "ours": trackers.index(page.ours),
        "rival": None if page.rival is None else trackers.index(page.rival),
    }


def to_script(data: Json) -> Markup:
    """JSON as the content of an element ``<script>``, which a ``</script>`` in a name must not end."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def _describe(page: Page, name: str, summary: Summary) -> Json:
    style = page.styles[name]
    return {
        "name": name,
        "colour": style.colour,
        "dashes": style.dashes,
        "fps": summary.mean_fps,
        "runs": summary.runs,
        "scored": len(summary.sequences),
        "failed": len(summary.failed),
        "trained": summary.trained,
    }


def _list_sequences(page: Page) -> list[Json]:
    """Per sequence its facts, its pictures if there are any, and what each tracker did there (None: not scored)."""
    pictures = page.pictures()
    sequences = []
    for sequence in page.sequences:
        length = len(sequence.boxes)
        frames = choose_frames(length)
        truth = sequence.boxes[frames]
        overlaps, boxes = [], []
        for summary in page.summaries.values():
            encoded = summary.overlaps.get(sequence.name)
            overlaps.append(None if encoded is None else base64.b64encode(encoded).decode())
            run = summary.boxes.get(sequence.name)
            boxes.append(None if run is None else _encode_boxes(run))
        sequences.append(
            {
                "name": sequence.name,
                "length": length,
                "seen": sequence.seen,
                "attributes": sequence.attributes,
                "size": _find_size(sequence.frames, truth),
                "frames": frames,
                "group": group_size(length),
                "pictures": pictures.get(sequence.name, []),
                "truth": _encode_boxes(truth),
                "overlaps": overlaps,
                "boxes": boxes,
            }
        )
    return sequences


def _find_size(frames: Any, truth: np.ndarray) -> list[int]:
    """Width and height of the frames; without frames, of a canvas that holds the true boxes with a margin."""
    if frames is not None:
        return list(frames.size)
    corners = truth[:, :2] + truth[:, 2:]
    right, bottom = np.nan_to_num(corners).max(axis=0)
    return [max(16, round(1.1 * right)), max(16, round(1.1 * bottom))]


def _encode_boxes(boxes: np.ndarray) -> str:
    """Boxes ``(K, 4)`` as base64 of little-endian 16-bit numbers, counted from 0; a frame without a box is all 0."""
    valid = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    numbers = np.where(valid[:, None], np.nan_to_num(boxes) - [1, 1, 0, 0], 0)
    return base64.b64encode(numbers.round().clip(-_LARGEST, _LARGEST).astype("<i2").tobytes()).decode()


def _list_curves(page: Page) -> list[Json]:
    curves = []
    for kind, curve in list_curves(page.protocol).items():
        rates: dict[str, list[list[float] | None]] = {}
        for part in page.parts:
            rates[part] = []
            for summary in page.summaries.values():
                values = summary.curves[kind].get(part)
                rates[part].append(None if values is None else _round(values))
        if any(rate is not None for rows in rates.values() for rate in rows):
            means = {
                part: [_metric(summary.mean, part, curve.metric) for summary in page.summaries.values()]
                for part in page.parts
            }
            axes = {"x": curve.axes[0], "y": curve.axes[1], "thresholds": _round(curve.thresholds)}
            label = page.protocol.label(curve.metric)
            curves.append({"kind": kind, "label": label, "means": means, "rates": rates, **axes})
    return curves


def _list_attributes(page: Page) -> Json:
    counts = page.attributes()

    def row(summary: Summary, part: str, metric: str) -> list[float | None]:
        return [_metric(summary.by_attribute.get(tag, (0, {}))[1], part, metric) for tag in counts]

    summaries = page.summaries.values()
    scores = _by_part_and_metric(page, lambda part, metric: [row(summary, part, metric) for summary in summaries])
    return {"counts": counts, "scores": scores}


def _list_changes(page: Page) -> dict[str, list[list[list[float] | None]]]:
    """Per part and pair of trackers the interval of the headline score's difference, the second less the first."""
    summaries, metric = list(page.summaries.values()), page.protocol.headline
    changes: dict[str, list[list[list[float] | None]]] = {}
    for part in page.parts:
        changes[part] = [[None] * len(summaries) for _ in summaries]
        for first, before in enumerate(summaries):
            for second in range(first + 1, len(summaries)):
                try:
                    low, high = compare(before.sequences, summaries[second].sequences, part, metric).interval
                except InputError:  # no sequence in common
                    continue
                changes[part][first][second] = _round((low, high))
                changes[part][second][first] = _round((-high, -low))
    return changes


def _by_part_and_metric(page: Page, values: Callable[[str, str], Any]) -> Json:
    return {part: {metric: values(part, metric) for metric in choose_metrics(page.protocol)} for part in page.parts}


def _metric(parts: Parts | Mapping[str, Any], part: str, metric: str) -> float | None:
    value = get_metric(parts.get(part), metric)
    return None if value is None else round(value, _SCORE_DECIMALS)


def _round(values: Iterable[float]) -> list[float]:
    return [round(float(value), _DECIMALS) for value in values]
