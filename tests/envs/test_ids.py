"""Properties of every registered id."""

import inspect
import subprocess
import sys
import warnings

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import tracking_env
from tracking_env.envs.synthetic_track import FIRST
from tracking_env.errors import InputError

IDS = ["OTBTrack-v0", "OTBTrackPixels-v0", "OTBTrackSearch-v0", "OTBTrackExperts-v0", "SyntheticTrack-v0"]
DRAWN = {"sequences": "synthetic:0-1"}
ARGUMENTS = {
    "OTBTrack-v0": DRAWN,
    "OTBTrackPixels-v0": DRAWN,
    "OTBTrackSearch-v0": DRAWN,
    "OTBTrackExperts-v0": DRAWN | {"experts": ["grey", "colour"]},
    "SyntheticTrack-v0": {},
}
"""What each needs to run without any file."""
HEADINGS = [
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Arguments",
    "Version History",
]
SYMMETRIC = (
    "We recommend you to use a symmetric and normalized Box action space (range=[-1, 1]) "
    "cf. https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html"
)
"""Stable-Baselines3 warns of this. Actions are relative boxes, so they lie in [0, 1]; RescaleAction changes that."""

NO_IMAGE = ("is an image but", "Treating image space", "The minimal resolution for an image")
"""It also takes the three-dimensional feature maps of OTBTrackSearch-v0 for images."""


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKING_ENV_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def make(name, **options):
    return gym.make(name, **ARGUMENTS[name] | options)


def roll(env, count, seed):
    """All results of ``count`` steps with one seed."""
    results = [env.reset(seed=seed)]
    for action in np.random.default_rng(seed).random((count, *env.action_space.shape), np.float32):
        results.append(env.step(action))
        if results[-1][3]:
            results.append(env.reset())
    return results


def test_no_other_ids_are_registered():
    assert [name for name, spec in gym.registry.items() if str(spec.entry_point).startswith("tracking_env")] == IDS


@pytest.mark.parametrize("name", IDS)
def test_the_docstring_has_the_headings_of_gymnasium_and_names_every_argument(name):
    single = type(make(name).unwrapped)
    page = inspect.getdoc(single)
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading != "Info"] == HEADINGS
    arguments = page.partition("## Arguments")[2].partition("## Version History")[0]
    for argument in inspect.signature(single).parameters.values():
        assert argument.kind is argument.VAR_KEYWORD or f"``{argument.name}``" in arguments, argument


@pytest.mark.parametrize("name", IDS)
def test_the_checker_of_gymnasium_passes_without_a_warning(name, shown):
    check_env(make(name).unwrapped)
    assert shown, "the checker also tests render modes"


