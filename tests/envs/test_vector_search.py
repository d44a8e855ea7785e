"""The vector environment of OTBTrackSearch-v0 gives the same results as single environments."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tests.helpers.comparing import different, equal
from tests.helpers.episodes import decoded_video
from tracking_env.envs.vector import OTBTrackSearchVectorEnv
from tracking_env.errors import InputError
from tracking_env.features.maps import make_maps

N = 3
SEQUENCES = [decoded_video(3, 9, (160, 120)), decoded_video(5, 13, (120, 160), unknown=(2, 4, 5))]


def make(mode=AutoresetMode.NEXT_STEP, vectorization=None, **more):
    more = {"sequences": SEQUENCES, "split": "all", "clip_length": 4} | more
    if vectorization is None:
        return gym.make_vec("OTBTrackSearch-v0", num_envs=N, autoreset_mode=mode, **more)
    return gym.make_vec("OTBTrackSearch-v0", N, vectorization, vector_kwargs={"autoreset_mode": mode}, **more)


def actions(step, spread=0.1):
    """Boxes around the middle of the region; some lie outside, and are clipped."""
    return np.random.default_rng(step).normal([0.5, 0.5, 0.25, 0.25], spread, (N, 4)).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"template": "video", "jitter": 0.2}, {"lost_after": 2, "clip_length": None}])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_it_equals_single_environments_step_by_step(mode, options):
    vector, sync = (make(mode, kind, **options) for kind in (None, "sync"))
    assert isinstance(vector.unwrapped, OTBTrackSearchVectorEnv) and isinstance(sync, SyncVectorEnv)
    assert not different(vector.reset(seed=3), sync.reset(seed=3))
    ends = np.zeros(2, int)
    for step in range(20):
        result, expected = (envs.step(actions(step, 0.3)) for envs in (vector, sync))
        assert not different(result, expected), step
        ends += result[2].sum(), result[3].sum()
    assert ends[0] > N if "lost_after" in options else ends[1] > N
    assert not different(vector.reset(options={"start": 1}), sync.reset(options={"start": 1}))


def test_without_autoreset_a_mask_selects_the_environments_to_reset():
    vector, sync = (make(AutoresetMode.DISABLED, kind, clip_length=None, jitter=0.1) for kind in (None, "sync"))
    assert not different(vector.reset(seed=1), sync.reset(seed=1))
    masked = 0
    for step in range(26):
        result = vector.step(actions(step))
        assert not different(result, sync.step(actions(step))), step
        if (over := result[3]).any():
            copies = {name: values.copy() for name, values in result[0].items()}
            resets = [envs.reset(options={"reset_mask": over, "length": 3}) for envs in (vector, sync)]
            assert not different(*resets)
            assert equal(copies, result[0]), "arrays returned before do not change"
            masked += not over.all()
    assert masked > 2


def test_equal_seeds_and_options_start_equal_episodes():
    envs = make(jitter=0.2, clip_length=None)
    observation, info = envs.reset(seed=[5, 5, 6], options={"sequence": SEQUENCES[1].name, "start": 1})
    for values in (*observation.values(), info["region"]):
        assert np.array_equal(values[0], values[1])
    assert np.array_equal(observation["template"][0], observation["template"][2])
    assert not np.array_equal(info["region"][0], info["region"][2])


def test_the_spaces_hold_the_observations():
    envs = make()
    assert envs.observation_space["search"].shape == (N, 15, 16, 16) and envs.action_space.shape == (N, 4)
    assert envs.observation_space.contains(envs.reset(seed=0)[0])


def test_invalid_actions_take_no_step_and_those_of_new_episodes_are_not_checked():
    envs = make(clip_length=1)
    envs.reset(seed=0)
    wrong = actions(0)
    wrong[2, 3] = np.nan
    for bad in (wrong, np.zeros((N, 3)), "go"):
        with pytest.raises(InputError, match="four finite numbers"):
            envs.step(bad)
    assert envs.step(actions(0))[3].all()
    observation, reward, _, truncated, _ = envs.step(wrong)
    assert not reward.any() and not truncated.any() and np.isfinite(observation["search"]).all()


@pytest.mark.otb
def test_with_networks_and_real_video_too(otb_root, nanotrack):
    maps = make_maps("nanotrack-head", nanotrack)
    options = {"root": otb_root, "sequences": "Human7,Suv", "features": maps, "jitter": 0.1}
    vector, sync = (make(AutoresetMode.SAME_STEP, kind, **options) for kind in (None, "sync"))
    assert not different(vector.reset(seed=0), sync.reset(seed=0))
    for step in range(9):
        assert not different(vector.step(actions(step)), sync.step(actions(step))), step
