import numpy as np
import pytest

from tracking_env.evaluation.failures import count_failures, sum_failures


def test_failures_are_counted_as_by_hand():
    # tracked twice, lost twice, recovered, no true box, tracked, lost
    stats = count_failures(np.array([1, 0.5, 0, 0, 0.2, -1, 0.3, 0]))
    assert (stats.frames, stats.failures, stats.recovered, stats.lost, stats.before) == (7, 2, 1, 3, 2)
    assert stats.per_hundred == pytest.approx(200 / 7)
    assert stats.lost_share == pytest.approx(3 / 7)
    assert stats.frames_to_failure == 2


def test_a_run_without_failure_lasts_to_the_last_frame():
    stats = count_failures(np.array([1, 0.9, 0.1]))
    assert (stats.failures, stats.recovered, stats.lost, stats.frames_to_failure) == (0, 0, 0, 3)


def test_overlap_after_a_bad_start_is_no_recovery():
    stats = count_failures(np.array([0, 0, 0.5, 0, 0.5]))
    assert (stats.failures, stats.recovered) == (1, 1)


def test_failure_counts_of_several_runs_add_up():
    both = sum_failures([count_failures(np.array([1, 0, 1])), count_failures(np.array([1, 1]))])
    assert (both.frames, both.failures, both.recovered, both.lost, both.runs) == (5, 1, 1, 1, 2)
    assert both.frames_to_failure == 1.5
