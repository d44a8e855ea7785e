import json
import shutil

import numpy as np
import pytest
import torch

from agents.arbiter import Arbiter, ArbiterConfig
from agents.checkpoints import arbiter as ac
from agents.checkpoints.base import restore
from agents.checkpoints.onnx_export import export_arbiter
from tracking_env.apps.default_tracker import choose_tracker
from tracking_env.datasets.synthetic import generate
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.search.ensemble import EnsembleTracker
from tracking_env.search.ensemble.trained import tracker as make_tracker
from tracking_env.search.experts import make_experts
from tracking_env.trackers.base import run
from tracking_env.trackers.checkpoint import kind_of
from tracking_env.trackers.onnx_policy import OnnxPolicy

EXPERTS = ["grey v1", "colour v1"]
RUN = {"data": {"features": "grey,colour", "weights": None}}
VIDEO = generate(5, 60, (160, 120))


def random_model(pausing=False):
    """A network with random weights, so that memory, residual, resets and pauses all affect its actions."""
    torch.manual_seed(1)
    model = Arbiter(44, 2, ArbiterConfig(8, 6), pausing).eval()
    for parameter in model.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    model.switches.bias.data[:] = 0
    return model


@pytest.fixture
def folder(tmp_path):
    path = ac.save(tmp_path / "000007", random_model(), EXPERTS, 7, RUN)
    ac.export(path)
    return path


def test_a_loaded_checkpoint_equals_the_saved_one(tmp_path):
    model = random_model(pausing=True)
    optimizer = torch.optim.Adam(model.parameters())
    outputs, _ = model(torch.randn(1, 3, 44))
    sum(part.sum() for part in outputs).backward()
    optimizer.step()
    for done in (1, 2, 10):
        path = ac.save_newest(tmp_path, model, EXPERTS, done, RUN, optimizer)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["000002", "000010"]
    loaded = ac.load(path)
    assert (loaded.experts, loaded.done, loaded.run, loaded.model.pausing) == (EXPERTS, 10, RUN, True)
    assert not loaded.model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[key])
    again = torch.optim.Adam(loaded.model.parameters())
    restore(again, loaded.model, loaded.optimizer)
    for before, after in zip(model.parameters(), loaded.model.parameters(), strict=True):
        assert all(torch.equal(value, again.state[after][key]) for key, value in optimizer.state[before].items())


@pytest.mark.parametrize("pausing", [False, True])
def test_the_exported_policy_tracks_as_its_network_over_a_whole_video(pausing):
    model, experts = random_model(pausing), make_experts(["grey", "colour"])
    exported = OnnxPolicy(export_arbiter(model))
    assert exported.size == (11 if pausing else 9)
    trackers = [EnsembleTracker(policy, experts, "", pausing) for policy in (model, exported)]
    for _ in range(2):  # the second episode starts without memory
        boxes = [run(tracker, VIDEO).boxes for tracker in trackers]
        np.testing.assert_allclose(*boxes, atol=1e-3)


def test_the_exported_policy_gives_other_boxes_without_its_state():
    model, rng = random_model(), np.random.default_rng(0)
    exported = OnnxPolicy(export_arbiter(model))
    observations = rng.normal(size=(20, 44)).astype(np.float32)
    state = torch_state = None
    forgetful = []
    for observation in observations:
        forgetful.append(exported.act(observation)[0])
        prediction, state = exported.predict(observation, state)
        expected, torch_state = model.act(observation, torch_state)
        np.testing.assert_allclose(prediction.action, expected, atol=1e-5)
        assert prediction.confidence == pytest.approx(expected[:2].max(), abs=1e-5)
    assert np.abs(forgetful[-1] - expected).max() > 0.01


def test_a_checkpoint_is_the_tracker_experts_with_a_confidence(folder):
    assert kind_of(json.loads((folder / "config.json").read_text())) == choose_tracker(folder).spec.name == "experts"
    tracker = TrackerSpec("experts", checkpoint=folder).make().live()
    tracker.init(VIDEO.frames[0], VIDEO.boxes[0])
    assert tracker.confidence == 1
    box = tracker.update(VIDEO.frames[1])
    assert box.shape == (4,) and 0 < tracker.confidence < 1
    assert tracker.id.startswith("000007 ") and tracker.id.endswith("grey v1, colour v1")


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experts": ["nanotrack-v3 x", "colour v1"]}, "nanotrack-v3 needs .*tracking-env download nanotrack-v3"),
        ({"experts": ["grey v0", "colour v1"]}, "was trained on grey v0, colour v1, not on grey v1, colour v1"),
        ({"experts": ["grey v1"]}, "the policy in .* observes .* wanted .*; type in a checkout: python train/export"),
        ({"experts": ["greyy v1", "colour v1"]}, "unknown expert 'greyy'"),
        ({"pausing": True}, "gives 9 numbers, wanted .* and 11; type in a checkout"),
        ({"experts": 3}, "damaged or of another version: its run is .*, its extractor 3"),
    ],
)
def test_a_tracker_that_cannot_be_made_is_a_one_line_error(folder, changes, message, own_cache):
    change_config(folder, **changes)
    with pytest.raises(InputError, match=message) as caught:
        make_tracker(folder)
    assert "\n" not in str(caught.value)


def test_missing_files_or_a_missing_policy_are_a_one_line_error(folder, own_cache):
    with pytest.raises(InputError, match=r"nanotrack-v3 needs .*tracking-env download nanotrack-v3"):
        make_tracker()
    (folder / "policy.onnx").unlink()
    with pytest.raises(InputError, match=r"has no policy\.onnx; type in a checkout: python train/export\.py"):
        make_tracker(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "pointing"}, r"it is no agent of train/experts\.py"),
        ({"pausing": 1}, "its pausing is 1"),
        ({"experts": []}, "it observes 44 numbers of 0 experts"),
        ({"observations": 41}, "it observes 41 numbers of 2 experts"),
        ({"observations": 46}, "its weights are not those of the network that it names"),
        ({"network": {"width": 8, "hidden": 6, "depth": 2}}, "damaged or of another version"),
    ],
)
def test_a_damaged_checkpoint_is_a_one_line_error(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(InputError, match=message) as caught:
        ac.load(folder)
    assert "\n" not in str(caught.value)


def test_export_writes_a_deleted_policy_again(folder, capsys):
    from train.export import main

    content = (folder / "policy.onnx").read_bytes()
    (folder / "policy.onnx").unlink()
    assert main([str(folder)]) == 0
    assert (folder / "policy.onnx").read_bytes() == content
    shutil.rmtree(folder)
    assert main([str(folder)]) == 2
