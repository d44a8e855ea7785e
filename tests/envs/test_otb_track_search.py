"""OTBTrackSearch-v0, and the search window that the environment and the tracker share."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import tracking_env  # noqa: F401
from tracking_env import boxes as bx
from tracking_env.datasets.synthetic import generate
from tracking_env.envs import rewards
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.errors import InputError
from tracking_env.features.maps import make_maps
from tracking_env.search import regions
from tracking_env.search.window import CONTEXT, WindowTracker


def make(**options):
    return gym.make("OTBTrackSearch-v0", **({"sequences": "synthetic:0-3", "split": "all"} | options)).unwrapped


def right(info, env):
    """The action that predicts the true box."""
    return regions.to_region(info["truth"], info["region"]).astype(np.float32)


def next_truth(env, info):
    """The true box of the current frame, which is not in the observation."""
    return env.clips.sequences[info["sequence"]].boxes[info["frame"] + 1]


def follow(env, **options):
    """The infos of an episode with perfect actions."""
    _, info = env.reset(**options)
    truth, infos = info["truth"], []
    while True:
        action = regions.to_region(truth, info["region"]).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(action)
        infos.append(info | {"reward": reward})
        if terminated or truncated:
            return infos
        truth = next_truth(env, info)


def test_the_checker_of_gymnasium_passes():
    check_env(make(clip_length=5), skip_render_check=True)


def test_a_correct_action_is_rewarded_and_keeps_the_target_centred():
    infos = follow(make(clip_length=12), seed=1)
    assert len(infos) == 12
    for info in infos:
        assert info["reward"] == info["reward_iou"] == pytest.approx(1, abs=1e-3)
        # The next region lies around this frame's box.
        middle = bx.centre(info["region"])[:2]
        np.testing.assert_allclose(middle, bx.centre(info["truth"])[:2], atol=0.1)


def test_the_first_region_is_centred_on_the_true_box():
    env = make()
    observation, info = env.reset(seed=0)
    np.testing.assert_allclose(info["region"], regions.around(info["truth"], CONTEXT), rtol=1e-6)
    np.testing.assert_allclose(observation["location"], regions.to_region(info["truth"], info["region"]), rtol=1e-5)
    assert observation["zoom"] == 1
    assert observation["target"][:2] == pytest.approx(0.5)


def test_actions_decide_the_next_observation():
    env = make(sequences="synthetic:0")
    env.reset(seed=0, options={"start": 0})
    stay, *_, info = env.step(np.array([0.5, 0.5, 0.2, 0.3], np.float32))
    env.reset(seed=0, options={"start": 0})
    moved, *_, later = env.step(np.array([0.9, 0.5, 0.2, 0.3], np.float32))
    assert later["region"][0] > info["region"][0]
    assert not np.array_equal(stay["search"], moved["search"])
    assert np.array_equal(stay["template"], moved["template"])


def test_an_action_of_twice_the_size_zooms_out():
    env = make()
    observation, _ = env.reset(seed=0)
    box = observation["location"] * [1, 1, 1.5, 1.5]
    observation, *_ = env.step(box.astype(np.float32))
    assert observation["zoom"] == pytest.approx(1.5, rel=1e-5)


def test_rewards_are_computed_relative_to_the_image():
    env = make(reward="l1")
    _, info = env.reset(seed=3)
    region, truth = info["region"], info["truth"]
    size = env.clips.sequences[info["sequence"]].size
    action = np.array([0.55, 0.45, 0.3, 0.2], np.float32)
    _, reward, *_, info = env.step(action)
    prediction = bx.to_relative(regions.from_region(action.astype(float), region), size)
    assert reward == pytest.approx(float(rewards.l1(prediction, bx.to_relative(truth, size))), abs=1e-6)
    assert info["reward_iou"] == pytest.approx(float(bx.iou(info["prediction"], truth)), abs=1e-6)


def test_a_lost_target_ends_the_episode_if_that_option_is_set():
    away = np.array([0.02, 0.02, 0.02, 0.02], np.float32)
    env = make(lost_after=3)
    env.reset(seed=0)
    ends = [env.step(away)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (True, False)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(away)
    env = make(clip_length=3)
    env.reset(seed=0)
    assert [env.step(away)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]


def test_the_template_can_come_from_the_first_frame_of_the_video():
    clip, video = make(template="clip"), make(template="video")
    options = {"sequence": "Synthetic-0001", "start": 20}
    first, _ = clip.reset(options=options | {"start": 0})
    assert np.array_equal(video.reset(options=options)[0]["template"], first["template"])
    assert not np.array_equal(clip.reset(options=options)[0]["template"], first["template"])
    np.testing.assert_allclose(video.reset(options=options)[0]["location"][:2], 0.5, atol=1e-6)


def test_jitter_moves_only_the_first_region():
    env = make(jitter=0.2)
    options = {"sequence": "Synthetic-0001", "start": 20}
    first, info = env.reset(seed=1, options=options)
    _, repeated = env.reset(seed=1, options=options)
    different, _ = env.reset(seed=2, options=options)
    np.testing.assert_array_equal(info["region"], repeated["region"])
    assert not np.array_equal(first["search"], different["search"])
    assert np.array_equal(first["template"], different["template"])
    assert not np.allclose(info["region"], regions.around(info["truth"], CONTEXT), rtol=1e-3)


@pytest.mark.parametrize("sequences", ["synthetic:0-3", "synthetic:7"])
def test_random_actions_stay_inside_the_spaces(sequences):
    env = make(sequences=sequences, clip_length=8, jitter=0.3)
    env.action_space.seed(0)
    for seed in range(4):
        observation, _ = env.reset(seed=seed)
        done = False
        while not done:
            assert env.observation_space.contains(observation)
            observation, reward, terminated, done, _ = env.step(env.action_space.sample())
            assert 0 <= reward <= 1 and not terminated


@pytest.mark.parametrize("action", [np.full(4, np.nan), np.zeros(3), "box", None])
def test_an_invalid_action_is_refused(action):
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError, match="the action must be four finite numbers"):
        env.step(action)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "last"}, "unknown template 'last'; choose clip or video"),
        ({"jitter": -0.1}, "jitter is -0.1"),
        ({"lost_after": 0}, "lost_after is 0"),
        ({"features": "grid"}, "unknown extractor of maps 'grid'"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_a_pickled_environment_and_one_made_from_its_spec_are_equal():
    env = gym.make("OTBTrackSearch-v0", sequences="synthetic:0", clip_length=4)
    copy = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    pickled = pickle.loads(pickle.dumps(env.unwrapped))
    np.testing.assert_array_equal(copy.reset(seed=5)[0]["search"], pickled.reset(seed=5)[0]["search"])


class Scripted:
    """A policy with prepared actions that keeps its observations."""

    def __init__(self, actions):
        self.actions, self.observations = list(actions), []

    def act(self, observation, state):
        self.observations.append(observation)
        return self.actions[len(self.observations) - 1], None


def test_tracker_and_environment_have_equal_observations():
    sequence, rng = generate(5, length=8), np.random.default_rng(0)
    actions = np.clip([0.5, 0.5, 0.25, 0.25] + 0.03 * rng.standard_normal((8, 4)), 0, 1).astype(np.float32)
    env = OTBTrackSearchEnv(sequences=[sequence], split="all")
    policy = Scripted(actions)
    tracker = WindowTracker(policy, make_maps("cells"))
    observation, _ = env.reset(options={"start": 0})
    tracker.init(sequence.frames[0], sequence.boxes[0])
    actions[0] = observation["location"]  # in the first frame the tracker keeps the true box
    for index in range(1, 8):
        observation, *_ = env.step(actions[index - 1])
        box = tracker.update(sequence.frames[index])
        for name, value in observation.items():
            assert (
                np.abs(policy.observations[index][name] - value).mean() < 1e-4
            )  # above 0, since float32 boxes round pixels
    *_, info = env.step(actions[7])
    np.testing.assert_allclose(box, info["prediction"], atol=1e-3)


def test_the_window_never_leaves_the_image():
    window = WindowTracker(None, make_maps("cells"))
    sequence = generate(0, length=2)
    frame = sequence.frames[1]
    window.windows.start([0], [sequence.frames[0]], [sequence.boxes[0]])
    for action in ([0, 0, 0, 0], [1, 1, 1, 1], [5, 5, 5, 5], [0, 1, 1, 0]) * 20:
        box = window.move_to(np.array(action, float), frame)
        observation = window.observe(frame)
        assert np.isfinite(box).all() and (box[2:] >= 4 - 1e-9).all()
        assert all(np.isfinite(value).all() for value in observation.values())


def test_info_holds_region_and_truth_relative_to_the_image():
    env = make()
    _, info = env.reset(seed=0)
    for action in np.random.default_rng(0).uniform(0.4, 0.6, (3, 4)).astype(np.float32):
        size = env.clips.sequences[info["sequence"]].size
        np.testing.assert_array_equal(info["relative_region"], bx.to_relative(info["region"], size))
        np.testing.assert_allclose(info["relative_truth"], bx.to_relative(info["truth"], size), rtol=1e-6)
        *_, info = env.step(action)
