"""Wrappers that make environments ready for networks as they come, and policies of any id as trackers."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.datasets import synthetic
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.errors import InputError
from tracking_env.search import ready
from tracking_env.search.window import CELLS, TEMPLATE_CELLS
from tracking_env.trackers import run

pytestmark = pytest.mark.usefixtures("own_cache")
ARGUMENTS = {
    "OTBTrack-v0": {},
    "OTBTrackPixels-v0": {},
    "OTBTrackSearch-v0": {},
    "OTBTrackExperts-v0": {"experts": ["grey", "colour"]},
}


@pytest.fixture(scope="module")
def sequence():
    return synthetic.generate(5, 12, (160, 120))


def make(name, sequence, **more):
    arguments = {"sequences": [sequence], "split": "all", "clip_length": None}
    return gym.make(name, **arguments | ARGUMENTS[name] | more)


def wrap(name, sequence):
    env = SymmetricAction(make(name, sequence))
    return env if name == "OTBTrackPixels-v0" else FlatObservation(env)


def test_zero_stays_at_the_first_box_in_the_closed_loop(sequence):
    env = SymmetricAction(make("OTBTrackSearch-v0", sequence))
    _, info = env.reset(options={"start": 0})
    for _ in range(4):
        prediction = env.step(np.zeros(4, np.float32))[4]["prediction"]
        np.testing.assert_allclose(prediction, info["truth"], atol=1e-3)


def test_zero_is_the_middle_of_the_frame_elsewhere(sequence):
    env = SymmetricAction(make("OTBTrack-v0", sequence))
    env.reset()
    np.testing.assert_allclose(env.step(np.zeros(4, np.float32))[4]["prediction"], [41, 31, 80, 60])
    np.testing.assert_allclose(
        env.step(np.array([-0.5, 0, -0.9, 0], np.float32))[4]["prediction"], [37, 31, 8, 60], rtol=1e-5
    )


def test_the_action_moves_by_a_quarter_of_a_side_and_grows_by_a_twentieth(sequence):
    env = SymmetricAction(make("OTBTrackSearch-v0", sequence))
    _, info = env.reset(options={"start": 0})
    x, y, w, h = info["truth"]
    prediction = env.step(np.array([0.5, -1, 1, -1], np.float32))[4]["prediction"]
    np.testing.assert_allclose(prediction[2:], [w * np.exp(0.05), h * np.exp(-0.05)], rtol=1e-4)
    np.testing.assert_allclose(bx.centre(prediction)[:2], [x + w / 2 + w / 8, y + h / 2 - h / 4], rtol=1e-4)


def test_the_action_of_the_experts_does_not_change(sequence):
    env, alone = wrap("OTBTrackExperts-v0", sequence), make("OTBTrackExperts-v0", sequence)
    action = np.linspace(-1, 1, env.action_space.shape[0], dtype=np.float32)
    for reset_env in (env, alone):
        reset_env.reset(seed=0)
    np.testing.assert_array_equal(env.step(action)[0], alone.step(action)[0])


@pytest.mark.parametrize("name", ["OTBTrack-v0", "OTBTrackSearch-v0"])
def test_an_action_that_is_not_finite_is_refused(name, sequence):
    env = wrap(name, sequence)
    env.reset()
    for wrong in (np.array([np.nan, 0, 0, 0]), np.array([np.inf, 0, 0, 0]), np.zeros(3)):
        with pytest.raises(InputError, match="four finite numbers"):
            env.step(wrong)


@pytest.mark.parametrize("name", ["OTBTrack-v0", "OTBTrackSearch-v0", "OTBTrackExperts-v0"])
def test_flat_observations_are_vectors_of_the_space_and_of_size_one(name, sequence):
    env = wrap(name, sequence)
    observation, _ = env.reset(seed=0)
    for _ in range(5):
        assert observation.ndim == 1 and observation in env.observation_space and np.abs(observation).max() < 30
        observation = env.step(env.action_space.sample())[0]


def test_a_flat_frame_has_standard_features_the_box_and_whether_it_is_the_first(sequence):
    env, alone = wrap("OTBTrack-v0", sequence), make("OTBTrack-v0", sequence)
    first, location = env.reset(seed=0)[0], alone.reset(seed=0)[0]["location"]
    later = env.step(np.zeros(4, np.float32))[0]
    assert first.shape == (1536 + 5,)
    assert (first[:1536].mean(), first[:1536].std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-4))
    np.testing.assert_array_equal(first[1536:], [*location, 1])
    np.testing.assert_array_equal(later[1536:], np.zeros(5))


def test_pictures_are_not_flattened(sequence):
    with pytest.raises(InputError, match="pictures are not flattened; give them to a convolutional network"):
        FlatObservation(make("OTBTrackPixels-v0", sequence))


def test_the_cell_that_looks_like_the_target_is_the_most_similar():
    generator = np.random.default_rng(0)
    template, search = np.zeros((6, TEMPLATE_CELLS, TEMPLATE_CELLS)), np.zeros((6, CELLS, CELLS))
    template += generator.normal(size=6)[:, None, None]
    search += template[:, :1, :1]
    appearance = generator.normal(size=6)
    template[:, 3:5, 3:5] = appearance[:, None, None]
    search[:, 2, 11] = appearance  # row 2, column 11
    similar = ready.similarity(template, np.array([0.5, 0.5, 0.25, 0.25]), search)
    assert np.unravel_index(similar.argmax(), similar.shape) == (2, 11)
    assert similar[2, 11] == pytest.approx(1, abs=1e-6) and np.sort(similar.ravel())[-2] < 0


def test_the_expected_place_is_the_middle_of_alike_cells_and_the_best_of_others():
    similar = np.zeros((CELLS, CELLS))
    weights = ready.weigh(similar)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(ready.expected_place(weights), [0.5, 0.5])
    similar[2, 11] = 2
    np.testing.assert_allclose(ready.expected_place(ready.weigh(similar)), [11.5 / CELLS, 2.5 / CELLS], atol=1e-4)


@pytest.mark.parametrize("name", sorted(ARGUMENTS.keys() - {"OTBTrackSearch-v0"}))
def test_a_policy_as_a_tracker_predicts_the_boxes_that_it_predicts_in_the_environment(name, sequence):
    env = wrap(name, sequence)
    size, first = env.action_space.shape[0], env.reset(options={"start": 0})[0]
    weights = np.random.default_rng(1).normal(0, 0.01, (size, _numbers(first).size))

    def act(observation):
        return np.tanh(weights @ _numbers(observation)).astype(np.float32)

    observation, predictions = first, []
    for _ in range(len(sequence)):
        observation, *_, info = env.step(act(observation))
        predictions.append(info["prediction"])
    boxes = run(as_tracker(act, env), sequence).boxes
    np.testing.assert_allclose(boxes[1:], predictions[1:], atol=0.1)  # stored features are rounded to float16
    assert np.ptp(boxes, axis=0).max() > 0


def test_a_closed_loop_policy_as_a_tracker_sees_and_predicts_what_it_does_in_the_environment(sequence):
    env = wrap("OTBTrackSearch-v0", sequence)
    env.reset(options={"start": 0})
    actions = [np.zeros(4, np.float32)]  # a tracker is given the first box, where the environment asks for it
    observation, observations, predictions = env.step(actions[0])[0], [], []
    for _ in range(len(sequence) - 1):
        observations.append(observation)
        actions.append(np.array([observation[0] / ready.SHIFT, observation[1] / ready.SHIFT, 0, 0], np.float32))
        observation, *_, info = env.step(actions[-1])
        predictions.append(info["prediction"])
    seen = []

    # The same actions: a policy that acted anew would amplify rounding in the closed loop, in some runs visibly.
    def repeat(observation):
        seen.append(observation)
        return actions[len(seen) - 1]

    boxes = run(as_tracker(repeat, env), sequence).boxes
    np.testing.assert_allclose(boxes[1:], predictions, atol=1e-3)
    # OpenCV cuts at steps of 1/32 pixel, so the least rounding can move a crop. The frame before differs by over 0.1.
    np.testing.assert_allclose(seen[1:], observations, atol=0.05)
    assert np.ptp(boxes, axis=0)[:2].max() > 2


def test_a_wrapper_that_a_tracker_cannot_repeat_is_refused(sequence):
    env = gym.wrappers.TransformObservation(
        wrap("OTBTrack-v0", sequence), lambda seen: seen[:3], gym.spaces.Box(0, 1, (3,))
    )
    with pytest.raises(InputError, match="TransformObservation changes observations or actions"):
        as_tracker(lambda seen: np.zeros(4), env)
    as_tracker(lambda seen: np.zeros(4), gym.wrappers.RecordEpisodeStatistics(wrap("OTBTrack-v0", sequence)))


def test_a_space_keeps_what_it_is_of_when_it_is_saved(sequence):
    env = wrap("OTBTrackSearch-v0", sequence)
    for space in (env.observation_space, env.action_space):
        copy = pickle.loads(pickle.dumps(space))
        assert (copy, copy.kind) == (space, "window")


def _numbers(observation):
    """An observation of any id as one vector."""
    if isinstance(observation, dict):
        return np.concatenate([np.ravel(part) for part in observation.values()]) / 255
    return observation
