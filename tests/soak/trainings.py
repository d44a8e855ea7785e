"""One small job of each training script, and what must hold of the files that it leaves."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.soak.folders import Content, finished, stored
from tracking_env.datasets.video import VideoFrames

DATA = ["--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--device", "cpu"]
FLAGS = {
    "training": [
        *(*DATA, "--observation", "8", "--hidden", "4", "--batch", "4", "--l1-epochs", "4", "--iou-epochs", "2"),
        *("--checkpoint-every", "1", "--evaluate-every", "2", "--baseline", "value"),
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


def train(name: str) -> Callable[[Path], int]:
    """A job that begins, or goes on with what there is."""

    def run(folder: Path) -> int:
        from train import reinforce, sb3, search  # here, for the other victims need no torch

        script = {"training": reinforce, "search": search}.get(name, sb3)
        begun = (folder / "run" / "config.json").exists()
        more = ["--out", str(folder / "run"), "--store", str(folder / "store"), *(["--resume"] if begun else [])]
        return script.main([*FLAGS[name], *more])

    return run


def trained(folder: Path) -> Content:
    """What a run is worth, but for what is of the moment: the clock, and the folder's name. Checks all other files."""
    from agents import checkpoint, pointing_checkpoint, sb3_checkpoint

    found, run = stored(folder), folder / "run"
    for path in [*(run / "checkpoints").glob("[0-9]*"), *(run / "best").glob("[0-9]*"), *run.glob("warm")]:
        kind = json.loads((path / "config.json").read_text())
        if "algorithm" in kind:
            sb3_checkpoint.load(path).policy()
        else:
            (pointing_checkpoint if "agent" in kind else checkpoint).load(path)
    for path in finished(run, "*.json"):
        json.loads(path.read_text())
    for path in finished(run, "*.mp4"):
        assert len(VideoFrames(path)) > 1
    for path in finished(run, "results/*.txt"):
        found[f"results/{path.name}"] = path.read_bytes()
        assert np.loadtxt(path, delimiter=",").shape[1] == 4
    if (run / "report.json").exists():
        report = json.loads((run / "report.json").read_text())
        moment = ("fps", "seconds", "steps_per_second", "config")
        kept = {key: value for key, value in report.items() if key not in moment}
        found |= {
            "report": json.dumps(kept).encode(),
            "metrics": (run / "metrics.jsonl").read_bytes(),
            "overlay": (run / "overlay.mp4").read_bytes(),
            **{str(path.relative_to(run)): tensors(path) for path in finished(run, "**/*.safetensors")},
        }
    return found


def tensors(path: Path) -> bytes:
    """What a file of tensors holds; the names of those that share memory stand in it in any order."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return pickle.dumps([(name, file.get_tensor(name)) for name in sorted(file.keys())])
