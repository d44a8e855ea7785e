"""What accepting a candidate is worth is measured by two episodes that differ in nothing else."""

import numpy as np
import pytest

from agents.arbiter import CANDIDATE_RULE, Arbiter
from benchmarks import branches
from benchmarks.branches import AFTER, Branch
from tracking_env.datasets import synthetic
from tracking_env.search.ensemble import Team
from tracking_env.search.ensemble.action import split_action
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.experts import make_experts
from train.samples.team_rollout import Start

EXPERTS = make_experts(["grey", "colour"])
VIDEO = synthetic.generate(3, 20, (160, 120))
RULE = np.array(CANDIDATE_RULE)
LOST = np.array([[20.0, 20, 30, 30], [20.0, 20, 30, 30]])


def accepts(rule, branch):
    return rule @ branch.inputs > 0


@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_the_agent_learns_to_accept_what_gains(gain):
    """The untrained rule rejects one candidate and accepts the other; both gain, or neither."""
    inputs = [np.array([1.0, score, 0.5, 0.0]) for score in (0.3, 0.6)]
    clips = [[Branch(each, np.full(AFTER, gain)) for each in inputs]]
    assert [accepts(RULE, branch) for branch in clips[0]] == [False, True]
    learned = branches.learn(RULE, clips, AFTER, np.random.default_rng(0))
    assert [accepts(learned, branch) for branch in clips[0]] == [gain > 0] * 2


def test_what_comes_after_the_horizon_does_not_count():
    """Accepting costs 0.1 in the first frame, and gains 0.5 in each later one."""
    gain = np.full(AFTER, 0.5)
    gain[0] = -0.1
    clips = [[Branch(np.array([1.0, 0.4, 0.5, 0.0]), gain)]]
    near, far = (branches.learn(RULE, clips, horizon, np.random.default_rng(0)) for horizon in (1, 40))
    assert not accepts(near, clips[0][0]) and accepts(far, clips[0][0])


def test_a_tuned_constant_gains_most_on_the_training_clips():
    gains = {0.2: -2.0, 0.3: 3.0, 0.6: 1.0}  # by score; the untrained rule accepts the last alone
    clips = [[Branch(np.array([1.0, score, 0.5, 0.0]), np.full(1, gain))] for score, gain in gains.items()]
    candidates = [clip[0] for clip in clips]
    untrained = branches.score_rule(candidates, RULE)
    assert untrained == {"accepted": pytest.approx(1 / 3), "gain": pytest.approx(1 / 3), "rule": RULE.tolist()}
    tuned = branches.tune(RULE, clips)
    score = branches.score_rule(candidates, tuned)
    assert (score["accepted"], score["gain"]) == (pytest.approx(2 / 3), pytest.approx(4 / 3))
    assert (tuned[1:] == RULE[1:]).all()


def test_a_branch_that_is_acted_on_alike_gains_nothing(monkeypatch):
    """Without a reset on the candidate both episodes are one."""
    candidate = Candidates(np.array([[60.0, 60, 20, 20]]), np.ones((1, 2)), np.zeros((1, 2), int))

    def scan(self, frames, targets):
        return Candidates(*(np.repeat(part, len(targets), axis=0) for part in candidate))

    monkeypatch.setattr(Team, "scan", scan)
    team, agent = Team(EXPERTS, 1 + branches.BRANCHES, likeness=False), Arbiter(44, 2).eval()
    gained = branches.explore(team, agent, Start(VIDEO, 0, 20, LOST))
    assert len(gained) == 5 and any(branch.gain.any() for branch in gained)  # from frames 1, 5, 9, 13 and 17
    act = Team.act
    monkeypatch.setattr(
        Team,
        "act",
        lambda self, targets, report, candidates, decision: act(
            self, targets, report, candidates, decision._replace(reset=np.zeros_like(decision.reset))
        ),
    )
    alike = branches.explore(team, agent, Start(VIDEO, 0, 20, LOST))
    assert len(alike) == 5 and not any(branch.gain.any() for branch in alike)


def test_a_copied_target_goes_on_as_the_first_would():
    team = Team(EXPERTS, 3, likeness=False)
    team.start([1], [VIDEO.frames[0]], [VIDEO.boxes[0]], [LOST])
    scan = split_action(np.array([[0, 0, 0, 0, 0, 0, 0, 0, 1.0]]), 2, False)
    for index in range(1, 4):
        report, candidates = team.look([VIDEO.frames[index]], [1]), team.scan([VIDEO.frames[index]], [1])
        team.act([1], report, candidates, scan)
    team.copy(1, 2)
    both = [VIDEO.frames[4]] * 2
    for parts in (team.look(both, [1, 2]), team.scan(both, [1, 2])):
        for values in parts:
            np.testing.assert_array_equal(values[0], values[1])
    with pytest.raises(ValueError, match="likeness"):
        Team(EXPERTS, 2).copy(0, 1)
