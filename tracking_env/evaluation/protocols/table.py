"""The table of protocols, and which of them a data set has."""

from collections.abc import Mapping

import numpy as np

from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.protocols import drlt_paper, vot, vot_polygons
from tracking_env.evaluation.protocols.frame_rules import (
    measure_got10k,
    measure_lasot,
    measure_otb,
    measure_trackingnet,
)
from tracking_env.evaluation.protocols.protocol import Formula, FrameMeasures, Protocol

_SPLIT = "seen = the frames open to training, unseen = the rest"
_OTB_CURVES = (
    "success at 21 overlaps k/20 (>), precision at 20 px (<=), first frame counted, unweighted mean over sequences"
)
_NORM_THRESHOLDS: np.ndarray = np.arange(51) / 100  # LaSOT's, of the true box's sides
_FINE_THRESHOLDS: np.ndarray = np.linspace(0, 1, 101)  # GOT-10k's
# TrackingNet's 21 overlaps, pixels and shares of the true box's sides.
_STEPS, _PIXELS, _SHARES = (np.linspace(0, highest, 21) for highest in (1, 50, 0.5))


def _auc(frames: FrameMeasures) -> float:
    return metrics.auc(frames.overlaps)


def _rate(errors: np.ndarray | None, threshold: float) -> float:
    assert errors is not None  # the rows below ask only for what their rules measure
    return float((errors <= threshold).mean())


def _precision20(frames: FrameMeasures) -> float:
    return _rate(frames.centre_errors, metrics.PRECISION_THRESHOLD)


def _norm_precision20(frames: FrameMeasures) -> float:
    return _rate(frames.norm_centre_errors, metrics.NORM_PRECISION_THRESHOLD)


def _norm_precision_auc(frames: FrameMeasures) -> float:
    return float(np.mean([_rate(frames.norm_centre_errors, threshold) for threshold in _NORM_THRESHOLDS]))


def _mean_iou(frames: FrameMeasures) -> float:
    # An overlap of -1, for no valid true box, misses every threshold; in the mean it counts as 0.
    return float(frames.overlaps.clip(0, None).mean())


def _success50(frames: FrameMeasures) -> float:
    return float((frames.overlaps > 0.5).mean())


def _success75(frames: FrameMeasures) -> float:
    return float((frames.overlaps > 0.75).mean())


def _area(rates: np.ndarray | list[float]) -> float:
    """The area under a curve of TrackingNet's by trapezoids, its x axis scaled to [0, 1]."""
    return float(np.trapezoid(rates, _STEPS))


def _success_area(frames: FrameMeasures) -> float:
    return _area(metrics.success_curve(frames.overlaps, _STEPS))


def _precision_area(frames: FrameMeasures) -> float:
    return _area([_rate(frames.centre_errors, threshold) for threshold in _PIXELS])


def _norm_precision_area(frames: FrameMeasures) -> float:
    return _area([_rate(frames.norm_centre_errors, threshold) for threshold in _SHARES])


_PRECISION: Mapping[str, Formula] = {"auc": _auc, "precision20": _precision20}


