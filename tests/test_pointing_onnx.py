import numpy as np
import pytest

from agents import pointing_checkpoint as pc
from agents import pointing_onnx
from agents.pointing import Pointing, PointingConfig
from tracking_env import networks
from tracking_env.errors import InputError
from tracking_env.synthetic import generate
from tracking_env.tracker import run

CONFIGS = [
    (PointingConfig(width=4), False),
    (PointingConfig(width=4), True),
    (PointingConfig(width=4, memory=False), True),
    (PointingConfig(width=4, correlation=False, look=False), False),
]


def observations(model, count):
    """Of one episode."""
    rng = np.random.default_rng(0)
    template, target = rng.random((model.channels, 8, 8), np.float32), np.float32([0.5, 0.5, 0.4, 0.6])
    for _ in range(count):
        seen = {"search": rng.random((model.channels, 16, 16), np.float32), "template": template, "target": target}
        seen |= {"location": np.float32([0.5, 0.5, 0.2, 0.3]), "zoom": rng.uniform(0.5, 2, 1).astype(np.float32)}
        yield seen if model.propose is None else seen | {"proposals": rng.random((5, 16, 16), np.float32)}


@pytest.mark.parametrize(("config", "proposals"), CONFIGS)
def test_what_is_exported_says_the_same_frame_by_frame(tmp_path, config, proposals):
    model = Pointing(6, config, proposals).eval()
    pointing_onnx.export(model, tmp_path / "policy.onnx")
    exported = pointing_onnx.Exported(tmp_path / "policy.onnx", model)
    for _ in range(2):  # the second episode remembers nothing of the first
        state = carried = None
        for seen in observations(model, 4):
            wanted, state = model.say(seen, state)
            said, carried = exported.say(seen, carried)
            np.testing.assert_allclose(said.box, wanted.box, atol=1e-5)
            np.testing.assert_allclose(said.spread, wanted.spread, atol=1e-5)
    np.testing.assert_array_equal(exported.act(seen, carried)[0], exported.say(seen, carried)[0].box)


def test_the_file_knows_nothing_of_where_it_was_made(tmp_path):
    pointing_onnx.export(Pointing(3, PointingConfig(width=2)), tmp_path / "policy.onnx")
    content = (tmp_path / "policy.onnx").read_bytes()
    assert b".py" not in content and str(tmp_path).encode() not in content
    assert [path.name for path in tmp_path.iterdir()] == ["policy.onnx"]


@pytest.mark.parametrize("name", ["cells", "nanotrack-head"])
def test_those_that_come_with_the_code_are_their_weights(name):
    folder = pc.PRETRAINED / name
    model = pc.load(folder).model.eval()
    exported = pointing_onnx.Exported(folder / pointing_onnx.NAME, model)
    state = carried = None
    for seen in observations(model, 3):
        wanted, state = model.say(seen, state)
        said, carried = exported.say(seen, carried)
        np.testing.assert_allclose(said.box, wanted.box, atol=1e-5)


def test_the_tracker_takes_what_is_exported_where_it_can(monkeypatch):
    sequence = generate(13, 4, (320, 240))  # rounding grows: what is said moves what is seen
    quick = pc.tracker()
    assert isinstance(quick.policy, pointing_onnx.Exported)
    monkeypatch.setattr(networks, "ort", None)
    slow = pc.tracker()
    assert isinstance(slow.policy, Pointing) and slow.id == quick.id
    np.testing.assert_allclose(run(quick, sequence).boxes, run(slow, sequence).boxes, atol=0.1)


def test_a_damaged_file_is_one_line(tmp_path):
    path = pc.save(tmp_path / "one", Pointing(15, PointingConfig(width=4)), "cells-v1", 1, {})
    (path / pointing_onnx.NAME).write_bytes(b"no network")
    with pytest.raises(InputError, match=r"onnxruntime cannot read .*policy\.onnx") as caught:
        pc.tracker(path)
    assert "\n" not in str(caught.value)
    pointing_onnx.export(Pointing(15, PointingConfig(width=5)), path / pointing_onnx.NAME)
    with pytest.raises(InputError, match=r"policy\.onnx is not of the network beside it; delete it"):
        pc.tracker(path)
