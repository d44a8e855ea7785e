"""The vector environment of OTBTrackExperts-v0 gives the same results as single environments."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tests.helpers.comparing import different, equal
from tests.helpers.episodes import decoded_video
from tracking_env.envs.vector import OTBTrackExpertsVectorEnv
from tracking_env.errors import InputError
from tracking_env.search.ensemble import Team
from tracking_env.search.experts import make_expert

N = 3
EXPERTS = [make_expert(name) for name in ("grey", "colour")]


SEQUENCES = [decoded_video(3, 9, (160, 120)), decoded_video(5, 13, (120, 160), unknown=(2, 4, 5))]


def make(mode=AutoresetMode.NEXT_STEP, vectorization=None, **more):
    more = {"sequences": SEQUENCES, "experts": EXPERTS, "split": "all", "clip_length": 4} | more
    if vectorization is None:
        return gym.make_vec("OTBTrackExperts-v0", num_envs=N, autoreset_mode=mode, **more)
    return gym.make_vec("OTBTrackExperts-v0", N, vectorization, vector_kwargs={"autoreset_mode": mode}, **more)


def actions(step, size):
    """Actions with resets, scans and pauses; some lie outside the space, and are clipped."""
    return np.random.default_rng(step).normal(0, 0.7, (N, size)).astype(np.float32)


@pytest.mark.parametrize("cost", [0.0, 0.01])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_it_equals_single_environments_step_by_step(mode, cost):
    vector, sync = (make(mode, kind, cost=cost) for kind in (None, "sync"))
    assert isinstance(vector.unwrapped, OTBTrackExpertsVectorEnv) and isinstance(sync, SyncVectorEnv)
    size = vector.single_action_space.shape[0]
    assert size == (11 if cost else 9)
    assert equal(vector.reset(seed=3), sync.reset(seed=3))
    ends = 0
    for step in range(12):
        result, expected = (envs.step(actions(step, size)) for envs in (vector, sync))
        assert not different(result, expected), step
        assert vector.observation_space.contains(result[0])
        ends += result[3].sum()
    assert ends >= 2 * N
    assert equal(vector.reset(options={"start": 1}), sync.reset(options={"start": 1}))


def test_without_autoreset_a_mask_selects_the_environments_to_reset():
    vector, sync = (make(AutoresetMode.DISABLED, kind, clip_length=None) for kind in (None, "sync"))
    assert equal(vector.reset(seed=1), sync.reset(seed=1))
    masked = 0
    for step in range(26):
        result = vector.step(actions(step, 9))
        assert not different(result, sync.step(actions(step, 9))), step
        if (over := result[3]).any():
            resets = [envs.reset(options={"reset_mask": over, "length": 3}) for envs in (vector, sync)]
            assert not different(*resets)
            masked += not over.all()
    assert masked > 2


def test_episodes_of_one_clip_read_and_start_it_once(monkeypatch):
    envs, starts, start = make(clip_length=None), [], Team.start
    monkeypatch.setattr(Team, "start", lambda team, *args: starts.append(args) or start(team, *args))
    envs.reset(seed=0, options={"sequence": SEQUENCES[0].name, "start": 2})
    ((_, frames, _),) = starts
    assert frames[0] is frames[1] is frames[2]


def test_a_pause_is_paid_back_to_its_environment_alone():
    envs = make(cost=0.01, clip_length=None)
    _, info = envs.reset(seed=0, options={"sequence": SEQUENCES[0].name, "start": 0})
    pause = np.zeros((N, 11), np.float32)
    pause[1, 9] = -1
    envs.step(pause)
    _, reward, _, _, info = envs.step(pause)
    assert info["reward_iou"] - reward == pytest.approx([0.01, 0.005, 0.01])  # 0.5 ms each


def test_invalid_actions_take_no_step_and_those_of_new_episodes_are_not_checked():
    envs = make(clip_length=1)
    envs.reset(seed=0)
    wrong = np.zeros((N, 9), np.float32)
    wrong[2, 3] = np.nan
    for bad in (wrong, np.zeros((N, 4)), "go"):
        with pytest.raises(InputError, match="9 finite numbers"):
            envs.step(bad)
    assert envs.step(np.zeros((N, 9)))[3].all()
    observation, reward, _, truncated, _ = envs.step(wrong)
    assert not reward.any() and not truncated.any() and np.isfinite(observation).all()


def test_later_steps_do_not_change_returned_arrays():
    envs = make()
    before, _ = envs.reset(seed=0)
    copy = before.copy()
    first = envs.step(actions(0, 9))
    boxes = first[4]["expert_boxes"].copy()
    envs.step(actions(1, 9))
    assert equal(before, copy) and equal(first[4]["expert_boxes"], boxes)


def test_unknown_arguments_are_refused():
    with pytest.raises(InputError, match=r"'expert' \(did you mean 'experts'"):
        make(expert=["grey"])


@pytest.mark.otb
def test_with_networks_and_real_video_too(otb_root, expert_files):
    experts = [make_expert(name, [expert_files]) for name in ("nanotrack-v3", "fear-xs")]
    options = {"root": otb_root, "sequences": "Human7,Suv", "experts": experts}
    vector, sync = (make(AutoresetMode.SAME_STEP, kind, **options) for kind in (None, "sync"))
    assert not different(vector.reset(seed=0), sync.reset(seed=0))
    for step in range(6):
        assert not different(vector.step(actions(step, 9)), sync.step(actions(step, 9))), step
