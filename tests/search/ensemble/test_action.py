import numpy as np

from tracking_env.search.ensemble.action import action_size, split_action


def test_zero_is_the_rule():
    for pausing in (False, True):
        decision = split_action(np.zeros((2, action_size(3, pausing))), 3, pausing)
        assert (decision.trust == 0).all() and (decision.residual == 0).all()
        assert not decision.reset.any() and not decision.scan.any() and decision.running.all()


def test_the_parts_come_in_their_order():
    action = np.array([[0.1, -0.2, 0.3, 0.4, 0.5, 0.6, 0.9, 0.1, 0.6, -0.9, 0.9]])
    decision = split_action(action, 2, True)
    assert decision.trust.tolist() == [[0.1, -0.2]] and decision.residual.tolist() == [[0.3, 0.4, 0.5, 0.6]]
    assert decision.reset.tolist() == [[True, False]] and decision.running.tolist() == [[False, True]]
    assert decision.scan.tolist() == [True]


def test_one_expert_always_runs():
    action = np.array([[0.1, 0.2, *[0.0] * 7, -1, -1]])
    assert split_action(action, 2, True).running.tolist() == [[False, True]]


def test_actions_are_clipped():
    assert split_action(np.full((1, 9), 7.0), 2, False).residual.tolist() == [[1, 1, 1, 1]]


def test_exactly_at_the_threshold_nothing_is_asked_for():
    action = np.array([[0.0] * 6 + [0.5, 0.5, 0.5, -0.5, -0.5]])
    decision = split_action(action, 2, True)
    assert not decision.reset.any() and not decision.scan.any() and decision.running.all()
