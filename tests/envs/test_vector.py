"""The vector environment gives the same results as single environments."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as wrappers

from tests.helpers.comparing import different, equal
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.envs.vector import OTBTrackVectorEnv
from tracking_env.errors import InputError

MODES = list(AutoresetMode)
N = 5


def make_sequence(name, length, seed, unknown=()):
    """A sequence of noise with a growing box, and no true box in the unknown frames."""
    pixels = np.random.default_rng(seed).integers(0, 256, (length, 50, 100 + seed, 3), np.uint8)
    boxes = np.array([11.0, 6, 20, 20]) + np.arange(length)[:, None] * [2, 0, 1, 0]
    boxes[list(unknown)] = 0
    return Sequence(name, ArrayFrames(pixels), boxes)


@pytest.fixture(scope="module")
def sequences():
    return [make_sequence("a", 21, 1), make_sequence("b", 30, 2, unknown=(12, 13, 19)), make_sequence("short", 8, 3)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def make(sequences, store):
    def make(mode=AutoresetMode.NEXT_STEP, count=N, vectorization=None, **more):
        more = {"sequences": sequences, "store": store, "split": "unseen", "clip_length": 6} | more
        if vectorization is None:
            return gym.make_vec("OTBTrack-v0", num_envs=count, autoreset_mode=mode, **more)
        return gym.make_vec(
            "OTBTrack-v0", count, vectorization, vector_kwargs={"autoreset_mode": mode}, **more
        )  # fmt: skip

    return make


def actions(step, count=N):
    return np.random.default_rng(step).normal(0.5, 0.4, (count, 4)).astype(np.float32)


def test_make_vec_makes_the_vector_environment_by_default(make):
    envs = make()
    assert type(envs.unwrapped) is OTBTrackVectorEnv
    assert envs.num_envs == N and envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.spec.id == "OTBTrack-v0"
    assert envs.observation_space["features"].shape == (N, 1536) and envs.action_space.shape == (N, 4)


@pytest.mark.parametrize("features", ["grid", "pixels:40x50"])
@pytest.mark.parametrize("split", ["train", "unseen", "all"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_vector_environment_equals_single_environments_step_by_step(make, mode, split, features):
    vector, sync = (make(mode, vectorization=kind, split=split, features=features) for kind in (None, "sync"))
    assert isinstance(sync, SyncVectorEnv) and not isinstance(vector, SyncVectorEnv)
    assert equal(vector.reset(seed=3), sync.reset(seed=3))
    ends = 0
    for step in range(40):
        result, expected = (envs.step(actions(step)) for envs in (vector, sync))
        assert not different(result, expected), step
        assert result[0] in vector.observation_space
        ends += result[3].sum()
    assert ends > N
    assert equal(vector.reset(), sync.reset())


@pytest.mark.parametrize("clip_length", [1, None])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_clips_of_one_frame_or_the_whole_split_equal_single_environments(make, mode, clip_length):
    vector, sync = (make(mode, vectorization=kind, clip_length=clip_length) for kind in (None, "sync"))
    assert equal(vector.reset(seed=[9, 2, 2, 7, 5]), sync.reset(seed=[9, 2, 2, 7, 5]))
    for step in range(45):
        assert equal(vector.step(actions(step)), sync.step(actions(step)))


def test_without_autoreset_a_mask_selects_the_environments_to_reset(make):
    vector, sync = (make(AutoresetMode.DISABLED, vectorization=kind, clip_length=None) for kind in (None, "sync"))
    assert equal(vector.reset(seed=0), sync.reset(seed=0))
    masked = 0
    for step in range(40):
        result = vector.step(actions(step))
        assert equal(result, sync.step(actions(step)))
        if (over := result[3]).any():
            with pytest.raises(gym.error.ResetNeeded, match=r"environments \[.*\] are over; reset them by reset_mask"):
                vector.step(actions(step))
            seeds = {"seed": step} if step % 2 else {}
            copies = result[0]["location"].copy(), result[0]["features"].copy()
            resets = [envs.reset(options={"reset_mask": over, "length": 5}, **seeds) for envs in (vector, sync)]
            assert equal(*resets)
            assert equal(copies, (result[0]["location"], result[0]["features"])), "arrays returned before do not change"
            masked += 1
    assert masked > 3


def test_reset_options_choose_the_clips_of_all_environments(make):
    vector, sync = (make(vectorization=kind) for kind in (None, "sync"))
    for options in ({"sequence": "b", "start": 14}, {"length": 3}, {"sequence": "a", "length": None}):
        assert equal(vector.reset(seed=1, options=dict(options)), sync.reset(seed=1, options=dict(options)))
        for step in range(5):
            assert equal(vector.step(actions(step)), sync.step(actions(step)))


def test_environments_in_processes_give_the_same_numbers(make):
    vector, processes = make(count=2), make(count=2, vectorization="async")
    try:
        assert equal(vector.reset(seed=4), processes.reset(seed=4))
        for step in range(9):
            if step == 4:
                vector.set_attr("reward", "iou")
                processes.set_attr("reward", "iou")
            assert equal(vector.step(actions(step, 2)), processes.step(actions(step, 2)))
    finally:
        processes.close()


def test_setting_the_reward_switches_all_environments(make):
    envs = make()
    envs.reset(seed=0)
    _, reward, _, _, info = envs.step(actions(0))
    assert equal(reward, info["reward_l1"]) and envs.get_attr("reward") == ("l1",) * N
    for switch in (lambda: envs.set_attr("reward", ["iou"] * N), lambda: setattr(envs.unwrapped, "reward", "iou")):
        envs.unwrapped.reward = "l1"
        switch()
        _, reward, _, _, info = envs.step(actions(1))
        assert equal(reward, info["reward_iou"]) and not equal(reward, info["reward_l1"])
    with pytest.raises(InputError, match="unknown reward 'dice'"):
        envs.set_attr("reward", "dice")
    with pytest.raises(InputError, match="one reward for all environments"):
        envs.set_attr("reward", ["l1", "iou", "iou", "iou", "iou"])
    with pytest.raises(InputError, match="cannot set clip_length to 3"):
        envs.set_attr("clip_length", 3)


def test_each_environment_has_its_own_seed(make):
    envs = make()
    first = envs.reset(seed=[5, 6, 7, 8, 9])
    assert envs.np_random_seed == (5, 6, 7, 8, 9)
    assert equal(first, envs.reset(seed=5))
    assert equal(envs.reset(seed=[5, None, 7, None, 9])[0]["features"][[0, 2, 4]], first[0]["features"][[0, 2, 4]])
    unseeded = [make().reset()[1]["frame"].tolist() for _ in range(4)]
    assert len(set(map(tuple, unseeded))) > 1


def test_later_steps_do_not_change_returned_arrays(make):
    envs, copy = make(AutoresetMode.SAME_STEP), make(AutoresetMode.SAME_STEP)
    results = [envs.reset(seed=0)[0], *(envs.step(actions(step))[0] for step in range(14))]
    copy.reset(seed=0)
    for step in range(14):
        observation, reward, terminated, truncated, info = copy.step(actions(step))
        assert equal(observation, results[step + 1])
        for array in (*observation.values(), reward, terminated, truncated):
            array[:] = 1
        for key in ("truth", "frame", "prediction", "iou"):
            info.get(key, reward)[:] = 1


@pytest.mark.parametrize(
    "bad", [np.full((N, 4), np.nan), np.full((N, 4), np.inf), np.zeros((N, 3)), np.zeros((4, N)), "go", None]
)
def test_invalid_actions_are_an_input_error_and_take_no_step(make, bad):
    envs = make()
    _, info = envs.reset(seed=0)
    with pytest.raises(InputError, match="four finite numbers cx, cy, w, h"):
        envs.step(bad)
    assert equal(envs.step(actions(0))[4]["frame"], info["frame"])


def test_the_error_names_the_invalid_action_and_unused_actions_are_not_checked(make):
    envs = make(sequences=[make_sequence("a", 21, 1)])
    envs.reset(seed=0, options={"length": 1})
    wrong = actions(0)
    wrong[3, :2] = np.nan, np.inf
    with pytest.raises(InputError, match="for environment 3"):
        envs.step(wrong)
    assert envs.step(actions(0))[3].all()
    _, reward, _, truncated, info = envs.step(wrong)
    assert not reward.any() and not truncated.any() and "prediction" not in info


def test_a_step_before_reset_is_an_error(make):
    envs = make(render_mode="rgb_array")
    for call in (lambda: envs.step(actions(0)), envs.render):
        with pytest.raises(gym.error.ResetNeeded):
            call()
    with pytest.raises(gym.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True] + [False] * (N - 1))})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "num_envs is 0"),
        ({"mode": "SomeStep"}, "unknown autoreset_mode 'SomeStep'; choose one of NextStep, SameStep, Disabled"),
        ({"render_mode": "human"}, "many environments have rgb_array, or None"),
        ({"clip_lenght": 3}, r"unexpected keyword argument 'clip_lenght' \(did you mean 'clip_length'"),
        ({"num_env": 3}, r"unexpected keyword argument 'num_env' \(did you mean 'num_envs'"),
        ({"reward": "dice"}, "unknown reward 'dice'"),
    ],
)
def test_a_wrong_argument_is_an_input_error(make, arguments, message):
    with pytest.raises(InputError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": [1, 2]}, "got 2 seeds for 5 environments"),
        ({"options": {"reset_mask": [True] * N}}, "give a NumPy array of 5 bool"),
        ({"options": {"reset_mask": np.ones(3, bool)}}, "give a NumPy array of 5 bool"),
        ({"options": {"reset_mask": np.zeros(N, bool)}}, "names no environment"),
        ({"options": {"strat": 3}}, r"unknown reset option 'strat' \(did you mean 'start'"),
        ({"options": {"start": 3}}, "start 3 is outside"),
        ({"options": {"sequence": "b", "start": 19}}, "b has no true box in frame 19"),
    ],
)
def test_a_wrong_reset_is_an_input_error_and_the_episodes_continue(make, arguments, message):
    envs = make()
    _, info = envs.reset(seed=0)
    with pytest.raises(InputError, match=message):
        envs.reset(**arguments)
    assert equal(envs.step(actions(0))[4]["frame"], info["frame"])


def test_it_renders_the_same_pictures_as_single_environments(make):
    vector, sync = (make(vectorization=kind, render_mode="rgb_array") for kind in (None, "sync"))
    for envs in (vector, sync):
        envs.reset(seed=0)
    for step in range(8):
        assert equal(vector.render(), sync.render())
        for envs in (vector, sync):
            envs.step(actions(step))


def test_vector_wrappers_of_gymnasium_work(make):
    envs = wrappers.RescaleAction(wrappers.FlattenObservation(wrappers.RecordEpisodeStatistics(make())), -1, 1)
    observation, _ = envs.reset(seed=0)
    assert observation.shape == (N, 1540)
    total = np.zeros(N)
    for _ in range(6):
        _, reward, _, truncated, info = envs.step(np.zeros((N, 4), np.float32))
        total += reward
    assert truncated.any()
    assert info["episode"]["r"][truncated] == pytest.approx(total[truncated])


def test_a_pickled_vector_environment_continues_as_the_original(make):
    envs = make().unwrapped
    envs.reset(seed=0)
    envs.step(actions(0))
    copy = pickle.loads(pickle.dumps(envs))
    for step in range(9):
        assert equal(envs.step(actions(step)), copy.step(actions(step)))


def test_the_spec_makes_an_equal_vector_environment(make):
    envs = gym.make_vec("OTBTrack-v0", num_envs=3, sequences="synthetic:0-1", autoreset_mode="SameStep", clip_length=2)
    copy = gym.make_vec(envs.spec)
    assert copy.num_envs == 3 and copy.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert equal(envs.reset(seed=0), copy.reset(seed=0))
