"""Scores by each benchmark's protocol: every value below is worked out by hand."""

import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tracking_env.commands import ScoringName
from tracking_env.datasets.layouts import LAYOUTS
from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import sanitise
from tracking_env.evaluation.protocols import PROTOCOLS, choose_protocol
from tracking_env.evaluation.protocols.protocol import LABELS
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import score_boxes
from tracking_env.report import text_tables

BOX = [10.0, 10, 20, 10]
TRUTH = np.array([BOX, BOX, BOX, [0, 0, 0, 0], BOX])
"""Five frames; the target is absent in the fourth."""
RUN = np.array([[90, 90, 1, 1], BOX, [15, 10, 20, 10], [50, 50, 8, 8], [50, 10, 20, 10]])
"""The first box is wrong, which does not matter. Then: exact; 5 pixels right (overlap 15/25); any box; 40 pixels right.

So the overlaps are 1, 1, 0.6, none, 0; the errors 0, 0, 5, none, 40 pixels, or 0, 0, 1/4, none, 2 widths.
"""
AUC = Fraction(20 + 20 + 12, 21 * 5)
"""An overlap of 1 is above 20 of the 21 thresholds, and 0.6 above 0, 1/20, ... 11/20, but not above 12/20."""


def whole(protocol, run=RUN, truth=TRUTH, size=None):
    """The scores of the protocol, by name."""
    score = score_boxes(run, truth, protocol=protocol, size=size).parts["whole"]
    return {name: getattr(score, name) for name in PROTOCOLS[protocol].scores}


def test_otb_counts_an_absent_target_as_a_hit_in_precision():
    expected = {
        "auc": AUC,
        "precision20": Fraction(4, 5),
        "norm_precision20": Fraction(3, 5),
        "mean_iou": Fraction(13, 25),
    }
    assert whole("otb") == pytest.approx({name: float(value) for name, value in expected.items()})


@pytest.mark.parametrize("protocol", ["uav123", "nfs", "tcolor128"])
def test_benchmarks_of_otbs_toolkit_follow_its_rules(protocol):
    expected = {"auc": float(AUC), "precision20": 0.8} | ({"success50": 0.6} if protocol == "nfs" else {})
    assert whole(protocol) == pytest.approx(expected)


def test_lasot_counts_an_absent_target_as_a_miss():
    # Of the 51 thresholds 0, 0.01, ... 0.50, an error of 0 reaches all and one of 0.25 reaches 26.
    norm_auc = Fraction(51 + 51 + 26, 51 * 5)
    expected = {
        "auc": AUC,
        "precision20": Fraction(3, 5),
        "norm_precision20": Fraction(2, 5),
        "norm_precision_auc": norm_auc,
    }
    assert whole("lasot") == pytest.approx({name: float(value) for name, value in expected.items()})


def test_lasot_follows_otb_for_a_box_that_begins_outside_the_image():
    """Its toolkit takes a true box with a coordinate of 0 or less as invalid: no overlap, but a hit in precision."""
    truth = np.array([BOX, [-3, 10, 20, 10]])
    assert whole("lasot", truth, truth) == pytest.approx(
        {"auc": 20 / 42, "precision20": 1, "norm_precision20": 1, "norm_precision_auc": 1}
    )


def test_trackingnet_rounds_boxes_and_measures_areas_by_trapezoids():
    present = [0, 1, 2, 4]
    run, truth = RUN[present], TRUTH[present]
    # Sums of 21 rates less half of the first and the last, divided by 20.
    success = (Fraction(20 + 20 + 12, 4) - Fraction(3, 4) / 2) / 20
    precision = (
        Fraction(21 + 21 + 19 + 5, 4) - (Fraction(2, 4) + 1) / 2
    ) / 20  # errors 0, 0, 5 and 40 at 0, 2.5, ... 50
    norm_precision = (
        Fraction(21 + 21 + 11, 4) - (Fraction(2, 4) + Fraction(3, 4)) / 2
    ) / 20  # errors 0, 0, 1/4 and 2 at 0, 1/40, ... 1/2
    expected = {"auc": success, "precision_auc": precision, "norm_precision_auc": norm_precision}
    expected = {name: float(value) for name, value in expected.items()}
    assert whole("trackingnet", run, truth) == pytest.approx(expected)
    assert whole("trackingnet", run + 0.4, truth - 0.4) == pytest.approx(expected)
    # Halves are rounded to even numbers: 10.5 to 10, and 11.5 to 12.
    halves = np.array([[10.5, 10, 20, 10], [11.5, 10, 20, 10]])
    assert_array_equal(score_boxes(halves, halves, protocol="trackingnet").boxes[:, 0], [10, 12])


def test_trackingnet_repairs_no_row():
    run = np.array([BOX, [math.nan] * 4, BOX, BOX])
    score = score_boxes(run, np.array([BOX, BOX, [0] * 4, BOX]), protocol="trackingnet")
    assert score.overlaps.tolist() == [1, -1, -1, 1]
    assert score.centre_errors.tolist() == score.norm_centre_errors.tolist() == [0, math.inf, math.inf, 0]


def test_got10k_leaves_out_the_first_frame_and_absent_targets():
    assert whole("got10k") == pytest.approx({"mean_iou": (1 + 0.6 + 0) / 3, "success50": 2 / 3, "success75": 1 / 3})
    parts = score_boxes(RUN, TRUTH, 1, "got10k").parts
    assert (parts["seen"], parts["unseen"].frames) == (None, 3)


