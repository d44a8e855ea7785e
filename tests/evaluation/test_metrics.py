import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tracking_env.errors import InputError
from tracking_env.evaluation import metrics

TRUTH = np.tile([11.0, 11, 10, 10], (4, 1))


def shifted(*dx: float) -> np.ndarray:
    """True boxes moved to the right, one shift a frame."""
    return TRUTH[: len(dx)] + np.array(dx)[:, None] * [1, 0, 0, 0]


def test_a_perfect_tracker_scores_20_of_21():
    score = metrics.score(TRUTH, TRUTH)
    assert score.auc == pytest.approx(20 / 21)
    assert (score.precision20, score.mean_iou, score.frames) == (1, 1, 4)


def test_rounding_does_not_lift_a_perfect_overlap_above_1():
    truth = np.array([[1.0, 1, 1, 0.01]])
    assert metrics.overlaps(truth, truth) == 1
    assert metrics.score(truth, truth).auc == pytest.approx(20 / 21)


def test_success_is_strict():
    curve = metrics.success_curve(np.array([0.0, 0.25, 0.5, 1.0]))
    assert_array_equal(curve[[0, 4, 5, 9, 10, 19, 20]], [0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0])


@pytest.mark.parametrize("k", range(21))
def test_whole_pixel_boxes_tie_exactly(k):
    truth, prediction = np.array([[1.0, 1, 20, 7]]), np.array([[1.0, 1, k, 7]])
    curve = metrics.success_curve(metrics.overlaps(prediction, truth))
    assert_array_equal(curve, np.arange(21) < k)


def test_precision_includes_the_threshold():
    curve = metrics.precision_curve(np.array([0, 20, 20.001, 50]))
    assert_array_equal(curve[[0, 19, 20, 21, 49, 50]], [0.25, 0.25, 0.5, 0.75, 0.75, 1])


def test_the_first_frame_is_given_and_counted():
    run = shifted(1000, 1000, 1000, 1000)
    score = metrics.score(run, TRUTH)
    assert (score.precision20, score.mean_iou) == (0.25, 0.25)
    assert score.auc == pytest.approx(20 / 21 / 4)


def test_an_invalid_true_row_is_a_miss_in_success_and_a_hit_in_precision():
    for column, value in [(0, 0), (1, -3), (2, 0), (3, -1)]:
        truth = TRUTH.copy()
        truth[2, column] = value
        run = TRUTH.copy()
        assert metrics.overlaps(run, truth)[2] == -1
        assert metrics.centre_errors(run, truth)[2] == -1
        score = metrics.score(run, truth)
        assert score.auc == pytest.approx(20 / 21 * 3 / 4)
        assert (score.precision20, score.mean_iou, score.frames) == (1, 0.75, 4)
        assert metrics.precision_curve(metrics.centre_errors(run, truth))[0] == 1


@pytest.mark.parametrize("broken", [[np.nan] * 4, [1, np.nan, 5, 5], [1, 1, 0, 5], [1, 1, 5, -1], [np.inf, 1, 5, 5]])
def test_a_broken_row_repeats_the_one_before(broken):
    run = shifted(0, 2, 3, 4)
    run[2] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 2, 2, 4))
    run[1] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 0, 0, 4))
    run[0] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 0, 0, 4))


def test_normalised_precision_measures_x_in_true_widths_and_y_in_true_heights():
    truth = np.tile([11.0, 11, 10, 40], (5, 1))
    run = truth + np.array([[0, 0], [2, 0], [2.001, 0], [0, 8], [1.2, 6.4]])[:, [0, 1, 0, 1]] * [1, 1, 0, 0]
    assert_allclose(metrics.norm_centre_errors(run, truth), [0, 0.2, 0.2001, 0.2, 0.2])  # the last: 0.12 and 0.16
    curve = metrics.norm_precision_curve(np.array([0, 0.2, 0.2001, 0.5, 0.51]))
    assert_array_equal(curve[[0, 19, 20, 21, 49, 50]], [0.2, 0.2, 0.4, 0.6, 0.6, 0.8])
    assert metrics.score(run[:4], truth[:4]).norm_precision20 == 0.75
    assert metrics.score(run[:4], truth[:4]).precision20 == 1


def test_normalised_precision_of_an_invalid_true_row_is_a_hit_too():
    truth, run = TRUTH.copy(), shifted(0, 1, 50, 50)
    truth[2] = 0
    assert_array_equal(metrics.norm_centre_errors(run, truth), [0, 0.1, -1, 5])
    assert metrics.score(run, truth).norm_precision20 == 0.75