@pytest.mark.parametrize("name", IDS)
def test_the_checker_of_gymnasium_passes_without_a_display(name, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(make(name).unwrapped)
    if sys.platform == "linux":
        assert caught and all("there is no display" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("name", sorted(name for name, needs in ARGUMENTS.items() if "sequences" in needs))
def test_without_a_folder_a_warning_names_the_id_and_the_drawn_sequences(name):
    arguments = {key: value for key, value in ARGUMENTS[name].items() if key != "sequences"}
    with pytest.warns(UserWarning, match=rf"{name} runs on drawn sequences \(synthetic:0-31\)") as caught:
        env = gym.make(name, **arguments)
    assert len(caught) == 1 and len(env.unwrapped.clips.sequences) == 32


def test_a_list_of_names_is_as_good_as_a_text():
    env = gym.make("OTBTrack-v0", sequences=["synthetic:0-1", "synthetic:5"])
    assert list(env.unwrapped.sequences) == ["Synthetic-0000", "Synthetic-0001", "Synthetic-0005"]
    with pytest.raises(InputError, match="sequences holds 7; give names, or Sequence objects"):
        gym.make("OTBTrack-v0", sequences=[7])


def test_register_envs_of_gymnasium_takes_the_package():
    gym.register_envs(tracking_env)


@pytest.mark.parametrize("name", IDS)
def test_the_checker_of_stable_baselines_gives_only_known_warnings(name):
    check = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check.check_env(make(name).unwrapped)
    unknown = {str(warning.message) for warning in caught} - {SYMMETRIC}
    if name == "OTBTrackSearch-v0":
        unknown = {message for message in unknown if not any(known in message for known in NO_IMAGE)}
    assert not unknown


@pytest.mark.parametrize("name", IDS)
def test_a_spec_makes_the_same_environment_after_a_round_trip_through_json(name):
    env = make(name, reward="iou", clip_length=3)
    copy = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert copy.spec.kwargs == env.spec.kwargs
    np.testing.assert_equal(roll(env, 7, seed=5), roll(copy, 7, seed=5))


@pytest.mark.parametrize("name", IDS)
def test_equal_seeds_give_equal_episodes_and_other_seeds_others(name):
    env, copy = make(name, clip_length=3), make(name, clip_length=3)
    first = roll(env, 10, seed=1)
    np.testing.assert_equal(first, roll(copy, 10, seed=1))
    np.testing.assert_equal(first, roll(env, 10, seed=1))
    others = [make(name, clip_length=3).reset(seed=seed)[1] for seed in range(2, 8)]
    assert any((info["sequence"], info["frame"]) != (first[0][1]["sequence"], first[0][1]["frame"]) for info in others)


@pytest.mark.parametrize("name", IDS)
def test_a_pickled_environment_continues_as_the_original(name):
    env = make(name, clip_length=4)
    env.reset(seed=1)
    actions = np.random.default_rng(0).random((4, *env.action_space.shape), np.float32)
    env.step(actions[0])
    copy = cloudpickle.loads(cloudpickle.dumps(env))
    for action in actions[1:]:
        np.testing.assert_equal(env.step(action), copy.step(action))
    np.testing.assert_equal(env.reset(), copy.reset())


def test_the_module_prefix_registers_in_a_fresh_interpreter_without_torch(tmp_path):
    code = (
        "import sys, gymnasium as gym\n"
        f"for name in {IDS}:\n"
        f"    more = dict({ARGUMENTS}[name])\n"
        f"    if name == 'OTBTrack-v0': more['store'] = {str(tmp_path / 'store')!r}\n"
        "    env = gym.make('tracking_env:' + name, **more)\n"
        "    env.reset(seed=0); env.step(env.action_space.sample())\n"
        "    gym.make_vec('tracking_env:' + name, num_envs=2, **more).reset(seed=0)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("extracting features when"), "tells why the first reset takes longer"


@pytest.mark.parametrize("name", IDS)
def test_an_unknown_argument_is_refused_with_the_nearest_name(name):
    with pytest.raises(InputError, match=r"unexpected keyword argument 'clip_lenght' \(did you mean 'clip_length'"):
        make(name, clip_lenght=3)
    with pytest.raises(InputError, match=r"unexpected keyword argument 'xyz'; the arguments are .*render_mode"):
        make(name, xyz="red")


VARIANTS = [  # 10,000 steps; where a frame is drawn or a store opened for each, fewer
    ("OTBTrack-v0", 4000, {"split": "train"}),
    ("OTBTrack-v0", 4000, {"split": "unseen", "clip_length": None, "reward": "iou"}),
    ("OTBTrack-v0", 1000, {"split": "all", "clip_length": 1}),
    ("OTBTrack-v0", 200, {"split": "train", "clip_length": 3, "reward": "iou", "features": "pixels:8x9"}),
    ("OTBTrackPixels-v0", 200, {"split": "train"}),
    ("OTBTrackPixels-v0", 200, {"split": "unseen", "rows": 20, "columns": 30}),
    ("OTBTrackPixels-v0", 100, {"split": "all", "reward": "iou"}),
    ("SyntheticTrack-v0", 200, {}),
    ("SyntheticTrack-v0", 100, {"features": "pixels:20x30", "length": 12, "size": (64, 48), "clip_length": None}),
]


@pytest.mark.parametrize(("name", "count", "arguments"), VARIANTS)
def test_ten_thousand_random_steps_stay_in_the_space(name, count, arguments):
    env = make(name, **arguments)
    generator = np.random.default_rng(0)
    space = env.observation_space
    observation, _ = env.reset(seed=0)
    ends = 0
    for action in generator.normal(0.5, 0.5, (count, 4)):
        assert observation in space
        observation, reward, terminated, over, info = env.step(action)
        assert np.isfinite(reward) and not terminated
        assert reward == info[f"reward_{arguments.get('reward', 'l1')}"]
        if over:
            ends += 1
            assert observation in space
            observation, _ = env.reset()
    assert ends > 3


def test_synthetic_episodes_never_repeat_a_sequence_or_draw_a_named_one():
    env = make("SyntheticTrack-v0", length=12, clip_length=2)
    names = [env.reset(seed=0)[1]["sequence"], *(env.reset()[1]["sequence"] for _ in range(20))]
    assert len(set(names)) == 21
    assert all(int(name.removeprefix("Synthetic-")) >= FIRST for name in names)


def test_observations_of_synthetic_environments_equal_their_sequence():
    env = make("SyntheticTrack-v0", features="pixels:24x32", clip_length=3)
    observation, info = env.reset(seed=3)
    drawn = tracking_env.datasets.synthetic.generate(int(info["sequence"].removeprefix("Synthetic-")))
    assert np.array_equal(info["truth"], drawn.boxes[info["frame"]])
    copy = make("SyntheticTrack-v0", features="pixels:24x32", clip_length=3)
    assert np.array_equal(copy.reset(seed=3)[0]["features"], observation["features"])
    with pytest.raises(InputError, match="cannot draw seed"):
        make("SyntheticTrack-v0", length=0)
    with pytest.raises(InputError, match="clip_length is 0"):
        make("SyntheticTrack-v0", clip_length=0)


@pytest.mark.parametrize("name", IDS)
def test_make_vec_makes_every_id(name):
    envs = gym.make_vec(name, num_envs=2, **ARGUMENTS[name], clip_length=2)
    alone = [make(name, clip_length=2).reset(seed=seed)[0] for seed in (4, 5)]
    observation, _ = envs.reset(seed=4)
    for number, single in enumerate(alone):
        if isinstance(single, dict):
            assert all(np.array_equal(observation[key][number], single[key]) for key in single)
        else:
            assert np.array_equal(observation[number], single)