def test_got10k_averages_over_the_frames_of_all_sequences():
    truths = {"long": TRUTH, "short": TRUTH[:2]}
    report = evaluate({"long": RUN, "short": RUN[:2]}, truths, protocol="got10k")
    mean = report.mean["whole"]
    assert (mean.mean_iou, mean.success50, mean.success75, mean.frames) == pytest.approx((2.6 / 4, 3 / 4, 2 / 4, 4))
    lasot = evaluate({"long": RUN, "short": RUN[:2]}, truths, protocol="lasot").mean["whole"]
    assert lasot.auc == pytest.approx((float(AUC) + 20 / 21) / 2)


def test_got10k_cuts_boxes_at_the_edges_of_the_image():
    truth = np.array([BOX, BOX, [0.0, 10, 20, 10]])
    run = np.array([BOX, [10, 10, 90, 10], [-5, 10, 20, 10]])
    # A box that begins left of the image moves into it and keeps its width, as in the toolkit.
    assert score_boxes(run, truth, protocol="got10k", size=(30, 20)).overlaps.tolist() == [1, 1, 1]
    assert score_boxes(run, truth, protocol="got10k").overlaps == pytest.approx([1, 20 / 90, 15 / 25])


def test_a_row_that_is_not_finite_overlaps_nothing_in_got10k():
    run = np.array([BOX, [math.nan] * 4, [10, 10, 0, 10]])
    assert score_boxes(run, np.array([BOX] * 3), protocol="got10k", size=(30, 20)).overlaps.tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_curves_of_each_protocol_belong_to_its_scores(name):
    # Five times, since some protocols leave out the first ten frames.
    run, truth = np.tile(RUN, (5, 1)), np.tile(TRUTH, (5, 1))
    protocol, score = PROTOCOLS[name], score_boxes(run, truth, protocol=name)
    curve = score.success_curve("whole")
    assert curve.shape == protocol.success_thresholds.shape
    if name == "trackingnet":
        assert np.trapezoid(curve, protocol.success_thresholds) == pytest.approx(score.parts["whole"].auc)
    elif name != "drlt-paper":
        assert curve.mean() == pytest.approx(score.parts["whole"].auc)
    if protocol.precision is None:
        with pytest.raises(ValueError, match="has no precision"):
            score.precision_curve("whole")
    else:
        at_20 = protocol.precision_thresholds.tolist().index(20)
        hits = (score.centre_errors <= 20).mean()
        assert score.precision_curve("whole")[at_20] == hits


@pytest.mark.parametrize("name", sorted(PROTOCOLS.keys() - {"vot"}))
def test_a_table_and_a_report_name_the_protocol_and_its_reference(name):
    protocol = PROTOCOLS[name]
    report = evaluate({"a": np.tile(RUN, (5, 1))}, {"a": np.tile(TRUTH, (5, 1))}, protocol=name)
    for table in (text_tables.format_trackers({"x": report}), text_tables.format_sequences(report, markdown=True)):
        assert table.splitlines()[0] == f"{protocol.title} ({protocol.reference})"
    data = report.to_json()
    assert data["protocol"].startswith(protocol.heading) and protocol.rules in data["protocol"]
    assert data["mean"]["whole"].keys() == PROTOCOLS["otb"].scores.keys() | protocol.scores.keys()


def test_a_benchmarks_table_has_its_scores_alone():
    report = evaluate({"a": RUN}, {"a": TRUTH}, protocol="got10k")
    _, head, row = text_tables.format_trackers({"still": report}).splitlines()
    assert head.split() == ["tracker", "AO", "SR.50", "SR.75"]
    assert row.split() == ["still", "0.533", "0.667", "0.333"]


def test_each_data_set_has_its_own_protocol():
    assert {layout: choose_protocol(None, layout).name for layout in ("otb", "got10k", "lasot", "uav123")} == {
        "otb": "otb",
        "got10k": "got10k",
        "lasot": "lasot",
        "uav123": "uav123",
    }
    assert [choose_protocol(None, "vot", anchored).name for anchored in (True, False)] == ["vot", "vot-unsupervised"]
    owners = [layout for each in PROTOCOLS.values() if each.name != "vot-unsupervised" for layout in each.layouts]
    assert len(owners) == len(set(owners))
    assert set(owners) == {*LAYOUTS, "otb", "synthetic"}
    assert choose_protocol(None, "clips").name == "otb"
    assert choose_protocol("otb", "lasot").name == "otb"
    with pytest.raises(InputError, match="unknown protocol 'lazot'; choose one of otb, got10k"):
        choose_protocol("lazot")


def test_the_flag_offers_every_protocol_and_every_score_has_a_title():
    assert get_args(ScoringName) == tuple(PROTOCOLS)
    assert LABELS.keys() == {name for protocol in PROTOCOLS.values() for name in protocol.scores}


def test_measuring_changes_neither_the_run_nor_the_truth():
    for name in PROTOCOLS:
        run, truth = RUN.copy(), TRUTH.copy()
        score_boxes(run, truth, protocol=name, size=(30, 20))
        assert_array_equal(run, RUN)
        assert_array_equal(truth, TRUTH)
    assert sanitise(RUN, TRUTH)[0].tolist() == BOX
