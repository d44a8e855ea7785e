"""What changed between two trackers."""

import numpy as np
import pytest

from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import Score
from tracking_env.report.comparison import bootstrap_interval, compare


def scores(**values):
    return {name: {"whole": None if value is None else Score(auc=value, frames=9)} for name, value in values.items()}


def test_only_sequences_of_both_are_compared():
    change = compare(scores(a=0.5, b=0.4, c=0.1, d=None), scores(b=0.7, a=0.45, d=0.3, e=0.9))
    assert change.before == {"a": 0.5, "b": 0.4} and change.after == {"a": 0.45, "b": 0.7}
    assert list(change.differences) == ["a", "b"], "the largest loss comes first"
    assert change.mean == pytest.approx((0.3 - 0.05) / 2)
    assert change.counts == (1, 0, 1)


def test_a_change_that_three_decimals_barely_show_counts_as_equal():
    assert compare(scores(a=0.5, b=0.5, c=0.5), scores(a=0.504, b=0.506, c=0.494)).counts == (1, 1, 1)


def test_no_common_sequence_is_an_input_error():
    with pytest.raises(InputError, match="no scored sequence in common"):
        compare(scores(a=0.5), scores(b=0.5))


def test_the_interval_of_equal_differences_is_a_point():
    assert bootstrap_interval(np.full(7, 0.25)) == (0.25, 0.25)


def test_the_interval_is_that_of_normal_theory_for_many_sequences():
    """The standard error of a mean of 400 numbers of deviation 1 is 0.05; 95 % lie within 1.96 of it."""
    differences = np.random.default_rng(1).normal(size=400)
    differences = 0.1 + (differences - differences.mean()) / differences.std()
    low, high = bootstrap_interval(differences)
    assert (low, high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098), abs=0.006)
    assert bootstrap_interval(differences) == (low, high), "the same differences give the same interval"


def test_the_interval_of_two_sequences_holds_all_that_can_be_drawn():
    """Of two sequences the pairs drawn are (a, a), (a, b), (b, a), (b, b): a quarter of the means lie at each end."""
    assert bootstrap_interval(np.array([-1.0, 3.0])) == (-1.0, 3.0)
