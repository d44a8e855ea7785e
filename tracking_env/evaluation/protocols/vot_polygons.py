"""VOT's experiment without restarts (2015 to 2019), whose true regions are rotated boxes: average overlap (AO).

A tracker runs once over each sequence. The rules are those of votchallenge/toolkit 0.7.1: the analysis
``average_accuracy`` of the experiment ``unsupervised`` (``vot/analysis/accuracy.py``, ``vot/stack/vot2018``), with the
overlap of ``vot/region/raster.py``.
"""

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.errors import InputError
from tracking_env.evaluation.protocols.protocol import FrameMeasures

BURN_IN = 10
"""Number of first frames that do not count."""
_Spans = tuple[np.ndarray, np.ndarray]  # first and last pixel of each row; the last is before the first where none is


def measure(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """Overlaps of one run with true regions.

    Neither the first `BURN_IN` frames count, nor those without a true region or without a predicted box (NaN).

    Args:
        prediction: pixel boxes ``(T, 4)``.
        truth: corners of polygons ``x1, y1, ..., x4, y4`` in pixels counted from 1, ``(T, 8)``, zeros where there is
            none; or boxes ``(T, 4)``.
        size: width and height of the images; pixels outside do not count.

    Raises:
        InputError: the two have other shapes, or not the same ``T > 0``.
    """
    boxes, regions = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if boxes.shape != (len(regions), 4) or regions.ndim != 2 or regions.shape[1] not in (4, 8) or not len(regions):
        raise InputError(f"got boxes {boxes.shape} for regions {regions.shape}; wanted (T, 4) for (T, 8) or (T, 4)")
    known: np.ndarray = np.asarray(bx.annotated(bx.upright_boxes(regions)))
    predicted: np.ndarray = np.all(np.isfinite(boxes), axis=1)
    overlaps = np.full(len(boxes), -1.0)
    for frame in np.flatnonzero(known):
        overlaps[frame] = overlap(boxes[frame], regions[frame], size) if predicted[frame] else 0.0
    counted = known & predicted
    counted[:BURN_IN] = False
    return FrameMeasures(boxes, overlaps, counted)


def overlap(a: np.ndarray, b: np.ndarray, size: Size | None = None) -> float:
    """Share of pixels that two regions have in common, in [0, 1], counted as the toolkit counts them.

    Args:
        a: a pixel box ``(4,)``, or the corners of a convex polygon ``(8,)``, counted from 1.
        b: the same.
        size: width and height of the image.

    Example:
        A square that stands on a corner has 13 pixels, and 12 of the 20 pixels of this box::

            >>> overlap(np.array([3, 1, 1, 3, 3, 5, 5, 3]), np.array([1, 1, 5, 4]))
            0.571...
    """
    first, second = _round(a), _round(b)
    corners = np.array([_corners(first), _corners(second)])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    if (low >= high).any():
        return 1.0  # the toolkit takes two regions of one row or column for equal
    if size is not None:
        low, high = np.maximum(low, 0), np.minimum(high, np.array(size) - 1)
    if (low >= high).any():
        return 0.0
    (starts, ends), (other_starts, other_ends) = _spans(first, low, high), _spans(second, low, high)
    areas = _count(starts, ends) + _count(other_starts, other_ends)
    common = _count(np.maximum(starts, other_starts), np.minimum(ends, other_ends))
    return common / (areas - common) if areas else 0.0


def _round(region: np.ndarray) -> np.ndarray:
    """A box as ``(4,)`` or a polygon as ``(4, 2)`` in whole pixels counted from 0; the toolkit rounds float32."""
    if len(region) == 4:
        return np.round((region - [1, 1, 0, 0]).astype(np.float32)).astype(np.float64)
    return np.round((region - 1).astype(np.float32)).astype(np.float64).reshape(-1, 2)


def _corners(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last pixel ``x, y`` of a region."""
    if region.ndim == 1:
        return region[:2], region[:2] + region[2:] - 1
    return region.min(axis=0), region.max(axis=0)


def _spans(region: np.ndarray, low: np.ndarray, high: np.ndarray) -> _Spans:
    """The pixels of a region in each row from ``low`` to ``high``, cut there; counted from ``low``."""
    width, rows = high[0] - low[0] + 1, np.arange(high[1] - low[1] + 1)
    if region.ndim == 1:
        (left, top), (right, bottom) = region[:2] - low, region[:2] + region[2:] - 1 - low
        inside = (rows >= top) & (rows <= bottom)
        starts, ends = np.where(inside, left, width), np.where(inside, right, -1)
    else:
        crossings = _cross_edges(region - low, rows)
        # The corners of each edge are pixels of the region; between the outermost crossings all pixels are.
        starts, ends = np.nanmin(crossings, axis=1, initial=width), np.nanmax(crossings, axis=1, initial=-1)
    outside = (starts >= width) | (ends < 0)
    return np.where(outside, 1, starts.clip(0)), np.where(outside, 0, ends.clip(None, width - 1))


def _cross_edges(polygon: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where each edge crosses each row, a whole pixel: ``(rows, edges)``, NaN where it does not."""
    before = np.roll(polygon, 1, axis=0)
    (x, y), (other_x, other_y) = polygon.T, before.T
    rise = np.where(other_y == y, 1, other_y - y)  # a level edge counts with its own corner
    crossings = np.trunc(x + (rows[:, None] - y) / rise * (other_x - x))
    crosses = (np.minimum(y, other_y) <= rows[:, None]) & (rows[:, None] <= np.maximum(y, other_y))
    return np.where(crosses, crossings, np.nan)


def _count(starts: np.ndarray, ends: np.ndarray) -> int:
    return int((ends - starts + 1).clip(0).sum())
