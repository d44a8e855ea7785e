"""One run in two processes: it learns what one process learns, and ends as one."""

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

SCRIPT = str(ROOT / "train" / "reinforce.py")
# Videos of one group end at different times, and of the last group there is a single one: process 1 has nothing to do.
FLAGS = [
    *("--sequences", "synthetic:0-3", "--test-sequences", "synthetic:100", "--observation", "16", "--hidden", "8"),
    *("--steps", "20", "--l1-epochs", "2", "--iou-epochs", "1", "--device", "cpu", "--batch", "3"),
    *("--first-location", "video", "--baseline", "leave_one_out", "--reuse", "2"),
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def _learned(run: Path) -> dict[str, np.ndarray]:
    folder = newest(run / "checkpoints")
    return {
        f"{file.name} {key}": value for file in folder.glob("*.safetensors") for key, value in load_file(file).items()
    }


def _metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    assert main([*FLAGS, "--out", str(tmp_path / "one")]) == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", SCRIPT]
    done = subprocess.run([*start, *FLAGS, "--out", str(tmp_path / "two")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("DRLT (reinforce)") == 1, "process 0 alone reports"
    assert len(list((tmp_path / "two").glob("events.out.tfevents.*"))) == 1
    one, two = (_learned(tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key, wanted in one.items():  # Adam moves a weight by up to 1e-3 in one step; moments are as large as they are
        close = 1e-2 * float(np.abs(wanted).max()) if "optimizer" in key else 1e-4
        assert two[key] == pytest.approx(wanted, rel=0, abs=close), key
    for single, shared in zip(_metrics(tmp_path / "one"), _metrics(tmp_path / "two"), strict=True):
        assert shared == pytest.approx(single, rel=1e-4, abs=1e-6)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_what_fails_in_one_process_ends_all_with_one_line(tmp_path: Path) -> None:
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    started = []
    for rank, more in enumerate(([], ["--features", "yolo-nano-voc", "--weights", "none.weights"])):
        command = [sys.executable, SCRIPT, *FLAGS, *more, "--out", str(tmp_path / "run")]
        environment = os.environ | variables | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))  # type: ignore[call-overload]
    said = [one.communicate(timeout=600) for one in started]
    assert [one.returncode for one in started] == [2, 2]
    assert [line for out, _ in said for line in out.splitlines() if not line.startswith("[Gloo]")] == []  # torch 2.8's
    (line,) = "".join(err for _, err in said).splitlines()
    assert line.startswith("train/reinforce.py: error: no weights for yolo-nano-voc at none.weights")
    assert not (tmp_path / "run").exists()
