"""train/export.py: what it writes equals the weights, and --check tells another network from it."""

import re
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnx = pytest.importorskip("onnx")

from tracking_env.trackers.checkpoint import PRETRAINED  # noqa: E402
from train.export import main  # noqa: E402


@pytest.fixture
def agent(tmp_path):
    """A copy of an agent that comes with the package."""
    return shutil.copytree(PRETRAINED / "cells", tmp_path / "agent")


def test_the_shipped_agent_passes(agent, capsys):
    before = (agent / "policy.onnx").read_bytes()
    assert main([str(agent), "--check"]) == 0
    assert f"{agent / 'policy.onnx'} is the network of model.safetensors" in capsys.readouterr().out
    assert (agent / "policy.onnx").read_bytes() == before, "nothing is written"


def test_a_policy_that_is_another_network_is_found_and_replaced(agent, capsys):
    network = onnx.load(agent / "policy.onnx")
    (last,) = [node for node in network.graph.node if "box" in node.output]
    last.output[list(last.output).index("box")] = "honest"
    tenth = onnx.numpy_helper.from_array(np.full((1, 4), 0.1, np.float32), "tenth")
    network.graph.initializer.append(tenth)
    network.graph.node.append(onnx.helper.make_node("Add", ["honest", "tenth"], ["box"]))
    onnx.save(network, agent / "policy.onnx")
    assert main([str(agent), "--check"]) == 2
    error = capsys.readouterr().err
    difference = re.search(r"is another network than model\.safetensors: their predictions differ by ([\d.]+);", error)
    assert 0.09 < float(difference[1]) < 0.2  # of the second frame a little more
    assert error.count("\n") == 1
    assert main([str(agent)]) == 0
    assert main([str(agent), "--check"]) == 0


def test_a_published_agent_is_not_written_to(agent, monkeypatch, capsys):
    from tracking_env.clients import hub

    monkeypatch.setattr(hub, "local", lambda address: agent)
    assert main(["hf://me/agent"]) == 2
    assert "cannot be written to; add --check" in capsys.readouterr().err
    assert main(["hf://me/agent", "--check"]) == 0
