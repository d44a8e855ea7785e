import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import DummyVecEnv

from agents import sb3_env
from agents.sb3_env import SB3VecEnv
from tracking_env.datasets import synthetic
from tracking_env.errors import InputError

COUNT = 3


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    drawn = [synthetic.generate(seed, length=15) for seed in range(3)]
    return {"sequences": drawn, "store": tmp_path_factory.mktemp("store"), "clip_length": 4}


def single(id="OTBTrack-v0", **options):
    env = gym.make(id, **options)
    high = np.ones(env.action_space.shape, np.float32)
    return gym.wrappers.RescaleAction(env, -high, high)


def equal(first, second):
    """Deep equality; NaN equals itself."""
    if isinstance(second, dict):
        assert first.keys() == second.keys()
        for key in second:
            equal(first[key], second[key])
    else:
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("id", ["OTBTrack-v0", "OTBTrackSearch-v0", "OTBTrackExperts-v0"])
def test_it_equals_dummy_vec_env_step_by_step(options, id):
    if id != "OTBTrack-v0":  # they store no features
        more = {"experts": ["grey", "colour"]} if id == "OTBTrackExperts-v0" else {}
        options = {"sequences": options["sequences"], "clip_length": 4} | more
    ours, theirs = sb3_env.make(COUNT, id, **options), DummyVecEnv([lambda: single(id, **options)] * COUNT)
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space
    rng = np.random.default_rng(0)
    ours.seed(5), theirs.seed(5)
    equal(ours.reset(), theirs.reset())
    equal(dict(enumerate(ours.reset_infos)), dict(enumerate(theirs.reset_infos)))
    ends = 0
    for _ in range(10):
        actions = rng.uniform(-1, 1, (COUNT, *ours.action_space.shape)).astype(np.float32)
        (seen, rewards, dones, infos), (seen2, rewards2, dones2, infos2) = ours.step(actions), theirs.step(actions)
        equal(seen, seen2)
        np.testing.assert_allclose(rewards, rewards2, rtol=1e-6)
        assert rewards.dtype == rewards2.dtype == np.float32
        assert dones.dtype == bool
        equal(dones, dones2)
        for info, info2 in zip(infos, infos2, strict=True):
            equal(info, info2)
        equal(dict(enumerate(ours.reset_infos)), dict(enumerate(theirs.reset_infos)))
        ends += dones.sum()
    assert ends == 2 * COUNT, "clips of four frames ended, and new ones began"


def test_the_last_step_of_a_clip_reports_truncation_and_its_last_observation(options):
    env = sb3_env.make(COUNT, **options)
    env.reset()
    for step in range(4):
        seen, _, dones, infos = env.step(np.zeros((COUNT, 4), np.float32))
        assert dones.all() == (step == 3)
        assert all(info["TimeLimit.truncated"] is (step == 3) for info in infos)
    for index, info in enumerate(infos):
        assert info["iou"] >= 0, "the info belongs to the step, not to the next clip"
        assert not info["terminal_observation"]["location"].any()
        assert seen["location"][index].any(), "the next clip has begun"


def test_set_reward_switches_all_environments(options):
    env = sb3_env.make(COUNT, render_mode="rgb_array", **options)
    env.reset()
    env.set_attr("reward", "iou")
    assert env.get_attr("reward") == ["iou"] * COUNT
    _, rewards, _, infos = env.step(np.zeros((COUNT, 4), np.float32))
    np.testing.assert_allclose(rewards, [info["reward_iou"] for info in infos], rtol=1e-6)
    with pytest.raises(InputError, match="changed as a whole"):
        env.set_attr("reward", "l1", indices=[0])
    assert env.env_is_wrapped(gym.Wrapper) == [False] * COUNT
    assert len(env.env_method("render")) == COUNT


def test_actions_are_rescaled_to_the_range_of_the_environment(options):
    env = sb3_env.make(COUNT, **options)
    env.reset()
    box = np.array([0.5, 0.25, 0.75, 0.5], np.float32)
    _, _, _, infos = env.step(np.repeat(2 * box[None] - 1, COUNT, axis=0))
    wide, high = 160, 120
    x, y, w, h = infos[0]["prediction"]
    assert (w / wide, h / high) == pytest.approx((0.75, 0.5))
    assert ((x - 1) / wide + w / wide / 2, (y - 1) / high + h / high / 2) == pytest.approx((0.5, 0.25))


def test_reset_options_reach_the_environments(options):
    env = sb3_env.make(COUNT, **options)
    env.set_options({"sequence": "Synthetic-0002"})
    env.reset()
    assert {info["sequence"] for info in env.reset_infos} == {"Synthetic-0002"}
    env.set_options([{"start": 0}, {"start": 1}, {"start": 2}])
    with pytest.raises(InputError, match="one set of reset options"):
        env.reset()


def test_another_autoreset_mode_is_refused(options):
    env = gym.vector.SyncVectorEnv(
        [lambda: gym.make("OTBTrack-v0", **options)] * 2, autoreset_mode=AutoresetMode.NEXT_STEP
    )
    with pytest.raises(InputError, match="give SAME_STEP"):
        SB3VecEnv(env)


def test_ends_by_the_time_limit_are_marked_unless_told_otherwise(options):
    marks = {}
    for marked in (True, False):
        env = sb3_env.make(1, mark_truncated=marked, **options)
        env.seed(0), env.reset()
        steps = [env.step(np.zeros((1, 4), np.float32)) for _ in range(4)]
        assert [dones[0] for _, _, dones, _ in steps] == [False] * 3 + [True]
        marks[marked] = [infos[0]["TimeLimit.truncated"] for *_, infos in steps]
    assert marks == {True: [False] * 3 + [True], False: [False] * 4}


def test_scaled_rewards_are_the_environments_times_a_factor(options):
    plain, scaled = sb3_env.make(1, **options), sb3_env.ScaledReward(sb3_env.make(1, **options), 10.0)
    plain.seed(0), scaled.seed(0), plain.reset(), scaled.reset()
    actions = np.zeros((1, 4), np.float32)
    (_, rewards, _, infos), (_, tenfold, _, same) = plain.step(actions), scaled.step(actions)
    assert tenfold == pytest.approx(10 * rewards) and tenfold.dtype == np.float32
    assert same[0]["reward_l1"] == infos[0]["reward_l1"]
