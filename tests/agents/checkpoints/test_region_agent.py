import json

import numpy as np
import pytest
import torch

from agents.checkpoints import region_agent as pc
from agents.checkpoints.base import restore
from agents.region_agent import RegionAgent, RegionAgentConfig
from tracking_env.datasets.synthetic import generate
from tracking_env.errors import InputError
from tracking_env.features.maps import make_maps
from tracking_env.search.trained import tracker as tracker_of
from tracking_env.search.window import WindowTracker
from tracking_env.trackers.checkpoint import PRETRAINED

MAPS = make_maps("cells").id
RUN = {"data": {"features": "cells", "weights": None}}


def trained(steps=2):
    torch.manual_seed(0)
    model = RegionAgent(15, RegionAgentConfig(width=4))
    optimizer = torch.optim.Adam(model.last_layers(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        state = model.begin(torch.randn(1, 15, 8, 8), torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
        location, zoom = torch.tensor([[0.5, 0.5, 0.2, 0.2]]), torch.ones(1, 1)
        model.decide(torch.randn(1, 15, 16, 16), location, state, zoom).mean.sum().backward()
        optimizer.step()
    return model, optimizer


def test_a_loaded_checkpoint_equals_the_saved_one(tmp_path):
    model, optimizer = trained()
    path = pc.save_newest(tmp_path, model, MAPS, 7, RUN, optimizer)
    loaded = pc.load(path)
    assert (loaded.maps, loaded.done, loaded.run) == (MAPS, 7, RUN)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.model.parameters(), strict=True))
    again = torch.optim.Adam(loaded.model.last_layers(), lr=1e-2)
    restore(again, loaded.model, loaded.optimizer)
    for a, b in zip(model.last_layers(), loaded.model.last_layers(), strict=True):
        assert optimizer.state[a].keys() == again.state[b].keys()
        assert all(torch.equal(value, again.state[b][key]) for key, value in optimizer.state[a].items())


def test_the_newest_two_are_kept(tmp_path):
    model, optimizer = trained()
    for done in (1, 2, 10):
        pc.save_newest(tmp_path, model, MAPS, done, RUN, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000002", "000010"]


def test_a_checkpoint_is_a_tracker(tmp_path):
    model, _ = trained()
    path = pc.save(tmp_path / "one", model, MAPS, 1, RUN)
    pc.export(path)
    tracker, sequence = tracker_of(path), generate(0, length=3)
    tracker.init(sequence.frames[0], sequence.boxes[0])
    box = tracker.update(sequence.frames[1])
    assert box.shape == (4,) and np.isfinite(box).all() and (box[2:] > 0).all()
    assert tracker.id.startswith("one ") and tracker.id.endswith(MAPS)


@pytest.mark.parametrize("glance", [True, False])
def test_a_configuration_with_a_removed_option_loads(tmp_path, glance):
    model, _ = trained()
    path = pc.save(tmp_path / "one", model, MAPS, 1, RUN | {"glance": glance})
    pc.export(path)
    assert tracker_of(path).id.endswith(MAPS)


def test_the_spread_is_the_weighted_deviation_of_the_cells_in_pixels():
    tracker, sequence = tracker_of(), generate(13, 3, (320, 240))
    model = pc.load(PRETRAINED / "cells").model.eval()
    plain = WindowTracker(model, tracker.windows.maps)
    for window_tracker in (tracker, plain):
        window_tracker.init(sequence.frames[0], sequence.boxes[0])
    assert tracker.spread is None
    side = plain.region[2]
    observation = plain.observe(sequence.frames[1])
    inputs = {name: torch.from_numpy(array)[None] for name, array in observation.items()}
    with torch.no_grad():
        decision, _ = model(**inputs, state=plain.state)
    weights = np.exp(decision.scores[0].numpy().astype(float))
    boxes = decision.boxes[0].numpy().astype(float) * side
    middle = np.average(boxes, axis=1, weights=weights)
    expected = np.sqrt(np.average((boxes - middle[:, None]) ** 2, axis=1, weights=weights))
    np.testing.assert_allclose(tracker.update(sequence.frames[1]), plain.update(sequence.frames[1]), atol=1e-2)
    np.testing.assert_allclose(tracker.spread, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: (path / "config.json").write_text("{}"), "it is no agent of train/search.py"),
        (lambda path: (path / "config.json").write_text("nothing"), "holds no JSON object"),
        (lambda path: (path / "model.safetensors").write_bytes(b"x" * 40), "damaged or of another version"),
        (lambda path: (path / "model.safetensors").unlink(), "cannot read the checkpoint|damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, change, message):
    path = pc.save(tmp_path / "one", trained()[0], MAPS, 1, RUN)
    change(path)
    with pytest.raises(InputError, match=message) as caught:
        pc.load(path)
    assert "\n" not in str(caught.value)


def test_feature_maps_other_than_those_of_training_are_refused(tmp_path):
    path = pc.save(tmp_path / "one", trained()[0], "cells-v0", 1, RUN)
    with pytest.raises(InputError, match=r"was trained on cells-v0, not on cells-v1; give the weights"):
        tracker_of(path)


def test_weights_of_another_width_are_refused(tmp_path):
    path = pc.save(tmp_path / "one", trained()[0], MAPS, 1, RUN)
    config = json.loads((path / "config.json").read_text())
    config["network"]["width"] = 5
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="damaged or of another version"):
        pc.load(path)
