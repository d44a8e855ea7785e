"""The rule for candidates is a logistic regression."""

import numpy as np

from benchmarks import candidates
from tracking_env.datasets import synthetic
from tracking_env.search.experts import make_experts


def test_the_fit_finds_the_weights_that_drew_the_labels():
    rng = np.random.default_rng(0)
    inputs, weights = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 2))]), np.array([-1.0, 2.0, -0.5])
    labels = rng.random(20_000) < 1 / (1 + np.exp(-inputs @ weights))
    np.testing.assert_allclose(candidates.fit(inputs, labels.astype(float)), weights, atol=0.1)


def test_the_rules_constant_is_lowered_for_the_overlap_of_a_right_candidate():
    rng = np.random.default_rng(0)
    rows = [(score, distance, bool(rng.random() < 0.3 + 0.4 * score)) for score, distance in rng.random((500, 2))]
    scores, distances, correct = np.array(rows).T
    plain = candidates.fit(np.stack([np.ones(500), scores, distances], axis=1), correct)
    np.testing.assert_allclose(candidates.fit_rule(rows), plain - [candidates.LOWERED, 0, 0])
    assert np.round(np.log(0.4 / 0.6) - np.log(0.3 / 0.7), 2) == candidates.LOWERED, "0.75 of 0.4 is 0.3"


def test_candidates_are_labelled_by_their_overlap_with_the_true_box():
    rows = candidates.find(make_experts(["grey", "colour"]), synthetic.generate(3, 40, (160, 120)), 6)
    again = candidates.find(make_experts(["grey", "colour"]), synthetic.generate(3, 40, (160, 120)), 6)
    assert rows == again and all(distance >= 0 for _, distance, _ in rows)
    assert {type(correct) for _, _, correct in rows} <= {bool}
