"""How each benchmark's own toolkit measures frames: which frames count, and what a frame without a true box is worth.

Each function takes a run and true boxes, pixel boxes ``x, y, w, h`` ``(T, 4)``, and the images' size (None if unknown).
It returns `FrameMeasures`. All of them raise `InputError` if the two are not both ``(T, 4)`` with the same ``T > 0``.
"""

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.evaluation import metrics
from tracking_env.evaluation.protocols.protocol import FrameMeasures


def measure_otb(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """OTB's rules (``calcSeqErrRobust.m``), which UAV123, NfS and Temple-Color-128 took over with OTB's toolkit.

    All frames count, the first with the true box. A frame without a valid true box is a miss in success, a hit in
    precision.
    """
    truth = np.asarray(truth, dtype=np.float64)
    # All frames are sanitised together: a broken first row of the unseen part repeats a row of the seen one.
    boxes = metrics.sanitise(prediction, truth)
    return FrameMeasures(
        boxes=boxes,
        overlaps=metrics.overlaps(boxes, truth),
        counted=np.ones(len(truth), dtype=bool),
        centre_errors=metrics.centre_errors(boxes, truth),
        norm_centre_errors=metrics.norm_centre_errors(boxes, truth),
    )


def measure_lasot(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """LaSOT's rules (``calc_seq_err_robust.m`` and ``eval_tracker.m`` of HengLan/LaSOT_Evaluation_Toolkit).

    As OTB's, but a frame whose target is absent is a miss everywhere: the toolkit leaves it out of the hits, and
    divides by the number of all frames.
    """
    frames = measure_otb(prediction, truth, size)
    assert frames.centre_errors is not None and frames.norm_centre_errors is not None
    absent = ~bx.annotated(np.asarray(truth, dtype=np.float64))
    return frames._replace(
        centre_errors=np.where(absent, np.inf, frames.centre_errors),
        norm_centre_errors=np.where(absent, np.inf, frames.norm_centre_errors),
    )


def measure_trackingnet(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """TrackingNet's rules (``metrics.py`` of SilvioGiancola/TrackingNet-devkit).

    All boxes are rounded to whole pixels, halves to even numbers. All frames count, the first with the true box. No row
    of a result is repaired: one that is not finite is a miss. A frame without a true box is a miss everywhere.
    """
    prediction, truth = metrics.as_boxes(prediction, truth)
    boxes, truth = np.round(prediction), np.round(truth)
    boxes[0] = truth[0]
    missed = ~(np.isfinite(boxes).all(axis=1) & bx.annotated(truth))
    valid = np.where(missed[:, None], 1.0, boxes)
    sides = np.where(missed[:, None], 1.0, truth[:, 2:])
    offsets = (bx.centre(valid) - bx.centre(truth))[:, :2]
    return FrameMeasures(
        boxes=boxes,
        overlaps=np.where(missed, -1.0, bx.iou(valid, truth)),
        counted=np.ones(len(truth), dtype=bool),
        centre_errors=np.where(missed, np.inf, np.hypot(*offsets.T)),
        norm_centre_errors=np.where(missed, np.inf, np.hypot(*(offsets / sides).T)),
    )


def measure_got10k(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """GOT-10k's rules (``got10k/experiments/got10k.py`` and ``utils/metrics.py`` of got-10k/toolkit).

    Neither the first frame counts nor one whose target is invisible. Both boxes are cut at the image's edges, which
    needs the size. No row of a result is repaired: one that is not finite overlaps nothing.
    """
    boxes, truth = metrics.as_boxes(prediction, truth)
    known = bx.annotated(truth)
    overlaps = bx.iou(boxes, truth) if size is None else bx.iou(_cut(boxes, size), _cut(truth, size))
    counted = known.copy()
    counted[0] = False
    return FrameMeasures(boxes, np.where(known, np.nan_to_num(overlaps), -1.0), counted)


def _cut(boxes: np.ndarray, size: Size) -> np.ndarray:
    """Boxes cut as GOT-10k's toolkit cuts them: a box whose corner is left of the image moves into it uncut."""
    corner = boxes[:, :2].clip(0, size)
    return np.concatenate([corner, boxes[:, 2:].clip(0, size - corner)], axis=1)
