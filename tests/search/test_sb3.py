"""Models that Stable-Baselines3 saved, of every environment, as trackers."""

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from tracking_env.datasets import synthetic
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.trackers import run

pytestmark = pytest.mark.usefixtures("own_cache")
SEQUENCE = synthetic.generate(5, 14, (160, 120))
ARGUMENTS = {
    "OTBTrack-v0": {},
    "OTBTrackSearch-v0": {},
    "OTBTrackExperts-v0": {"experts": ["grey", "colour"]},
}


def make(name):
    env = gym.make(name, sequences=[SEQUENCE], split="all", clip_length=5, reward="iou", **ARGUMENTS[name])
    return FlatObservation(SymmetricAction(env))


def train(env, steps=16):
    return PPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu").learn(steps)


def tracker(path, **options):
    return TrackerSpec("sb3", checkpoint=path, trust=True, **options).make().live()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_model_on_ready_spaces_is_recognised_and_predicts_as_in_the_environment(name, tmp_path):
    env = make(name)
    model = train(env)
    model.save(tmp_path / "model.zip")
    options = {"features": "grey,colour"} if name == "OTBTrackExperts-v0" else {}
    boxes = run(tracker(tmp_path / "model.zip", **options), SEQUENCE).boxes
    expected = run(as_tracker(lambda seen: model.predict(seen, deterministic=True)[0], env), SEQUENCE).boxes
    np.testing.assert_allclose(boxes, expected, atol=1e-6)
    assert np.ptp(boxes, axis=0).max() > 0


def test_a_model_of_normalised_observations_is_refused_without_their_statistics_and_right_with_them(tmp_path):
    env = make("OTBTrackSearch-v0")
    normalised = VecNormalize(DummyVecEnv([lambda: env]))
    model = train(normalised)
    path = tmp_path / "model.zip"
    model.save(path)
    with pytest.raises(InputError, match=r"VecNormalize normalised.*vec_env.save\('.*vecnormalize.pkl'\)"):
        tracker(path)
    normalised.save(str(tmp_path / "vecnormalize.pkl"))

    def act(seen):
        return model.predict(normalised.normalize_obs(seen), deterministic=True)[0]

    raw = run(as_tracker(lambda seen: model.predict(seen, deterministic=True)[0], env), SEQUENCE).boxes
    boxes = run(tracker(path), SEQUENCE).boxes
    np.testing.assert_allclose(boxes, run(as_tracker(act, env), SEQUENCE).boxes, atol=1e-6)
    assert np.abs(boxes - raw).max() > 0.1, "the statistics make a difference"


def test_statistics_that_cannot_be_read_are_an_input_error(tmp_path):
    train(VecNormalize(DummyVecEnv([lambda: make("OTBTrackSearch-v0")]))).save(tmp_path / "model.zip")
    (tmp_path / "vecnormalize.pkl").write_bytes(b"text")
    with pytest.raises(InputError, match="cannot read the statistics"):
        tracker(tmp_path / "model.zip")


def test_a_decision_among_other_experts_is_refused(tmp_path):
    train(make("OTBTrackExperts-v0")).save(tmp_path / "model.zip")
    with pytest.raises(InputError, match=r"decides among 2 experts, and grey names 1; .* `features`"):
        tracker(tmp_path / "model.zip", features="grey")
    with pytest.raises(InputError, match="`features` are one of cells, nanotrack, nanotrack-head"):
        train(make("OTBTrackSearch-v0")).save(tmp_path / "window.zip")
        tracker(tmp_path / "window.zip", features="grid")
