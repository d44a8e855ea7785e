import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tracking_env.evaluation import metrics

TRUTH = np.tile([11.0, 11, 10, 10], (4, 1))


def shifted(*dx: float) -> np.ndarray:
    """True boxes moved to the right, one shift per frame."""
    return TRUTH[: len(dx)] + np.array(dx)[:, None] * [1, 0, 0, 0]


def test_success_is_strict():
    curve = metrics.success_curve(np.array([0.0, 0.25, 0.5, 1.0]))
    assert_array_equal(curve[[0, 4, 5, 9, 10, 19, 20]], [0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0])


@pytest.mark.parametrize("k", range(21))
def test_overlaps_of_whole_pixel_boxes_equal_thresholds_exactly(k):
    truth, prediction = np.array([[1.0, 1, 20, 7]]), np.array([[1.0, 1, k, 7]])
    curve = metrics.success_curve(metrics.overlaps(prediction, truth))
    assert_array_equal(curve, np.arange(21) < k)


def test_precision_includes_the_threshold():
    curve = metrics.precision_curve(np.array([0, 20, 20.001, 50]))
    assert_array_equal(curve[[0, 19, 20, 21, 49, 50]], [0.25, 0.25, 0.5, 0.75, 0.75, 1])


@pytest.mark.parametrize("broken", [[np.nan] * 4, [1, np.nan, 5, 5], [1, 1, 0, 5], [1, 1, 5, -1], [np.inf, 1, 5, 5]])
def test_a_broken_row_is_replaced_by_the_previous_box(broken):
    run = shifted(0, 2, 3, 4)
    run[2] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 2, 2, 4))
    run[1] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 0, 0, 4))
    run[0] = broken
    assert_array_equal(metrics.sanitise(run, TRUTH), shifted(0, 0, 0, 4))


def test_sanitise_does_not_change_its_input():
    run = np.full((4, 4), np.nan)
    metrics.sanitise(run, TRUTH)
    assert np.isnan(run).all()


def test_the_mean_weighs_sequences_equally():
    mean = metrics.mean_score([metrics.Score(0.2, 0, 1, 1, 1), metrics.Score(0.4, 1, 0.5, 0, 9)])
    assert mean == metrics.Score(pytest.approx(0.3), 0.5, 0.75, 0.5, 10)
    assert metrics.mean_score([]) is None


def test_the_mean_by_frames_equals_the_score_of_all_frames_joined():
    first, second = metrics.Score(0.2, 0, 1, 1, 1), metrics.Score(0.4, 1, 0.5, 0, 3)
    assert metrics.mean_score([first, second], by_frames=True) == metrics.Score(
        pytest.approx(0.35), 0.75, 0.625, 0.25, 4
    )


def test_the_standard_deviation_is_that_of_a_sample():
    first, second = metrics.Score(0.2, 0, None, 1, 5), metrics.Score(0.4, 1, None, 1, 5)
    std = metrics.std_score([first, second])
    assert (std.auc, std.precision20) == (pytest.approx(0.02**0.5), pytest.approx(0.5**0.5))
    assert (std.norm_precision20, std.mean_iou) == (None, 0)
    assert metrics.std_score([first]) is None


def test_success_curves_fall_and_precision_curves_rise():
    values = np.random.default_rng(0).uniform(0, 1, 100)
    assert (np.diff(metrics.success_curve(values)) <= 0).all()
    assert (np.diff(metrics.precision_curve(values * 60)) >= 0).all()
    assert_allclose(metrics.auc(values), metrics.success_curve(values).mean())
