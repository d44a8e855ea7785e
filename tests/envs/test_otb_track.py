"""OTBTrack-v0: rewards, observations, infos."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import cv2
import gymnasium as gym
import numpy as np
import pytest

from tests.helpers.episodes import ACTION, actions, equal, make, partly_annotated, roll, small
from tracking_env import boxes as bx
from tracking_env.errors import InputError

pytestmark = pytest.mark.usefixtures("own_cache")


WORDS = ["a"] * 4


def test_equal_seeds_give_equal_episodes_in_two_environments():
    first, second = make(clip_length=4), make(clip_length=4)
    seeded = [roll(env, actions(4), seed=3) for env in (first, second)]
    assert equal(*seeded)
    later = [[roll(env, actions(4)) for _ in range(5)] for env in (first, second)]
    assert equal(*later)


def test_equal_seeds_give_the_same_episode_again():
    env = make(clip_length=4)
    first = roll(env, actions(4), seed=3)
    roll(env, actions(4, seed=1))
    assert equal(first, roll(env, actions(4), seed=3))


def test_seeds_differ_and_every_sequence_and_start_is_drawn():
    env = make(sequences=[small(9, "a"), small(12, "b")], split="all", clip_length=8)
    drawn = {(info["sequence"], info["frame"]) for _, info in (env.reset(seed=seed) for seed in range(100))}
    assert drawn == {("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("b", 3), ("b", 4)}


def test_a_pickled_environment_continues_as_the_original():
    env = make(clip_length=6).unwrapped
    env.reset(seed=1)
    env.step(ACTION)
    copy = pickle.loads(pickle.dumps(env))
    for action in actions(5):
        assert equal(env.step(action), copy.step(action))
    assert equal(env.reset(), copy.reset())


@pytest.mark.parametrize("split", ["train", "unseen", "all"])
def test_observations_stay_in_the_space_and_frames_in_the_split(split):
    env = make(split=split, clip_length=7)
    parts = {sequence.name: sequence.part(split) for sequence in env.unwrapped.sequences.values()}
    env.action_space.seed(0)
    observation, info = env.reset(seed=0)
    for _ in range(200):
        assert observation in env.observation_space
        assert info["frame"] in parts[info["sequence"]]
        observation, _, _, truncated, info = env.step(env.action_space.sample())
        if truncated:
            assert observation in env.observation_space
            observation, info = env.reset()


def test_the_l1_reward_equals_equation_2():
    # Frame 0: box 11, 6, 30, 20 of a 100 x 50 image: 10 + 15 = 25 -> 0.25; 5 + 10 = 15 -> 0.3; 0.3; 0.4.
    env = make([small()])
    env.reset(options={"start": 0})
    _, reward, _, _, info = env.step(np.array([0.45, 0.3, 0.2, 0.4], np.float32))
    assert reward == pytest.approx(-(0.2 + 0 + 0.1 + 0) / 4 - 0.2, abs=1e-6)
    assert info["reward_l1"] == reward


def test_the_iou_reward_equals_equation_3():
    # The truth's centre and height, and half its width: half of it is overlapped.
    env = make([small()], reward="iou")
    env.reset(options={"start": 0})
    _, reward, _, _, info = env.step(np.array([0.25, 0.3, 0.15, 0.4], np.float32))
    assert reward == pytest.approx(0.5, abs=1e-6)
    assert info["iou"] == info["reward_iou"] == reward


def test_the_true_box_has_the_highest_reward():
    env = make([small()], split="all", clip_length=None)
    env.reset()
    for true in small().relative:
        info = env.step(true)[4]
        assert info["reward_l1"] == 0
        assert info["iou"] == pytest.approx(1, abs=1e-5)
        assert info["centre_error"] == pytest.approx(0, abs=1e-4)


def test_the_reward_can_be_switched_in_the_middle_of_an_episode():
    env = make([small()])
    env.reset()
    _, reward, _, _, info = env.step(ACTION)
    assert reward == info["reward_l1"] != info["reward_iou"]
    env.unwrapped.reward = "iou"
    _, reward, _, _, info = env.step(ACTION)
    assert reward == info["reward_iou"] != info["reward_l1"]
    with pytest.raises(InputError, match="unknown reward 'giou'; choose one of l1, iou"):
        env.unwrapped.reward = "giou"
    assert env.unwrapped.reward == "iou"


def test_an_action_outside_the_image_is_clipped_except_in_l1():
    env = make([small()]).unwrapped
    env.reset(options={"start": 0})
    wild = np.array([1.75, 0.3, 0.5, -2], np.float32)
    info = env.step(wild)[4]
    # truth 0.25, 0.3, 0.3, 0.4: |1.5, 0, 0.2, 2.4|
    assert info["reward_l1"] == pytest.approx(-(1.5 + 0.2 + 2.4) / 4 - 2.4, abs=1e-6)
    # clipped to 1, 0.3, 0.5, 0: centre (100, 15), 50 pixels wide: x from 75 (76 in 1-based), y 15 (16)
    assert info["prediction"] == pytest.approx([76, 16, 50, 0], abs=1e-4)
    assert info["iou"] == 0
    env.reset(options={"start": 0})
    assert env.step(np.array([0.25, 0.3, 0.3, 3], np.float32))[4]["iou"] == pytest.approx(0.4)  # height clipped to 1


def test_info_holds_pixel_boxes_and_pixel_distances():
    env, s = make([small()]), small()
    _, info = env.reset(options={"start": 2})
    assert (info["dataset"], info["sequence"], info["frame"]) == ("otb", "small", 2)
    assert np.array_equal(info["truth"], s.boxes[2])
    _, _, _, _, info = env.step(np.array([0.29, 0.4, 0.1, 0.2], np.float32))
    measured = {"prediction", "iou", "centre_error", "reward_l1", "reward_iou"}
    assert info.keys() == {"dataset", "sequence", "frame", "truth"} | measured
    assert info["frame"] == 2 and np.array_equal(info["truth"], s.boxes[2]), (
        "the boxes are those of the frame of the action"
    )
    # centre (29, 20), 10 x 10: from (24, 15), in 1-based pixels (25, 16); the truth's centre is (29, 15)
    assert info["prediction"] == pytest.approx([25, 16, 10, 10], abs=1e-4)
    assert info["centre_error"] == pytest.approx(5, abs=1e-4)
    assert info["iou"] == pytest.approx(bx.iou(info["prediction"], info["truth"]), abs=1e-5)


def test_writing_to_an_info_does_not_change_later_infos():
    env = make([small()])
    _, info = env.reset(options={"start": 0})
    info["truth"][:] = 0
    assert np.array_equal(env.step(ACTION)[4]["truth"], small().boxes[0])


@pytest.mark.parametrize("bad", [[np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [0.5] * 3, [[0.5] * 4], 0.5, [], WORDS])
def test_an_invalid_action_is_an_input_error_and_takes_no_step(bad):
    env = make([small()]).unwrapped
    env.reset(options={"start": 0})
    with pytest.raises(InputError, match="four finite numbers cx, cy, w, h"):
        env.step(np.array(bad))
    assert env.step(ACTION)[4]["frame"] == 0


def test_the_observation_holds_the_features_of_the_next_frame_to_act_on():
    env, s = make([small()], split="unseen", clip_length=4), small()
    stored = env.unwrapped.store[s].astype(np.float32)
    observations = [o["features"] for o, _, _ in roll(env, [ACTION] * 4, options={"start": 5})]
    assert equal(observations, list(stored[5:10])), "the last observation is of the frame after the clip"
    observations = [o["features"] for o, _, _ in roll(env, [ACTION] * 4, options={"start": 8})]
    assert equal(observations, list(stored[[8, 9, 10, 11, 11]])), "or of the last frame of the split again"
    env = make([small()], split="train", clip_length=4)
    assert equal(roll(env, [ACTION] * 4, options={"start": 0})[-1][0]["features"], stored[3])


def test_only_the_first_observation_contains_the_true_box():
    env = make([small()], split="all", clip_length=5)
    locations = [o["location"] for o, _, _ in roll(env, [ACTION] * 5, options={"start": 3})]
    assert np.array_equal(locations[0], small().relative[3])
    assert not np.any(locations[1:])


def test_a_first_box_partly_outside_the_image_is_clipped_in_the_observation():
    outside = np.tile([-60.0, 6, 30, 20], (12, 1))
    observation, info = make([small(boxes=outside)]).reset()
    assert observation["location"][0] == 0
    assert np.array_equal(info["truth"], outside[0])


def test_the_truth_of_later_frames_never_reaches_an_observation():
    altered = small().boxes.copy()
    altered[4:] = [51, 31, 7, 9]
    episodes = []
    for s in (small(), replace(small(), boxes=altered)):
        env = make([s], split="all", clip_length=None)
        episodes.append([observation for observation, _, _ in roll(env, [ACTION] * 12, options={"start": 3})])
    assert len(episodes[0]) == 10
    assert equal(*episodes)


def test_actions_do_not_change_later_observations():
    env = make(clip_length=5)
    first, second = (roll(env, actions(5, seed), seed=2) for seed in (0, 1))
    assert equal([observation for observation, _, _ in first], [observation for observation, _, _ in second])


def test_importing_the_package_loads_no_torch():
    code = "import sys, tracking_env, json; print(json.dumps([m for m in ('torch', 'cv2') if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "torch" not in json.loads(done.stdout)


@pytest.mark.otb
def test_an_episode_of_real_video_runs(otb_root):
    env = gym.make("OTBTrack-v0", root=str(otb_root), sequences="Deer", split="unseen", clip_length=5)
    (deer,) = env.unwrapped.sequences.values()
    steps = roll(env, list(deer.relative[30:35]), options={"start": 30})
    assert len(steps) == 6 and len(deer) == 71
    for _, _, info in steps[1:]:
        assert info["dataset"] == "otb"
        assert info["iou"] == pytest.approx(1, abs=1e-4)


def test_a_frame_without_a_true_box_has_reward_0():
    env = make([partly_annotated([0, 2])], split="all", clip_length=3)
    steps = roll(env, [ACTION] * 3, options={"start": 0})
    assert [reward == 0 for _, reward, _ in steps[1:]] == [False, True, False]
    missing = steps[2][2]
    assert missing["truth"].tolist() == [0, 0, 0, 0]
    assert missing["iou"] == missing["reward_l1"] == missing["reward_iou"] == 0
    assert np.isnan(missing["centre_error"]) and not np.isnan(steps[1][2]["centre_error"])


def test_pixel_observations_are_resized_frames_and_not_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    env = gym.make("OTBTrack-v0", sequences="synthetic:0-1", features="pixels:24x32", clip_length=3)
    space = env.observation_space["features"]
    assert (space.shape, space.dtype, space.low.min(), space.high.max()) == ((24, 32, 3), np.uint8, 0, 255)
    observation, info = env.reset(seed=0)
    frames = env.unwrapped.sequences[info["sequence"]].frames
    for step in range(4):
        expected = cv2.resize(frames[info["frame"] + min(step, 1)], (32, 24), interpolation=cv2.INTER_AREA)
        assert observation["features"].dtype == np.uint8 and np.array_equal(observation["features"], expected)
        if step < 3:
            observation, _, _, _, info = env.step(np.full(4, 0.5, np.float32))
    assert not (tmp_path / "cache").exists()
