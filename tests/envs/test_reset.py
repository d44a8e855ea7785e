"""OTBTrack-v0: the start and end of episodes, and refused input."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

from tests.helpers.episodes import ACTION, DRAWN, equal, make, partly_annotated, roll, small
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.errors import InputError
from tracking_env.features.store import FeatureStore

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_step_or_render_before_reset_is_an_error():
    env = make([small()], clip_length=2, render_mode="rgb_array").unwrapped
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
            r"no sequence 'Synthetic-002' in this environment \(did you mean 'Synthetic-0002'",
        ),
        ({"sequence": "Deer"}, "no sequence 'Deer' in this environment$"),
        ({"sequence": 2}, "no sequence 2 in this environment"),
        ({"begin": 3}, "unknown reset option 'begin'; the options are"),
        ({"strat": 3}, r"unknown reset option 'strat' \(did you mean 'start'"),
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


def test_a_failed_reset_keeps_the_current_episode():
    env = make([small(12, "a"), small(12, "b", seed=1)]).unwrapped
    env.reset(options={"sequence": "a", "start": 0})
    with pytest.raises(InputError):
        env.reset(options={"sequence": "b", "start": 99})
    assert env.step(ACTION)[4]["sequence"] == "a"


def test_a_reset_with_failed_features_keeps_the_current_sequence():
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


def test_a_clip_is_truncated_at_its_last_frame_and_never_terminated():
    env = make([small()], split="all", clip_length=5)
    env.reset(seed=0)
    flags = [env.step(ACTION)[2:4] for _ in range(5)]
    assert flags == [(False, False)] * 4 + [(False, True)]


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


def test_two_sequences_of_the_same_name_are_an_input_error():
    with pytest.raises(InputError, match="small"):
        make([small(), small(seed=1)])


def test_an_episode_starts_where_there_is_a_true_box():
    env = make([partly_annotated([1, 4, 5, 11])], split="all", clip_length=4)
    assert {env.reset(seed=seed)[1]["frame"] for seed in range(20)} == {1, 4, 5}
    with pytest.raises(InputError, match="partly has no true box in frame 2 to start from"):
        env.reset(options={"start": 2})
    late = make([partly_annotated([11])], split="all", clip_length=4)
    assert late.reset(seed=0)[1]["frame"] == 11
    with pytest.raises(InputError, match="no sequence has a frame with a true box in the split 'train'"):
        make([partly_annotated([11])])


def test_each_file_of_the_store_is_opened_once_and_again_after_pickling(tmp_path, monkeypatch):
    env, opened, read = make(store=tmp_path).unwrapped, [], FeatureStore.__getitem__
    monkeypatch.setattr(FeatureStore, "__getitem__", lambda store, sequence: opened.append(1) or read(store, sequence))
    for _ in range(3):
        first, _ = env.reset(options={"sequence": "Synthetic-0002", "start": 3})
    assert len(opened) == 1
    copy, _ = pickle.loads(pickle.dumps(env)).reset(options={"sequence": "Synthetic-0002", "start": 3})
    assert len(opened) == 2 and equal(first, copy)
