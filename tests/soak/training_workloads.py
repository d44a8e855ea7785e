"""A small job of each training script, and the check of the files that it leaves."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.soak.contents import Contents, finished_files, read_store
from tracking_env.datasets.video import VideoFrames

DATA = ["--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--device", "cpu"]
FLAGS = {
    "training": [
        *(*DATA, "--observation", "8", "--hidden", "4", "--batch", "4", "--l1-epochs", "4", "--iou-epochs", "2"),
        *("--checkpoint-every", "1", "--evaluate-every", "2", "--baseline", "leave_one_out"),
    ],
    "search": [
        *(*DATA, "--width", "4", "--warm-batch", "4", "--warm-steps", "4", "--crops", "1", "--l1-updates", "1"),
        *("--iou-updates", "3", "--clips", "1", "--episodes", "2", "--steps", "2", "--checkpoint-every", "1"),
    ],
    "ppo": [*DATA, "--hidden", "8", "--envs", "2", "--env-steps", "80", "--evaluate-every", "20"],
    "sac": [
        *("--algo", "sac", *DATA, "--hidden", "8", "--envs", "2", "--env-steps", "80", "--evaluate-every", "20"),
        *("--batch", "8", "--random-steps", "10", "--buffer", "60"),
    ],
}


def training_job(name: str) -> Callable[[Path], int]:
    """A job that starts a run in its folder, or resumes the one there."""

    def run(folder: Path) -> int:
        from train import reinforce, sb3, search  # The other workloads need no torch.

        script = {"training": reinforce, "search": search}.get(name, sb3)
        flags = [*FLAGS[name], "--out", str(folder / "run"), "--store", str(folder / "store")]
        if (folder / "run" / "config.json").exists():
            flags.append("--resume")
        return script.main(flags)

    return run


def read_run(folder: Path) -> Contents:
    """The files of a run and of its feature store, after a check of all of them.

    Of an unfinished run only features and result files; of a finished one all but what differs between equal runs, such
    as times and the folder's name.
    """
    contents, run = read_store(folder), folder / "run"
    for path in [*(run / "checkpoints").glob("[0-9]*"), *(run / "best").glob("[0-9]*"), *run.glob("warm")]:
        check_checkpoint(path)
    for path in finished_files(run, "*.json"):
        json.loads(path.read_text())
    for path in finished_files(run, "*.mp4"):
        assert len(VideoFrames(path)) > 1
    for path in finished_files(run, "results/*.txt"):
        contents[f"results/{path.name}"] = path.read_bytes()
        assert np.loadtxt(path, delimiter=",").shape[1] == 4
    if (run / "report.json").exists():
        report = json.loads((run / "report.json").read_text())
        for key in ("fps", "seconds", "steps_per_second", "config"):
            report.pop(key, None)
        contents["report"] = json.dumps(report).encode()
        contents["metrics"] = (run / "metrics.jsonl").read_bytes()
        contents["overlay"] = (run / "overlay.mp4").read_bytes()
        for path in finished_files(run, "**/*.safetensors"):
            contents[str(path.relative_to(run))] = read_tensors(path)
    return contents


def check_checkpoint(folder: Path) -> None:
    from agents.checkpoints import drlt as checkpoint
    from agents.checkpoints import region_agent as region_agent_checkpoint
    from agents.checkpoints import sb3 as sb3_checkpoint

    config = json.loads((folder / "config.json").read_text())
    if "algorithm" in config:
        sb3_checkpoint.load(folder).policy()
    elif "agent" in config:
        region_agent_checkpoint.load(folder)
    else:
        checkpoint.load(folder)


def read_tensors(path: Path) -> bytes:
    """The tensors of a file in the order of their names; the file's own order is not fixed if tensors share memory."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return pickle.dumps([(name, file.get_tensor(name)) for name in sorted(file.keys())])
