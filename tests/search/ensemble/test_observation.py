"""What the agent that decides among experts observes."""

import numpy as np
import pytest

from tracking_env.search.ensemble.observation import Means, observation_names, observe, observe_run
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates

EXPERTS = ["grey", "colour"]
NAMES = observation_names(EXPERTS)


def report(frames, **numbers):
    """A report of two experts on so many frames; numbers that are not given are 0, boxes alike."""
    zeros = np.zeros((frames, 2))
    fields = dict.fromkeys(Report._fields, zeros) | {
        "boxes": np.tile([10.0, 10, 20, 20], (frames, 2, 1)),
        "cross_score": np.zeros((frames, 2, 2)),
        "running": np.ones((frames, 2), bool),
    }
    return Report(**fields | {name: np.broadcast_to(np.asarray(rows), (frames, 2)) for name, rows in numbers.items()})


def column(observations, name):
    return observations[:, NAMES.index(name)]


def test_a_running_mean_of_few_frames_is_their_plain_average():
    confidence = np.array([[1.0, 0], [0, 0], [0, 0], [0, 0]])
    observations = observe_run(report(4, confidence=confidence))
    for frames in (10, 50):
        assert column(observations, f"grey confidence, mean of {frames}") == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
        assert not column(observations, f"colour confidence, mean of {frames}").any()


def test_a_running_mean_forgets_at_the_rate_of_its_memory():
    confidence = np.zeros((80, 2))
    confidence[:60, 0] = 1
    observations = observe_run(report(80, confidence=confidence))
    assert column(observations, "grey confidence, mean of 10")[-1] == pytest.approx(0.9**20)
    assert column(observations, "grey confidence, mean of 50")[-1] == pytest.approx(0.98**20)


def test_observations_are_clipped_on_both_sides():
    observations, _ = observe(report(1, motion=30.0, growth=-30.0), Candidates.none(1, 2), Means.new(1, 2))
    assert column(observations, "grey motion") == 10
    assert column(observations, "colour growth") == -10


def test_agreement_is_the_mean_overlap_with_the_other_experts():
    same = report(1)
    apart = same._replace(boxes=np.array([[[10.0, 10, 20, 20], [20, 10, 20, 20]]]))
    for seen, iou in ((same, 1), (apart, 1 / 3)):
        observations, _ = observe(seen, Candidates.none(1, 2), Means.new(1, 2))
        assert column(observations, "grey iou_with_others") == pytest.approx(iou)


def test_a_candidate_is_observed_by_its_log_odds_and_the_distance_of_each_box():
    # The boxes' centre is (20, 20); the candidate's, of size 10, is 30 to the right: log(1 + 3).
    candidates = Candidates(np.array([[45.0, 15, 10, 10]]), np.array([[5.0, -20]]), np.zeros((1, 2), np.intp))
    observations, _ = observe(report(1), candidates, Means.new(1, 2))
    assert [column(observations, f"{expert} candidate")[0] for expert in EXPERTS] == pytest.approx([0.5, -2])
    assert column(observations, "grey candidate_distance") == pytest.approx(np.log(4))
    none, _ = observe(report(1), Candidates.none(1, 2), Means.new(1, 2))
    assert not column(none, "grey candidate").any() and not column(none, "grey candidate_distance").any()


def test_frames_since_a_reset_decay_tenfold_over_the_longest_count():
    since = np.array([[0.0, 10.0]])
    observations, _ = observe(report(1, since_reset=since), Candidates.none(1, 2), Means.new(1, 2))
    assert [column(observations, f"{expert} since_reset")[0] for expert in EXPERTS] == pytest.approx([1, np.exp(-1)])
