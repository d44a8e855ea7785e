"""OTBTrackExperts-v0, and what it shares with the tracker."""

import gymnasium as gym
import numpy as np
import pytest

import tracking_env  # noqa: F401  (registers the ids)
from tracking_env.datasets import synthetic
from tracking_env.envs.otb_track_experts import MILLISECONDS
from tracking_env.errors import InputError
from tracking_env.search.ensemble import EnsembleTracker, HandMadeRule
from tracking_env.search.experts import make_expert
from tracking_env.trackers.base import run

EXPERTS = ["grey", "colour"]


def make(**options):
    defaults = {
        "experts": EXPERTS,
        "sequences": [synthetic.generate(seed, 30, (160, 120)) for seed in (3, 5, 7)],
        "split": "all",
    }
    return gym.make("OTBTrackExperts-v0", **(defaults | options)).unwrapped


def roll(env, actions, **options):
    """Observations, rewards and infos of an episode of these actions, repeated if there are too few."""
    observation, info = env.reset(seed=0, options=options)
    steps, truncated = [(observation, None, info)], False
    while not truncated:
        observation, reward, _, truncated, info = env.step(actions[(len(steps) - 1) % len(actions)])
        steps.append((observation, reward, info))
    return steps


@pytest.mark.parametrize("name", ["Synthetic-0003", "Synthetic-0005", "Synthetic-0007"])
def test_the_action_zero_is_the_hand_made_rule_box_for_box(name):
    env = make()
    steps = roll(env, np.zeros((1, 9), np.float32), sequence=name, start=0)
    boxes = [info["prediction"] for _, _, info in steps[1:]]
    # The rule in its own words: the mean box, or the more confident expert's where the two overlap by less than 0.3.
    for (observation, _, info), box in zip(steps, boxes, strict=False):
        first, second = info["expert_boxes"]
        low = np.maximum(first[:2], second[:2])
        high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
        shared = np.prod(np.maximum(high - low, 0))
        iou = shared / (first[2] * first[3] + second[2] * second[3] - shared)
        confidence = observation[0], observation[len(observation) // 2]
        expected = (first + second) / 2 if iou >= 0.3 else (first, second)[int(confidence[1] > confidence[0])]
        assert box == pytest.approx(expected)


def test_the_tracker_reports_the_boxes_of_the_environment():
    env = make()
    video = env.clips.sequences["Synthetic-0005"]
    tracker = EnsembleTracker(HandMadeRule(9), [make_expert(name) for name in EXPERTS], "rule")
    boxes = run(tracker, video).boxes
    steps = roll(env, np.zeros((1, 9), np.float32), sequence=video.name, start=0)
    for index, (_, _, info) in enumerate(steps[2:], start=1):
        assert boxes[index] == pytest.approx(info["prediction"])


def test_a_reset_puts_an_expert_on_the_reported_box_and_changes_later_observations():
    env = make()
    nothing, reset = np.zeros(9, np.float32), np.zeros(9, np.float32)
    reset[6] = 1
    before = roll(env, [nothing], sequence="Synthetic-0003", start=0)
    env.reset(seed=0, options={"sequence": "Synthetic-0003", "start": 0})
    for _ in range(5):
        env.step(nothing)
    fused = (env.team.boxes[0, 0] + env.team.boxes[0, 1]) / 2
    env.step(reset)
    assert env._report.since_reset.tolist() == [[1, 100]]
    looked_around = env.team.boxes[0]
    assert np.abs(looked_around[0] - before[6][2]["expert_boxes"][0]).max() > 0 or np.allclose(fused, looked_around[0])


def test_a_residual_changes_the_reported_box_alone():
    env, moved = make(), np.array([0, 0, 1, 0, 0, 0, 0, 0, 0], np.float32)
    plain = roll(env, np.zeros((1, 9), np.float32), sequence="Synthetic-0003", start=0)
    shifted = roll(env, moved[None], sequence="Synthetic-0003", start=0)
    for (observation, _, info), (same, _, other) in zip(plain[1:], shifted[1:], strict=True):
        assert np.array_equal(observation, same)
        width = info["prediction"][2]
        assert other["prediction"] == pytest.approx(info["prediction"] + [0.2 * width, 0, 0, 0])


def test_a_pause_costs_nothing_and_an_expert_that_runs_costs_its_milliseconds():
    env, free = make(cost=0.01), make()
    assert env.action_space.shape == (11,) and free.action_space.shape == (9,)
    pause = np.array([*[0.0] * 9, -1, 0], np.float32)
    steps = roll(env, [pause], sequence="Synthetic-0003", start=0)
    both = 0.01 * sum(MILLISECONDS[name] for name in EXPERTS)
    assert steps[1][1] == pytest.approx(steps[1][2]["reward_iou"] - both)  # all look at the first frame
    assert steps[2][1] == pytest.approx(steps[2][2]["reward_iou"] - 0.01 * MILLISECONDS["colour"])
    assert steps[3][2]["prediction"] == pytest.approx(steps[2][2]["expert_boxes"][1]), "it alone is fused"


def test_no_observation_shows_a_later_frames_truth():
    video = synthetic.generate(3, 30, (160, 120))
    altered = synthetic.generate(3, 30, (160, 120))
    altered.boxes.setflags(write=True)
    altered.boxes[1:] += 9
    for changed, original in zip(
        roll(make(sequences=[altered]), np.zeros((1, 9), np.float32), start=0),
        roll(make(sequences=[video]), np.zeros((1, 9), np.float32), start=0),
        strict=True,
    ):
        assert np.array_equal(changed[0], original[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experts": []}, "experts is empty"),
        ({"experts": ["gray"]}, "unknown expert 'gray'.*did you mean 'grey'"),
        ({"cost": -1}, "cost is -1; give a reward per millisecond"),
        ({"weights": "folder"}, "grey has no weights"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize("action", [np.zeros(4), np.full(9, np.nan), "x"])
def test_wrong_actions(action):
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError, match="9 finite numbers"):
        env.step(action)
