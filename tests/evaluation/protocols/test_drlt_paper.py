import json
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tracking_env.datasets import otb
from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError
from tracking_env.evaluation.protocols import drlt_paper
from tracking_env.evaluation.sequence_score import score_boxes

score = partial(score_boxes, protocol="drlt-paper")


def test_corners_are_treated_as_centres():
    # As centre boxes, both reach from -5 to 5 in y; in x the first from -5 to 5, the second from 5 - 10 to 5 + 10.
    overlap = drlt_paper.overlaps(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 20, 10]]))
    assert_allclose(overlap, [100 / (100 + 200 - 100)])  # the IoU of these boxes is 50 / 250
    # Each ends where the other begins when read as a centre box, though as top-left boxes they share a quarter.
    assert drlt_paper.overlaps(np.array([[0.0, 0, 10, 10]]), np.array([[10.0, 0, 10, 10]])) == 0


def test_numbers_are_truncated_not_rounded():
    overlap = drlt_paper.overlaps(np.array([[1.9, -1.9, 10.9, 10.9]]), np.array([[1.0, -1, 10, 10]]))
    assert_allclose(overlap, [1])


@pytest.mark.parametrize("row", [[np.nan] * 4, [1, np.nan, 5, 5], [0, 0, 0.9, 5], [np.inf, 0, 5, 5], [0, 0, np.inf, 5]])
def test_rows_without_overlap_count_as_0(row):
    overlap = drlt_paper.overlaps(np.array([row]), np.array([[0.0, 0, 10, 10]]))
    assert overlap == 0


def test_auc_has_20_thresholds_just_above_the_twentieths():
    assert len(drlt_paper.THRESHOLDS) == 20
    assert drlt_paper.auc(np.array([1.0])) == 1
    assert drlt_paper.auc(np.array([0.5])) == 0.5  # 0, .05, ... .45: 10 of 20; .5001 is above
    assert drlt_paper.auc(np.array([0.5001])) == 0.55
    assert drlt_paper.auc(np.array([0.0, 1.0])) == 0.5


def test_rows_are_scored_without_repair():
    truth = np.tile([100.0, 100, 10, 10], (3, 1))
    run = truth.copy()
    run[0], run[2] = [0, 0, 1, 1], np.nan  # OTB's evaluation would repair both
    whole = score(run, truth).parts["whole"]
    assert (whole.mean_iou, whole.auc) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (whole.precision20, whole.norm_precision20, whole.frames) == (None, None, 3)
    parts = score(run, truth, seen=1).parts
    assert [parts[part].mean_iou for part in ("seen", "unseen")] == [0, 0.5]


def test_bad_input_is_refused():
    boxes = np.ones((3, 4))
    for run in (np.ones((2, 4)), np.ones(4), np.ones((3, 5))):
        with pytest.raises(InputError, match="one row per frame"):
            score(run, boxes)
    with pytest.raises(InputError, match="no frames"):
        score(boxes, boxes, seen=3)


@pytest.mark.otb
def test_scores_equal_the_formula_of_the_paper(reference):
    expected = json.loads((reference / "expected_struck_drlt30.json").read_text())
    assert set(expected) == set(otb.LISTS["drlt30"])
    scores = {}
    for name, official in expected.items():
        truth = otb.read_truth(reference / "annotations" / f"{name}.txt", name)
        run = otb.cut_to_official_range(name, read_boxes(reference / "struck_ope" / f"{name}.txt"))
        scores[name] = score(run, truth).parts["whole"]
        got = [scores[name].mean_iou, scores[name].auc]
        assert got == pytest.approx([official["rolo_iou"], official["rolo_auc"]], abs=1e-6), name
    # Equal to the column of the paper to three decimals, except for one sequence.
    agree = [abs(scores[name].mean_iou - official["paper"]) < 0.0006 for name, official in expected.items()]
    assert sum(agree) == 29
    assert np.mean([score.mean_iou for score in scores.values()]) == pytest.approx(0.4766, abs=5e-5)
    assert np.mean([score.auc for score in scores.values()]) == pytest.approx(0.4962, abs=5e-5)
