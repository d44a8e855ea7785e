"""This version reads the files of the first version: run directories, checkpoints, a store of features."""

import shutil

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.datasets import synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.features.base import extract
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.registry import TrackerSpec

FIRST_VERSION = ROOT / "tests" / "fixtures" / "first-version"
CHECKPOINTS = {"drlt": "000002", "sb3": "000000080", "search": "000004"}


@pytest.fixture
def folder(tmp_path):
    """A copy of the files, which tests may change."""
    return shutil.copytree(FIRST_VERSION, tmp_path / "first-version")


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_an_older_run_tracks_the_same_boxes(folder, kind):
    pytest.importorskip("onnx")
    export = pytest.importorskip("train.export").main
    assert export([str(folder / kind)]) == 0
    assert (folder / kind / "checkpoints" / CHECKPOINTS[kind] / "policy.onnx").exists()
    video = synthetic.generate(100)
    boxes = TrackerSpec(kind, checkpoint=folder / kind).make().track(video).boxes
    # The run predicted from stored features, which are rounded to float16, and in the first frame too. In the closed
    # loop rounding grows from frame to frame.
    expected = read_boxes(folder / kind / "results" / "Synthetic-0100.txt")
    np.testing.assert_allclose(boxes[1:], expected[1:], atol=0.1 if kind == "search" else 0.05)


@pytest.mark.parametrize("kind", ["drlt", "sb3", "search"])
def test_an_older_run_can_be_resumed(folder, kind, monkeypatch, capsys):
    """The run is finished, so resuming it only tests and reports again."""
    torch = pytest.importorskip("torch")
    from train import reinforce, sb3, search

    torch.set_num_threads(1)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(folder / "cache"))
    data = ["--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--out", kind, "--resume"]
    flags = {
        "drlt": ["--observation", "4", "--hidden", "4", "--l1-epochs", "1", "--iou-epochs", "1"],
        # With the values of its preset, which has others today.
        "sb3": [
            *("--hidden", "4", "--envs", "2", "--env-steps", "80", "--evaluate-every", "40", "--sigma", "0.01"),
            *("--sigma-end", "None", "--lr", "3e-4", "--lr-end", "3e-5", "--reward-scale", "1", "--batch", "160"),
            *("--value-weight", "0.5"),
        ],
        "search": [
            *("--width", "2", "--warm-batch", "4", "--warm-steps", "2", "--crops", "1", "--clips", "1"),
            *("--episodes", "2", "--steps", "4", "--l1-updates", "1", "--iou-updates", "1"),
        ],
    }[kind]
    script = {"drlt": reinforce, "sb3": sb3, "search": search}[kind]
    before = read_boxes(folder / kind / "results" / "Synthetic-0100.txt")
    assert script.main([*data, *flags]) == 0, capsys.readouterr().err
    np.testing.assert_allclose(read_boxes(folder / kind / "results" / "Synthetic-0100.txt"), before, atol=1e-3)


def test_stored_features_of_an_older_run_are_reused(folder):
    class Grid(type(make_extractor("grid"))):
        def __call__(self, frames):
            raise AssertionError("extracted again")

    video = synthetic.generate(0)
    store = FeatureStore(Grid(), folder / "features")
    store.build([video], progress=False)
    expected = extract(make_extractor("grid"), [video.frames[index] for index in range(2)])
    np.testing.assert_allclose(store[video][:2], expected, atol=1e-3)
