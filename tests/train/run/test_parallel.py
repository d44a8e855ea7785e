"""A run in two processes gives the weights of one process, and both processes end together."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.helpers.paths import ROOT
from tracking_env.trackers.checkpoint import newest
from train.reinforce import main

CHECKED_MAIN = """
import sys
import weakref

import torch.distributed as dist

from train.reinforce import main

groups = []
init_process_group = dist.init_process_group


def note_group(*args, **keywords):
    init_process_group(*args, **keywords)
    groups.append(weakref.ref(dist.group.WORLD))


dist.init_process_group = note_group
code = main()
(group,) = groups
assert group() is None, "threads of the process group run while Python shuts down"
sys.exit(code)
"""
# The videos of a group end at different times, and the last group has a single one: process 1 is idle.
FLAGS = [
    *("--sequences", "synthetic:0-3", "--test-sequences", "synthetic:100", "--observation", "16", "--hidden", "8"),
    *("--steps", "20", "--l1-epochs", "2", "--iou-epochs", "1", "--device", "cpu", "--batch", "3"),
    *("--first-location", "video", "--baseline", "leave_one_out", "--reuse", "2"),
]


@pytest.fixture(autouse=True)
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the training script in its own environment, and check that no process group is left at its end."""
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = tmp_path / "checked_main.py"
    path.write_text(CHECKED_MAIN)
    return str(path)


def _weights(run: Path) -> dict[str, np.ndarray]:
    tensors = {}
    for file in newest(run / "checkpoints").glob("*.safetensors"):
        for key, value in load_file(file).items():
            tensors[f"{file.name} {key}"] = value
    return tensors


def _metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_learn_the_weights_of_one(tmp_path: Path, script: str) -> None:
    assert main([*FLAGS, "--out", str(tmp_path / "one")]) == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    done = subprocess.run([*start, *FLAGS, "--out", str(tmp_path / "two")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("DRLT (reinforce)") == 1, "only process 0 reports"
    assert len(list((tmp_path / "two").glob("events.out.tfevents.*"))) == 1
    alone, shared = (_weights(tmp_path / name) for name in ("one", "two"))
    assert alone.keys() == shared.keys()
    for key, expected in alone.items():
        # Adam moves a weight by up to 1e-3 in one step. Its moments may have any size.
        tolerance = 1e-2 * float(np.abs(expected).max()) if "optimizer" in key else 1e-4
        assert shared[key] == pytest.approx(expected, rel=0, abs=tolerance), key
    for expected, metrics in zip(_metrics(tmp_path / "one"), _metrics(tmp_path / "two"), strict=True):
        assert metrics == pytest.approx(expected, rel=1e-4, abs=1e-6)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_failure_in_one_process_ends_all_with_a_one_line_error(tmp_path: Path, script: str) -> None:
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    processes = []
    for rank, more in enumerate(([], ["--features", "yolo-nano-voc", "--weights", "none.weights"])):
        command = [sys.executable, script, *FLAGS, *more, "--out", str(tmp_path / "run")]
        environment = os.environ | variables | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment, **pipes))  # type: ignore[call-overload]
    outputs = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [2, 2], outputs
    for out, _ in outputs:  # torch 2.8 prints lines of gloo
        assert all(line.startswith("[Gloo]") for line in out.splitlines())
    (line,) = "".join(err for _, err in outputs).splitlines()
    assert line.startswith("train/reinforce.py: error: no weights for yolo-nano-voc at none.weights")
    assert not (tmp_path / "run").exists()
