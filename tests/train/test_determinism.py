"""The same seed gives the same numbers. (The tests of resuming in test_train.py also compare two runs.)"""

import gymnasium as gym
import numpy as np
import pytest

import tracking_env  # noqa: F401  registers the ids
from tracking_env.datasets.synthetic import parse
from tracking_env.features.base import extract
from tracking_env.features.extractors import GridExtractor, make_extractor
from tracking_env.features.store import FeatureStore


def test_features_do_not_depend_on_the_number_of_threads(tmp_path):
    (sequence,) = parse("synthetic:3")
    few, many = (np.asarray(FeatureStore(GridExtractor(), tmp_path / str(jobs), jobs)[sequence]) for jobs in (1, 5))
    assert few.tobytes() == many.tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_features_of_a_network_are_equal_with_the_same_number_of_threads(threads, own_cache):
    torch = pytest.importorskip("torch")
    frames = [parse("synthetic:3")[0].frames[0]]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        # Random weights, and so the same ones each time; their description comes with the package.
        first, second = (extract(make_extractor("mobilenet-v2:2x2", "random", "cpu"), frames) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    assert first.tobytes() == second.tobytes() and first.std() > 0


@pytest.mark.filterwarnings("ignore:no root")
def test_vector_environments_of_the_same_seed_are_equal(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path))
    first, second = (gym.make_vec("OTBTrack-v0", num_envs=3, sequences="synthetic:0-1") for _ in range(2))
    seen = [first.reset(seed=5)[0], second.reset(seed=5)[0]]
    for _ in range(25):
        assert all(np.array_equal(seen[0][key], seen[1][key]) for key in ("features", "location"))
        boxes = np.random.default_rng(0).random((3, 4), dtype=np.float32)
        (seen[0], reward, *_), (seen[1], other, *_) = first.step(boxes), second.step(boxes)
        assert np.array_equal(reward, other)
    assert not np.array_equal(first.reset(seed=6)[0]["features"], second.reset(seed=5)[0]["features"])
    first.close(), second.close()
