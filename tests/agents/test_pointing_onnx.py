from pathlib import Path

import numpy as np
import pytest

from agents import pointing_checkpoint as pc
from agents import pointing_onnx
from agents.pointing import Pointing, PointingConfig
from tracking_env.datasets.synthetic import generate
from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.trackers.base import run

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'tracking-env[onnx]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'tracking-env[train]'")

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
def test_what_is_exported_says_the_same_frame_by_frame(config, proposals):
    model = Pointing(6, config, proposals).eval()
    exported = pointing_onnx.Exported(pointing_onnx.export(model), model)
    for _ in range(2):  # the second episode remembers nothing of the first
        state = carried = None
        for seen in observations(model, 4):
            wanted, state = model.say(seen, state)
            said, carried = exported.say(seen, carried)
            np.testing.assert_allclose(said.box, wanted.box, atol=1e-5)
            np.testing.assert_allclose(said.spread, wanted.spread, atol=1e-5)
    np.testing.assert_array_equal(exported.act(seen, carried)[0], exported.say(seen, carried)[0].box)


def test_it_says_nothing_of_where_it_was_made():
    content = pointing_onnx.export(Pointing(3, PointingConfig(width=2)))
    assert b".py" not in content and str(Path.home()).encode() not in content


@pytest.mark.parametrize("name", ["cells", "nanotrack-head"])
def test_those_that_come_with_the_code_are_their_weights(name):
    folder = pc.PRETRAINED / name
    model = pc.load(folder).model.eval()
    exported = pointing_onnx.Exported((folder / pc.EXPORTED).read_bytes(), model)
    state = carried = None
    for seen in observations(model, 3):
        wanted, state = model.say(seen, state)
        said, carried = exported.say(seen, carried)
        np.testing.assert_allclose(said.box, wanted.box, atol=1e-5)


def test_the_tracker_takes_what_is_exported_where_it_can(monkeypatch):
    sequence = generate(13, 4, (320, 240))  # rounding grows: what is said moves what is seen
    quick = pc.tracker()
    assert isinstance(quick.policy, pointing_onnx.Exported)
    monkeypatch.setattr(onnx_inference, "ONNXRUNTIME", False)
    slow = pc.tracker()
    assert isinstance(slow.policy, Pointing) and slow.id == quick.id
    np.testing.assert_allclose(run(quick, sequence).boxes, run(slow, sequence).boxes, atol=0.1)


def test_what_is_exported_lies_in_the_checkpoint(tmp_path):
    path = pc.save(tmp_path / "one", Pointing(15, PointingConfig(width=4)), "cells-v1", 1, {})
    assert isinstance(pc.tracker(path).policy, Pointing)
    pc.export(path)
    assert sorted(one.name for one in path.iterdir()) == ["config.json", "model.safetensors", "policy.onnx"]
    assert isinstance(pc.tracker(path).policy, pointing_onnx.Exported)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"no network", "onnxruntime cannot read it"),
        (lambda: pointing_onnx.export(Pointing(15, PointingConfig(width=5))), "it is not of the network beside it"),
    ],
    ids=["damaged", "another network"],
)
def test_a_file_that_is_no_use_is_one_line(tmp_path, content, message):
    path = pc.save(tmp_path / "one", Pointing(15, PointingConfig(width=4)), "cells-v1", 1, {})
    (path / pc.EXPORTED).write_bytes(content())
    with pytest.raises(InputError, match=rf"cannot use .*policy\.onnx: {message}.*; delete it") as caught:
        pc.tracker(path)
    assert "\n" not in str(caught.value)
