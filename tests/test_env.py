import json
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

import cv2
import gymnasium as gym
import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.env import OTBTrackEnv
from tracking_env.errors import InputError
from tracking_env.rendering import COLOURS
from tracking_env.sequence import ArrayFrames, Sequence

DRAWN = "synthetic:0-3"
WORDS = ["a"] * 4
ACTION = np.array([0.5, 0.5, 0.25, 0.25], np.float32)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shown(monkeypatch):
    """Pictures that would have been on a screen."""
    pictures = []
    monkeypatch.setattr(rendering, "show", lambda picture, fps: pictures.append(picture))
    monkeypatch.setattr(rendering, "close", lambda: None)
    return pictures


def make(sequences=DRAWN, **more):
    return gym.make("OTBTrack-v0", sequences=sequences, **more)


def small(length=12, name="small", size=(100, 50), boxes=None, seed=0):
    """Noise, and a box that moves 2 pixels a frame."""
    pixels = np.random.default_rng(seed).integers(0, 256, (length, size[1], size[0], 3), np.uint8)
    moving = np.tile([11.0, 6, 30, 20], (length, 1)) + np.arange(length)[:, None] * [2, 0, 0, 0]
    return Sequence(name, ArrayFrames(pixels), moving if boxes is None else boxes)


def roll(env, actions, **reset):
    """Observations, rewards and infos of one episode."""
    observation, info = env.reset(**reset)
    steps = [(observation, 0.0, info)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        assert not terminated
        steps.append((observation, reward, info))
        if truncated:
            break
    return steps


def same(a, b):
    """Equal trees of dicts, tuples, arrays and plain values."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


def actions(count, seed=0):
    return np.random.default_rng(seed).random((count, 4), np.float32)


def test_the_same_seed_gives_the_same_episodes_in_two_environments():
    one, other = make(clip_length=4), make(clip_length=4)
    seeded = [roll(env, actions(4), seed=3) for env in (one, other)]
    assert same(*seeded)
    later = [[roll(env, actions(4)) for _ in range(5)] for env in (one, other)]
    assert same(*later)


def test_the_same_seed_gives_the_same_episode_again():
    env = make(clip_length=4)
    first = roll(env, actions(4), seed=3)
    roll(env, actions(4, seed=1))
    assert same(first, roll(env, actions(4), seed=3))


def test_seeds_differ_and_every_sequence_and_start_is_drawn():
    env = make(sequences=[small(9, "a"), small(12, "b")], split="all", clip_length=8)
    drawn = {(info["sequence"], info["frame"]) for _, info in (env.reset(seed=seed) for seed in range(100))}
    assert drawn == {("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("b", 3), ("b", 4)}


def test_a_pickled_environment_goes_on_as_the_original():
    env = make(clip_length=6).unwrapped
    env.reset(seed=1)
    env.step(ACTION)
    twin = pickle.loads(pickle.dumps(env))
    for action in actions(5):
        assert same(env.step(action), twin.step(action))
    assert same(env.reset(), twin.reset())


@pytest.mark.parametrize("split", ["train", "unseen", "all"])
def test_observations_stay_in_the_space_and_frames_in_the_split(split):
    env = make(split=split, clip_length=7)
    parts = {one.name: one.part(split) for one in env.unwrapped.sequences.values()}
    env.action_space.seed(0)
    observation, info = env.reset(seed=0)
    for _ in range(200):
        assert observation in env.observation_space
        assert info["frame"] in parts[info["sequence"]]
        observation, _, _, truncated, info = env.step(env.action_space.sample())
        if truncated:
            assert observation in env.observation_space
            observation, info = env.reset()


def test_the_l1_reward_is_equation_2():
    # Frame 0: box 11, 6, 30, 20 of a 100 x 50 image: 10 + 15 = 25 -> 0.25; 5 + 10 = 15 -> 0.3; 0.3; 0.4.
    env = make([small()])
    env.reset(options={"start": 0})
    _, reward, _, _, info = env.step(np.array([0.45, 0.3, 0.2, 0.4], np.float32))
    assert reward == pytest.approx(-(0.2 + 0 + 0.1 + 0) / 4 - 0.2, abs=1e-6)
    assert info["reward_l1"] == reward


def test_the_iou_reward_is_equation_3():
    # The truth's centre and height, and half its width: half of it is covered.
    env = make([small()], reward="iou")
    env.reset(options={"start": 0})
    _, reward, _, _, info = env.step(np.array([0.25, 0.3, 0.15, 0.4], np.float32))
    assert reward == pytest.approx(0.5, abs=1e-6)
    assert info["iou"] == info["reward_iou"] == reward


def test_the_truth_scores_best():
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
    assert info["frame"] == 2 and np.array_equal(info["truth"], s.boxes[2]), "of the frame acted on"
    # centre (29, 20), 10 x 10: from (24, 15), in 1-based pixels (25, 16); the truth's centre is (29, 15)
    assert info["prediction"] == pytest.approx([25, 16, 10, 10], abs=1e-4)
    assert info["centre_error"] == pytest.approx(5, abs=1e-4)
    assert info["iou"] == pytest.approx(bx.iou(info["prediction"], info["truth"]), abs=1e-5)


def test_writing_to_an_info_changes_no_later_one():
    env = make([small()])
    _, info = env.reset(options={"start": 0})
    info["truth"][:] = 0
    assert np.array_equal(env.step(ACTION)[4]["truth"], small().boxes[0])


@pytest.mark.parametrize("bad", [[np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [0.5] * 3, [[0.5] * 4], 0.5, [], WORDS])
def test_an_action_that_is_no_box_is_an_input_error_and_costs_no_step(bad):
    env = make([small()]).unwrapped
    env.reset(options={"start": 0})
    with pytest.raises(InputError, match="four finite numbers cx, cy, w, h"):
        env.step(np.array(bad))
    assert env.step(ACTION)[4]["frame"] == 0


def test_a_step_without_an_episode_is_told_to_reset():
    env = make([small()], clip_length=2).unwrapped
    for call in (env.step, lambda _: env.render()):
        with pytest.raises(gym.error.ResetNeeded):
            call(ACTION)
    env.reset()
    assert [env.step(ACTION)[3] for _ in range(2)] == [False, True]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(ACTION)
    env.reset()
    env.step(ACTION)


def test_reset_options_choose_the_clip():
    env = make(split="unseen")
    _, info = env.reset(options={"sequence": "Synthetic-0002", "start": 33, "length": 2})
    assert (info["sequence"], info["frame"]) == ("Synthetic-0002", 33)
    assert [env.step(ACTION)[3] for _ in range(2)] == [False, True]
    env.reset(options={"sequence": "Synthetic-0002", "start": 58, "length": None})
    assert [env.step(ACTION)[3] for _ in range(2)] == [False, True]
    env.reset(options={"sequence": "Synthetic-0002", "start": 57})  # shorter at the end of the split
    assert [env.step(ACTION)[3] for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sequence": "Synthetic-002"},
            "no sequence 'Synthetic-002' in this environment, did you mean 'Synthetic-0002'",
        ),
        ({"sequence": "Deer"}, "no sequence 'Deer' in this environment$"),
        ({"sequence": 2}, "no sequence 2 in this environment"),
        ({"begin": 3}, "unknown reset option 'begin'; the options are"),
        ({"strat": 3}, "unknown reset option 'strat', did you mean 'start'"),
        ({"start": 20}, r"start 20 is outside Synthetic-000\d's 'train' frames 0\.\.19"),
        ({"start": -1}, "start -1 is outside"),
        ({"length": 0}, "the option length is 0; give a number of frames >= 1, or None"),
    ],
)
def test_a_wrong_reset_option_is_an_input_error_that_helps(options, message):
    with pytest.raises(InputError, match=message):
        make().reset(options=options)


def test_a_start_that_is_no_number_is_an_input_error():
    with pytest.raises(InputError, match="the option start is"):
        make().reset(options={"start": "2"})


@pytest.mark.parametrize("options", [{"start": 2.0}, {"length": 2.5}, {"length": "2"}, {"sequence": ""}])
def test_a_reset_option_of_another_type_is_an_input_error(options):
    with pytest.raises(InputError):
        make().reset(options=options)


def test_a_reset_that_failed_leaves_the_episode_before_it():
    env = make([small(12, "a"), small(12, "b", seed=1)]).unwrapped
    env.reset(options={"sequence": "a", "start": 0})
    with pytest.raises(InputError):
        env.reset(options={"sequence": "b", "start": 99})
    assert env.step(ACTION)[4]["sequence"] == "a"


def test_a_reset_whose_features_failed_mixes_no_two_sequences():
    class Failing:
        id, dim, broken = "failing", 1, False

        def prepare(self, frame):
            return frame

        def __call__(self, frames):
            if self.broken:
                raise RuntimeError("no memory")
            return frames[:, 0, 0, :1].astype(np.float32)

    extractor = Failing()
    env = make([small(12, "a"), small(12, "b", seed=1)], features=extractor).unwrapped
    env.reset(options={"sequence": "a", "start": 0})
    extractor.broken = True
    with pytest.raises(RuntimeError, match="no memory"):
        env.reset(options={"sequence": "b", "start": 0})
    assert env.step(ACTION)[4]["sequence"] == "a"


@pytest.mark.parametrize(("split", "frames"), [("train", range(4)), ("unseen", range(4, 12)), ("all", range(12))])
def test_without_a_clip_length_an_episode_is_the_whole_split(split, frames):
    env = make([small()], split=split, clip_length=None)
    steps = roll(env, [ACTION] * 100)
    assert [info["frame"] for _, _, info in steps[1:]] == list(frames)


def test_truncated_comes_with_the_clips_last_frame_and_terminated_never():
    env = make([small()], split="all", clip_length=5)
    env.reset(seed=0)
    flags = [env.step(ACTION)[2:4] for _ in range(5)]
    assert flags == [(False, False)] * 4 + [(False, True)]


def test_features_are_those_of_the_frame_to_act_on():
    env, s = make([small()], split="unseen", clip_length=4), small()
    stored = env.unwrapped.store[s].astype(np.float32)
    observations = [o["features"] for o, _, _ in roll(env, [ACTION] * 4, options={"start": 5})]
    assert same(observations, list(stored[5:10])), "the last is the frame after the clip"
    observations = [o["features"] for o, _, _ in roll(env, [ACTION] * 4, options={"start": 8})]
    assert same(observations, list(stored[[8, 9, 10, 11, 11]])), "or the split's last frame once more"
    env = make([small()], split="train", clip_length=4)
    assert same(roll(env, [ACTION] * 4, options={"start": 0})[-1][0]["features"], stored[3])


def test_the_true_box_is_given_with_the_first_frame_only():
    env = make([small()], split="all", clip_length=5)
    locations = [o["location"] for o, _, _ in roll(env, [ACTION] * 5, options={"start": 3})]
    assert np.array_equal(locations[0], small().relative[3])
    assert not np.any(locations[1:])


def test_a_first_box_that_sticks_out_is_clipped_in_the_observation():
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
    assert same(*episodes)


def test_actions_do_not_change_what_is_seen_next():
    env = make(clip_length=5)
    one, other = (roll(env, actions(5, seed), seed=2) for seed in (0, 1))
    assert same([o for o, _, _ in one], [o for o, _, _ in other])


def test_without_a_folder_a_warning_says_that_sequences_are_drawn():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        env = gym.make("OTBTrack-v0")
        _, info = env.reset(seed=0)
    assert [one.category for one in heard] == [UserWarning]
    assert "drawn sequences (synthetic:0-31)" in str(heard[0].message)
    assert info["dataset"] == "synthetic"
    assert len(env.unwrapped.sequences) == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"render_mode": "ansi"}, "unknown render_mode 'ansi'"),
        ({"clip_length": 0}, "clip_length is 0"),
        ({"split": "test"}, "unknown split 'test'; choose one of train, unseen, all"),
        ({"reward": "dice"}, "unknown reward 'dice'"),
        ({"features": "vgg"}, "unknown extractor 'vgg'"),
        ({"sequences": "Deer"}, "'Deer' needs a folder of real sequences; give root"),
        ({"sequences": []}, "no sequence has a frame with a true box in the split 'train'"),
    ],
)
def test_a_wrong_argument_is_an_input_error_that_says_what_to_do(arguments, message):
    with pytest.raises(InputError, match=message):
        OTBTrackEnv(**({"sequences": DRAWN} | arguments))


def test_sequences_too_short_for_the_split_are_left_out():
    env = make([small(2, "short"), small(3, "long")])
    assert list(env.unwrapped.sequences) == ["long"]
    with pytest.raises(InputError, match="give longer sequences or another split"):
        make([small(2, "short")])


def test_two_sequences_of_one_name_are_an_input_error():
    with pytest.raises(InputError, match="small"):
        make([small(), small(seed=1)])


def colour_at(picture, role, row, column):
    return np.abs(picture[row, column].astype(int) - COLOURS[role]).max() < 40


def test_render_draws_the_truth_green_and_the_agent_red():
    grey = replace(small(), frames=ArrayFrames(np.full((12, 200, 400, 3), 128, np.uint8)))
    env = make([grey], render_mode="rgb_array", split="all")
    env.reset(options={"start": 0})
    first = env.render()
    assert first.shape == (200, 400, 3) and first.dtype == np.uint8
    assert colour_at(first, "truth", 5, 25) and colour_at(first, "truth", 15, 10)  # sides of 11, 6, 30, 20
    assert not colour_at(first, "agent", 100, 100)
    env.step(np.array([0.5, 0.5, 0.5, 0.5], np.float32))  # from (100, 50) to (300, 150)
    after = env.render()
    assert colour_at(after, "truth", 5, 25) and colour_at(after, "agent", 100, 100)
    assert colour_at(after, "agent", 100, 300) and colour_at(after, "agent", 50, 200)


def test_render_shows_the_frame_acted_on():
    frames = np.repeat(np.arange(12, dtype=np.uint8), 200 * 400 * 3).reshape(12, 200, 400, 3)
    env = make([replace(small(), frames=ArrayFrames(frames))], render_mode="rgb_array", split="all")
    env.reset(options={"start": 3, "length": 2})
    shades = [env.render()[-1, -1, 0]]
    for _ in range(2):
        env.step(ACTION)
        shades.append(env.render()[-1, -1, 0])
    assert shades == [3, 3, 4]


def test_human_mode_shows_every_frame(shown):
    env = make([small()], render_mode="human", clip_length=3)
    env.reset()
    for _ in range(3):
        env.step(ACTION)
    assert len(shown) == 4
    assert env.render() is None
    env.close()


def test_human_mode_without_a_display_is_an_input_error(monkeypatch):
    if sys.platform != "linux":
        pytest.skip("only X11 and Wayland have a variable to look at")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    env = make([small()], render_mode="human").unwrapped
    with pytest.raises(InputError, match="needs a display, and there is none; use render_mode='rgb_array'"):
        env.reset()


def test_closing_human_mode_without_a_display_does_not_crash(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    make([small()], render_mode="human").unwrapped.close()


def test_importing_the_package_loads_no_torch():
    code = "import sys, tracking_env, json; print(json.dumps([m for m in ('torch', 'cv2') if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "torch" not in json.loads(done.stdout)


@pytest.mark.otb
def test_real_sequences_run(otb_root):
    env = gym.make("OTBTrack-v0", root=str(otb_root), sequences="Deer", split="unseen", clip_length=5)
    (deer,) = env.unwrapped.sequences.values()
    steps = roll(env, list(deer.relative[30:35]), options={"start": 30})
    assert len(steps) == 6 and len(deer) == 71
    for _, _, info in steps[1:]:
        assert info["dataset"] == "otb"
        assert info["iou"] == pytest.approx(1, abs=1e-4)


def partly(known):
    """A sequence with true boxes in these frames of 12 alone."""
    boxes = small().boxes.copy()
    boxes[np.setdiff1d(np.arange(12), known)] = 0
    return small(name="partly", boxes=boxes)


def test_a_frame_without_a_true_box_rewards_nothing():
    env = make([partly([0, 2])], split="all", clip_length=3)
    steps = roll(env, [ACTION] * 3, options={"start": 0})
    assert [reward == 0 for _, reward, _ in steps[1:]] == [False, True, False]
    missing = steps[2][2]
    assert missing["truth"].tolist() == [0, 0, 0, 0]
    assert missing["iou"] == missing["reward_l1"] == missing["reward_iou"] == 0
    assert np.isnan(missing["centre_error"]) and not np.isnan(steps[1][2]["centre_error"])


def test_an_episode_starts_where_there_is_a_true_box():
    env = make([partly([1, 4, 5, 11])], split="all", clip_length=4)
    assert {env.reset(seed=seed)[1]["frame"] for seed in range(20)} == {1, 4, 5}
    with pytest.raises(InputError, match="partly has no true box in frame 2 to start from"):
        env.reset(options={"start": 2})
    late = make([partly([11])], split="all", clip_length=4)
    assert late.reset(seed=0)[1]["frame"] == 11
    with pytest.raises(InputError, match="no sequence has a frame with a true box in the split 'train'"):
        make([partly([11])])


def test_pixels_are_observed_as_the_resized_frame_of_the_step_and_not_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    env = gym.make("OTBTrack-v0", sequences="synthetic:0-1", features="pixels:24x32", clip_length=3)
    space = env.observation_space["features"]
    assert (space.shape, space.dtype, space.low.min(), space.high.max()) == ((24, 32, 3), np.uint8, 0, 255)
    observation, info = env.reset(seed=0)
    frames = env.unwrapped.sequences[info["sequence"]].frames
    for step in range(4):
        wanted = cv2.resize(frames[info["frame"] + min(step, 1)], (32, 24), interpolation=cv2.INTER_AREA)
        assert observation["features"].dtype == np.uint8 and np.array_equal(observation["features"], wanted)
        if step < 3:
            observation, _, _, _, info = env.step(np.full(4, 0.5, np.float32))
    assert not (tmp_path / "cache").exists()