_ROWS = (
    Protocol(
        name="otb",
        title="OTB one-pass evaluation",
        reference="Wu, Lim, Yang, TPAMI 2015",
        rules=(
            "OTB one-pass evaluation: success at 21 overlaps k/20 (>), precision at 20 px (<=), normalised precision "
            "at 0.20 of the true box (<=), first frame counted, unweighted mean over sequences; " + _SPLIT
        ),
        layouts=("otb", "synthetic", "video"),
        measure=measure_otb,
        scores={
            "auc": _auc,
            "precision20": _precision20,
            "norm_precision20": _norm_precision20,
            "mean_iou": _mean_iou,
        },
        splits=True,
    ),
    Protocol(
        name="got10k",
        title="GOT-10k",
        reference="Huang, Zhao, Huang, TPAMI 2021; github.com/got-10k/toolkit",
        rules=(
            "GOT-10k: AO = mean overlap, SR.50 and SR.75 = rates of overlaps above 0.50 and 0.75, boxes cut at the "
            "image's edges; neither first frames nor invisible targets count; mean over the frames of all sequences; "
            + _SPLIT
        ),
        layouts=("got10k",),
        measure=measure_got10k,
        scores={"mean_iou": _mean_iou, "success50": _success50, "success75": _success75},
        labels={"mean_iou": "AO"},
        weights="counted",
        needs_size=True,
        success_thresholds=_FINE_THRESHOLDS,
    ),
    Protocol(
        name="lasot",
        title="LaSOT",
        reference="Fan et al., CVPR 2019 and IJCV 2021; github.com/HengLan/LaSOT_Evaluation_Toolkit",
        rules=(
            "LaSOT: success at 21 overlaps k/20 (>), precision at 20 px (<=), normalised precision at 0.20 of the true "
            "box (<=) and as the mean of 51 rates from 0 to 0.5; first frame counted, absent targets are misses; "
            "unweighted mean over sequences; " + _SPLIT
        ),
        layouts=("lasot", "lasot-ext"),
        measure=measure_lasot,
        scores={
            "auc": _auc,
            "precision20": _precision20,
            "norm_precision20": _norm_precision20,
            "norm_precision_auc": _norm_precision_auc,
        },
    ),
    Protocol(
        name="trackingnet",
        title="TrackingNet",
        reference="Müller et al., ECCV 2018; github.com/SilvioGiancola/TrackingNet-devkit",
        rules=(
            "TrackingNet: areas under the curves of success (21 overlaps k/20, >), precision (21 errors from 0 to "
            "50 px, <=) and normalised precision (21 errors from 0 to 0.5 of the true box, <=) by trapezoids, boxes "
            "rounded to pixels, first frame counted, unweighted mean over sequences; " + _SPLIT
        ),
        layouts=("trackingnet",),
        measure=measure_trackingnet,
        precision_thresholds=_PIXELS,
        scores={
            "auc": _success_area,
            "precision_auc": _precision_area,
            "norm_precision_auc": _norm_precision_area,
        },
    ),
    Protocol(
        name="uav123",
        title="UAV123",
        reference="Mueller, Smith, Ghanem, ECCV 2016; by OTB's toolkit",
        rules=f"UAV123: {_OTB_CURVES}; {_SPLIT}",
        layouts=("uav123",),
        measure=measure_otb,
        scores=_PRECISION,
    ),
    Protocol(
        name="nfs",
        title="NfS",
        reference="Kiani Galoogahi et al., ICCV 2017; by OTB's toolkit",
        rules=f"NfS: {_OTB_CURVES}, SR.50 = rate of overlaps above 0.50; {_SPLIT}",
        layouts=("nfs", "nfs240"),
        measure=measure_otb,
        scores={**_PRECISION, "success50": _success50},
    ),
    Protocol(
        name="tcolor128",
        title="Temple-Color-128",
        reference="Liang, Blasch, Ling, TIP 2015; by OTB's toolkit",
        rules=f"Temple-Color-128: {_OTB_CURVES}; {_SPLIT}",
        layouts=("tcolor128",),
        measure=measure_otb,
        scores=_PRECISION,
    ),
    Protocol(
        name="vot",
        title="VOT multi-start",
        reference="Kristan et al., VOT-STb2022; votchallenge/toolkit 0.7.1",
        rules=(
            "VOT-STb2022: runs from each anchor to the end or back to the beginning; A = mean overlap before failures, "
            "R = share of frames before failures (10 frames in a row with an overlap of 0.1 or less), EAO = mean "
            "overlap over the first 115 to 754 frames; overlaps of whole pixels in the image; first frame counted with "
            "overlap 0"
        ),
        layouts=("vot",),
        measure=vot.measure,
        scores={
            "eao": lambda frames: vot.eao(vot.eao_curve([frames])[0]),
            "accuracy": vot.accuracy,
            "robustness": vot.robustness,
        },
        multi_start=True,
        needs_size=True,
    ),
    Protocol(
        name="vot-unsupervised",
        title="VOT without restarts",
        reference="Kristan et al., VOT2015 to VOT2019; votchallenge/toolkit 0.7.1",
        rules=(
            "VOT's unsupervised experiment: AO = mean overlap of one run, of whole pixels in the image, with the true "
            "polygons; neither the first 10 frames count nor those without a true or predicted region; mean over "
            "sequences weighted by their numbers of frames"
        ),
        layouts=("vot",),
        measure=vot_polygons.measure,
        scores={"mean_iou": _mean_iou},
        labels={"mean_iou": "AO"},
        weights="frames",
        needs_size=True,
        takes_polygons=True,
        success_thresholds=_FINE_THRESHOLDS,
    ),
    Protocol(
        name="drlt-paper",
        title="DRLT paper's Table 2",
        reference="Zhang et al. 2017, by ROLO's evaluation code; compare with that table only",
        rules=drlt_paper.RULES,
        layouts=(),
        measure=drlt_paper.measure,
        scores={"auc": lambda frames: drlt_paper.auc(frames.overlaps), "mean_iou": _mean_iou},
        splits=True,
    ),
)
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ROWS}
"""All protocols by name."""


def choose_protocol(name: str | None, dataset: str = "otb", anchored: bool = True) -> Protocol:
    """The protocol of a name, or without a name the data set's own.

    Args:
        name: one of `PROTOCOLS`, or None.
        dataset: the field of `datasets.Sequence`. One that no protocol names, such as your own, is scored by OTB's.
        anchored: whether its sequences have anchors. Those of VOT before 2020 have none, and no multi-start protocol.

    Raises:
        InputError: the name is unknown.

    Example:
        >>> choose_protocol(None, "lasot").headline
        'auc'
    """
    if name is None:
        own = [each for each in _ROWS if dataset in each.layouts and (anchored or not each.multi_start)]
        return own[0] if own else PROTOCOLS["otb"]
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol {name!r}; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
