"""The exported policy.onnx gives the actions of the network over whole episodes, memory included."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from agents.checkpoints import drlt as checkpoint  # noqa: E402
from agents.checkpoints import onnx_export  # noqa: E402
from agents.checkpoints import region_agent as region_agent_checkpoint  # noqa: E402
from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from agents.region_agent import RegionAgent, RegionAgentConfig  # noqa: E402
from tracking_env.datasets.synthetic import generate  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.extractors import GridExtractor  # noqa: E402
from tracking_env.features.maps import make_maps  # noqa: E402
from tracking_env.registry import TrackerSpec  # noqa: E402
from tracking_env.search.window import WindowTracker  # noqa: E402
from tracking_env.trackers.base import PolicyTracker, run  # noqa: E402
from tracking_env.trackers.checkpoint import PRETRAINED  # noqa: E402
from tracking_env.trackers.onnx_policy import OnnxPolicy  # noqa: E402

VIDEO = generate(5, 60, (160, 120))
FEATURES = extract(GridExtractor(), VIDEO.frames)
REGION_AGENTS = [
    (RegionAgentConfig(width=4), False),
    (RegionAgentConfig(width=4), True),
    (RegionAgentConfig(width=4, memory=False), True),
    (RegionAgentConfig(width=4, correlation=False, look=False), False),
]


@pytest.fixture(scope="module")
def drlt():
    """A network that was trained to follow the target of `VIDEO`; an untrained one hardly uses its memory."""
    torch.manual_seed(0)
    model = DRLT(FEATURES.shape[1], DRLTConfig(observation=32, hidden=32))
    features, truth = torch.tensor(FEATURES)[None], torch.tensor(VIDEO.relative, dtype=torch.float32)[None]
    model.fit_normaliser(features[0])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    location = torch.zeros(1, len(VIDEO), 4)
    location[0, 0] = truth[0, 0]
    for _ in range(150):
        optimizer.zero_grad()
        (model(features, location)[0] - truth).abs().mean().backward()
        optimizer.step()
    return model.eval()


def region_observations(channels, proposals, count):
    """The observations of an episode of ``OTBTrackSearch-v0``."""
    rng = np.random.default_rng(0)
    template, target = rng.random((channels, 8, 8), np.float32), np.float32([0.5, 0.5, 0.4, 0.6])
    for _ in range(count):
        observation = {
            "search": rng.random((channels, 16, 16), np.float32),
            "template": template,
            "target": target,
            "location": rng.uniform(0.2, 0.6, 4).astype(np.float32),
            "zoom": rng.uniform(0.5, 2, 1).astype(np.float32),
        }
        if proposals:
            observation["proposals"] = rng.random((5, 16, 16), np.float32)
        yield observation


def drlt_observations():
    for at, features in enumerate(FEATURES):
        yield {"features": features, "location": VIDEO.relative[0].copy() if at == 0 else np.zeros(4, np.float32)}


def actions(policy, observations, forget=False):
    boxes, state = [], None
    for observation in observations:
        box, state = policy.act(observation, state)
        boxes.append(box)
        if forget:
            state = None
    return np.stack(boxes)


def test_an_exported_drlt_gives_the_same_boxes_over_a_whole_video(drlt):
    exported = OnnxPolicy(onnx_export.export_drlt(drlt))
    for _ in range(2):  # the second episode starts without memory
        np.testing.assert_allclose(
            actions(exported, drlt_observations()), actions(drlt, drlt_observations()), atol=1e-5
        )


def test_an_exported_drlt_with_keypoints_gives_the_same_boxes():
    torch.manual_seed(0)
    maps = torch.randn(12, 3 * 10 * 10)
    model = DRLT(maps.shape[1], DRLTConfig(observation=16, hidden=12, keypoints=4))
    model.fit_normaliser(maps)
    observations = [
        {"features": row.numpy(), "location": np.full(4, 0.5 * (at == 0), np.float32)} for at, row in enumerate(maps)
    ]
    exported = OnnxPolicy(onnx_export.export_drlt(model))
    np.testing.assert_allclose(actions(exported, observations), actions(model, observations), atol=1e-5)


def test_an_exported_drlt_gives_other_boxes_without_its_state(drlt):
    exported = OnnxPolicy(onnx_export.export_drlt(drlt))
    forgetful = actions(exported, drlt_observations(), forget=True)
    assert np.abs(forgetful - actions(drlt, drlt_observations())).max() > 0.01


def test_a_drlt_checkpoint_tracks_as_its_network(drlt, tmp_path):
    run_config = {"data": {"features": "grid", "weights": None}}
    optimizer = torch.optim.Adam(drlt.parameters())
    path = checkpoint.save(tmp_path, drlt, optimizer, GridExtractor.id, 1, run_config)
    checkpoint.export(path)
    boxes = TrackerSpec("drlt", checkpoint=path).make().track(VIDEO).boxes
    np.testing.assert_allclose(boxes, run(PolicyTracker(drlt, GridExtractor()), VIDEO).boxes, atol=2e-3)


@pytest.mark.parametrize(("config", "proposals"), REGION_AGENTS)
def test_an_exported_region_agent_gives_the_same_boxes_frame_by_frame(config, proposals):
    torch.manual_seed(0)
    model = RegionAgent(6, config, proposals).eval()
    for parameter in model.parameters():  # weights that start at 0 would hide errors of the graph
        parameter.data += 0.1 * torch.randn_like(parameter)
    exported = OnnxPolicy(onnx_export.export_region_agent(model))
    for _ in range(2):  # the second episode starts without memory
        state = torch_state = None
        for observation in region_observations(6, proposals, 30):
            prediction, state = exported.predict(observation, state)
            expected, torch_state = model.predict(observation, torch_state)
            np.testing.assert_allclose(prediction.action, expected.action, atol=1e-5)
            np.testing.assert_allclose(prediction.spread, expected.spread, atol=1e-5)
            np.testing.assert_allclose(state["memory"], torch_state.memory, atol=1e-4)
            np.testing.assert_allclose(state["velocity"], torch_state.velocity, atol=1e-4)


def test_the_shipped_region_agent_equals_an_export_of_its_weights():
    model = region_agent_checkpoint.load(PRETRAINED / "cells").model.eval()
    shipped = OnnxPolicy(PRETRAINED / "cells" / "policy.onnx")
    for policy in (shipped, OnnxPolicy(onnx_export.export_region_agent(model))):
        state = torch_state = None
        for observation in region_observations(model.channels, model.propose is not None, 20):
            prediction, state = policy.predict(observation, state)
            expected, torch_state = model.predict(observation, torch_state)
            np.testing.assert_allclose(prediction.action, expected.action, atol=1e-5)
            np.testing.assert_allclose(prediction.spread, expected.spread, atol=1e-5)


@pytest.mark.parametrize("seed", [5, 13])
def test_an_export_of_trained_weights_remembers_over_a_whole_video(seed):
    """The observations are those of the network's own run, so rounding does not grow through the loop."""
    model, video = region_agent_checkpoint.load(PRETRAINED / "cells").model.eval(), generate(seed, 60, (160, 120))
    noted = Noted(model)
    run(WindowTracker(noted, make_maps("cells")), video)
    exported = OnnxPolicy(onnx_export.export_region_agent(model))
    assert len(noted.observations) == len(video)
    np.testing.assert_allclose(actions(exported, noted.observations), noted.actions, atol=1e-5)
    # The test can fail only if the memory matters to this agent: without it the boxes are others.
    forgetful = actions(exported, noted.observations, forget=True)
    assert np.abs(forgetful - noted.actions).max() > 1e-3


class Noted:
    """A policy that notes its observations and actions."""

    def __init__(self, policy):
        self.policy, self.observations, self.actions = policy, [], []

    def act(self, observation, state):
        action, state = self.policy.act(observation, state)
        self.observations.append(observation)
        self.actions.append(action)
        return action, state


def test_the_shipped_agent_tracks_as_its_network():
    model = region_agent_checkpoint.load(PRETRAINED / "cells").model.eval()
    video = generate(13, 40, (320, 240))
    boxes = TrackerSpec("search").make().track(video).boxes
    # Rounding grows in a closed loop: each box moves the next search region.
    np.testing.assert_allclose(boxes, run(WindowTracker(model, make_maps("cells")), video).boxes, atol=0.5)


def test_a_graph_contains_no_path_of_the_exporting_machine():
    content = onnx_export.export_region_agent(RegionAgent(3, RegionAgentConfig(width=2)))
    assert b".py" not in content and str(Path.home()).encode() not in content