def test_numbers_beyond_any_image_are_misses_without_overflow():
    run = shifted(0, 0, 0, 0)
    run[1:] = [[1e308, 1, 1e308, 1e308], [-1e308, 1, 1e308, 1], [1, 1, 1e300, 1e300]]
    score = metrics.score(run, TRUTH)
    assert score.auc == pytest.approx((20 + 1) / 21 / 4)  # the last box covers the target: above 0, by a hair
    assert (score.precision20, score.norm_precision20, score.mean_iou) == (0.25, 0.25, pytest.approx(0.25))


def test_sanitise_leaves_its_input_alone():
    run = np.full((4, 4), np.nan)
    metrics.sanitise(run, TRUTH)
    assert np.isnan(run).all()


def test_parts():
    run = shifted(0, 0, 5, 1000)
    run[1] = np.nan
    parts = metrics.part_scores(run, TRUTH, seen=2)
    assert {part: one.frames for part, one in parts.items()} == {"whole": 4, "seen": 2, "unseen": 2}
    assert parts["seen"].mean_iou == 1
    assert parts["unseen"].mean_iou == pytest.approx(1 / 6)
    assert parts["whole"].mean_iou == pytest.approx(7 / 12)


def test_a_part_does_not_start_from_the_truth():
    run = shifted(0, 5, 5, 5)
    run[2] = np.nan  # the part's first row: repeats the row before it
    assert metrics.part_scores(run, TRUTH, seen=2)["unseen"].mean_iou == pytest.approx(1 / 3)


def test_nothing_seen():
    parts = metrics.part_scores(shifted(0, 1, 2, 3), TRUTH, seen=0)
    assert parts["seen"] is None
    assert parts["unseen"] == parts["whole"]


def test_score_of_some_frames():
    run = shifted(0, 5, 0, 5)
    assert metrics.score(run, TRUTH, slice(2, None)) == metrics.score(run, TRUTH, range(2, 4))
    assert metrics.score(run, TRUTH, slice(1, 2)).mean_iou == pytest.approx(1 / 3)
    for none in (slice(2, 2), range(0), range(4, 4)):
        with pytest.raises(InputError, match="no frames"):
            metrics.score(run, TRUTH, none)


@pytest.mark.parametrize("run", [TRUTH[:3], TRUTH[0], np.zeros((4, 5)), np.zeros((0, 4))])
def test_shapes_must_fit(run):
    with pytest.raises(InputError, match="one row per frame"):
        metrics.score(run, TRUTH)


def test_mean_does_not_weigh_by_length():
    mean = metrics.mean_score([metrics.Score(0.2, 0, 1, 1, 1), metrics.Score(0.4, 1, 0.5, 0, 9)])
    assert mean == metrics.Score(pytest.approx(0.3), 0.5, 0.75, 0.5, 10)
    assert metrics.mean_score([]) is None


def test_mean_by_frames_is_the_score_of_all_frames_together():
    one, two = metrics.Score(0.2, 0, 1, 1, 1), metrics.Score(0.4, 1, 0.5, 0, 3)
    assert metrics.mean_score([one, two], by_frames=True) == metrics.Score(pytest.approx(0.35), 0.75, 0.625, 0.25, 4)


def test_standard_deviation_of_a_sample():
    one, two = metrics.Score(0.2, 0, None, 1, 5), metrics.Score(0.4, 1, None, 1, 5)
    std = metrics.std_score([one, two])
    assert (std.auc, std.precision20) == (pytest.approx(0.02**0.5), pytest.approx(0.5**0.5))
    assert (std.norm_precision20, std.mean_iou) == (None, 0)
    assert metrics.std_score([one]) is None


numbers = st.one_of(st.integers(-50, 50), st.integers(-(10**5), 10**5).map(lambda cents: cents / 100), st.just(np.nan))
runs = st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=6)


@given(runs, runs)
def test_any_run_gets_a_score_in_range(run, truth):
    length = min(len(run), len(truth))
    run, truth = np.array(run[:length]), np.nan_to_num(np.array(truth[:length]))
    score = metrics.score(run, truth)
    assert 0 <= score.auc <= 20 / 21 + 1e-12
    assert 0 <= score.precision20 <= 1
    assert 0 <= score.norm_precision20 <= 1
    assert 0 <= score.mean_iou <= 1


def test_curves_fall_and_rise():
    values = np.random.default_rng(0).uniform(0, 1, 100)
    assert (np.diff(metrics.success_curve(values)) <= 0).all()
    assert (np.diff(metrics.precision_curve(values * 60)) >= 0).all()
    assert (np.diff(metrics.norm_precision_curve(values)) >= 0).all()
    assert_allclose(metrics.auc(values), metrics.success_curve(values).mean())
