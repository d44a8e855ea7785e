import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.sequence_score import PARTS, score_boxes

TRUTH = np.tile([11.0, 11, 10, 10], (4, 1))


def shifted(*dx: float) -> np.ndarray:
    """True boxes moved to the right, one shift per frame."""
    return TRUTH[: len(dx)] + np.array(dx)[:, None] * [1, 0, 0, 0]


def whole(run: np.ndarray, truth: np.ndarray) -> Score:
    """The score of all frames."""
    return score_boxes(run, truth).parts["whole"]


def test_a_perfect_tracker_scores_20_of_21():
    score = whole(TRUTH, TRUTH)
    assert score.auc == pytest.approx(20 / 21)
    assert (score.precision20, score.mean_iou, score.frames) == (1, 1, 4)


def test_rounding_does_not_lift_a_perfect_overlap_above_1():
    truth = np.array([[1.0, 1, 1, 0.01]])
    assert metrics.overlaps(truth, truth) == 1
    assert whole(truth, truth).auc == pytest.approx(20 / 21)


def test_the_first_frame_counts_as_a_hit():
    run = shifted(1000, 1000, 1000, 1000)
    score = whole(run, TRUTH)
    assert (score.precision20, score.mean_iou) == (0.25, 0.25)
    assert score.auc == pytest.approx(20 / 21 / 4)


def test_errors_of_exactly_20_pixels_or_a_fifth_of_the_box_are_hits():
    truth = np.tile([11.0, 11, 100, 50], (4, 1))
    score = whole(truth + np.array([[0.0, 0, 0, 0], [20, 0, 0, 0], [-20, 0, 0, 0], [20.5, 0, 0, 0]]), truth)
    assert (score.precision20, score.norm_precision20) == (0.75, 0.75)
    diagonal = whole(truth + np.array([[0.0, 0, 0, 0], [12, 16, 0, 0], [0, 10, 0, 0], [0, 10.5, 0, 0]]), truth)
    assert (diagonal.precision20, diagonal.norm_precision20) == (1, 0.5)


def test_an_invalid_annotation_is_a_miss_in_success_and_a_hit_in_precision():
    for column, value in [(0, 0), (1, -3), (2, 0), (3, -1)]:
        truth = TRUTH.copy()
        truth[2, column] = value
        run = TRUTH.copy()
        assert metrics.overlaps(run, truth)[2] == -1
        assert metrics.centre_errors(run, truth)[2] == -1
        score = whole(run, truth)
        assert score.auc == pytest.approx(20 / 21 * 3 / 4)
        assert (score.precision20, score.mean_iou, score.frames) == (1, 0.75, 4)
        assert metrics.precision_curve(metrics.centre_errors(run, truth))[0] == 1


def test_normalised_precision_divides_the_error_by_the_true_width_and_height():
    truth = np.tile([11.0, 11, 10, 40], (5, 1))
    run = truth + np.array([[0, 0], [2, 0], [2.001, 0], [0, 8], [1.2, 6.4]])[:, [0, 1, 0, 1]] * [1, 1, 0, 0]
    assert_allclose(metrics.norm_centre_errors(run, truth), [0, 0.2, 0.2001, 0.2, 0.2])  # the last: 0.12 and 0.16
    assert whole(run[:4], truth[:4]).norm_precision20 == 0.75
    assert whole(run[:4], truth[:4]).precision20 == 1


def test_an_invalid_annotation_is_a_hit_in_normalised_precision():
    truth, run = TRUTH.copy(), shifted(0, 1, 50, 50)
    truth[2] = 0
    assert_array_equal(metrics.norm_centre_errors(run, truth), [0, 0.1, -1, 5])
    assert whole(run, truth).norm_precision20 == 0.75


def test_numbers_beyond_any_image_are_misses_without_overflow():
    run = shifted(0, 0, 0, 0)
    run[1:] = [[1e308, 1, 1e308, 1e308], [-1e308, 1, 1e308, 1], [1, 1, 1e300, 1e300]]
    score = whole(run, TRUTH)
    assert score.auc == pytest.approx((20 + 1) / 21 / 4)  # the last box covers the target: slightly above 0
    assert (score.precision20, score.norm_precision20, score.mean_iou) == (0.25, 0.25, pytest.approx(0.25))


def test_scores_are_split_into_seen_and_unseen_frames():
    run = shifted(0, 0, 5, 1000)
    run[1] = np.nan
    parts = score_boxes(run, TRUTH, seen=2).parts
    assert {part: score.frames for part, score in parts.items()} == {"whole": 4, "seen": 2, "unseen": 2}
    assert parts["seen"].mean_iou == 1
    assert parts["unseen"].mean_iou == pytest.approx(1 / 6)
    assert parts["whole"].mean_iou == pytest.approx(7 / 12)


def test_a_broken_first_row_of_a_part_repeats_the_row_before_it():
    run = shifted(0, 5, 5, 5)
    run[2] = np.nan  # the part's first row: repeats the row before it
    assert score_boxes(run, TRUTH, seen=2).parts["unseen"].mean_iou == pytest.approx(1 / 3)


def test_without_seen_frames_the_unseen_part_equals_the_whole():
    parts = score_boxes(shifted(0, 1, 2, 3), TRUTH, seen=0).parts
    assert parts["seen"] is None
    assert parts["unseen"] == parts["whole"]


@pytest.mark.parametrize("seen", [-1, 4, 9])
def test_a_split_without_unseen_frames_is_refused(seen):
    with pytest.raises(InputError, match="no frames"):
        score_boxes(shifted(0, 5, 0, 5), TRUTH, seen)


@pytest.mark.parametrize("run", [TRUTH[:3], TRUTH[0], np.zeros((4, 5)), np.zeros((0, 4))])
def test_boxes_of_another_shape_are_refused(run):
    with pytest.raises(InputError, match="one row per frame"):
        score_boxes(run, TRUTH)


def test_the_curves_of_each_part_give_its_scores():
    truth = np.tile(TRUTH, (2, 1))
    run = truth + np.array([0, 30, 2, 21, 5, 1, 9, 3.0])[:, None] * [1, 0, 0, 0]
    score = score_boxes(run, truth, seen=3)
    for part in PARTS:
        assert score.success_curve(part).mean() == score.parts[part].auc
        assert score.precision_curve(part)[20] == score.parts[part].precision20
    assert (score.precision_curve("seen")[[0, 20]] == [1 / 3, 2 / 3]).all()


numbers = st.one_of(st.integers(-50, 50), st.integers(-(10**5), 10**5).map(lambda cents: cents / 100), st.just(np.nan))
runs = st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=6)


@given(runs, runs)
def test_any_run_gets_a_score_in_range(run, truth):
    length = min(len(run), len(truth))
    run, truth = np.array(run[:length]), np.nan_to_num(np.array(truth[:length]))
    score = whole(run, truth)
    assert 0 <= score.auc <= 20 / 21 + 1e-12
    assert 0 <= score.precision20 <= 1
    assert 0 <= score.norm_precision20 <= 1
    assert 0 <= score.mean_iou <= 1
