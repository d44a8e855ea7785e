"""Gymnasium's wrappers around the environment, and `RewardSchedule`."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import (
    FlattenObservation,
    FrameStackObservation,
    RecordEpisodeStatistics,
    RecordVideo,
    RescaleAction,
    TimeLimit,
)

from tracking_env.envs.wrappers import RewardSchedule
from tracking_env.errors import InputError

ACTION = np.array([0.5, 0.5, 0.25, 0.25], np.float32)


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    return lambda name="OTBTrack-v0", **options: gym.make(name, sequences="synthetic:0-1", **options)


def test_wrappers_of_gymnasium_flatten_rescale_limit_and_record(make):
    env = RecordEpisodeStatistics(
        TimeLimit(FlattenObservation(RescaleAction(make(clip_length=9), -1, 1)), max_episode_steps=4)
    )
    observation, _ = env.reset(seed=0)
    assert observation.shape == (1540,) and observation in env.observation_space
    total = 0.0
    for step in range(4):
        _, reward, terminated, truncated, info = env.step(np.zeros(4, np.float32))
        assert info["prediction"][2] == pytest.approx(80)  # 0 of [-1, 1] is 0.5 of [0, 1]; 160 pixels wide
        total += reward
        assert (terminated, truncated) == (False, step == 3)
    assert info["episode"]["l"] == 4
    assert info["episode"]["r"] == pytest.approx(total)


def test_stacked_observations_hold_the_last_frames_of_each_key(make):
    env, alone = FrameStackObservation(make("OTBTrackPixels-v0"), 3), make("OTBTrackPixels-v0")
    observation, _ = env.reset(seed=0)
    observations = [alone.reset(seed=0)[0]] * 3
    for _ in range(4):
        assert observation in env.observation_space
        assert observation["features"].shape == (3, 84, 84, 3) and observation["location"].shape == (3, 4)
        for key in ("features", "location"):
            assert np.array_equal(observation[key], np.stack([single[key] for single in observations]))
        observation = env.step(ACTION)[0]
        observations = [*observations[1:], alone.step(ACTION)[0]]


def test_record_video_writes_each_episode(make, tmp_path):
    pytest.importorskip("moviepy")  # RecordVideo writes with it
    env = RecordVideo(make(render_mode="rgb_array", clip_length=3), str(tmp_path / "videos"), lambda episode: True)
    env.reset(seed=0)
    for _ in range(3):
        env.step(ACTION)
    env.close()
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["rl-video-episode-0.mp4"]


def test_the_reward_switches_after_a_number_of_steps_over_all_episodes(make):
    env = RewardSchedule(TimeLimit(make(clip_length=3), 3), switch_after=5)
    names = []
    for _ in range(3):
        env.reset()
        for _ in range(3):
            _, reward, _, _, info = env.step(ACTION)
            names.append("l1" if reward == info["reward_l1"] else "iou" if reward == info["reward_iou"] else None)
    assert names == ["l1"] * 5 + ["iou"] * 4
    assert env.unwrapped.reward == "iou"


def test_a_schedule_can_switch_from_iou_to_l1_and_is_kept_in_a_spec(make):
    env = RewardSchedule(make(), switch_after=1, first="iou", then="l1")
    copy = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    for schedule in (env, copy):
        schedule.reset(seed=0)
        assert [schedule.step(ACTION)[1] < 0 for _ in range(3)] == [False, True, True]


def test_a_refused_action_does_not_count_as_a_step(make):
    env = RewardSchedule(make(), switch_after=1)
    env.reset(seed=0)
    with pytest.raises(InputError):
        env.step(np.full(4, np.nan, np.float32))
    _, reward, _, _, info = env.step(ACTION)
    assert reward == info["reward_l1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"switch_after": -1}, "switch_after is -1"), ({"switch_after": 1, "then": "giou"}, "unknown reward 'giou'")],
)
def test_a_wrong_schedule_is_an_input_error(make, arguments, message):
    with pytest.raises(InputError, match=message):
        RewardSchedule(make(), **arguments)
