"""What is killed: one small job each of training, extraction, evaluation and download, and what must hold of its files.

Each job is one call of a command's `main` in a process of its own, into a folder of its own; typed again, it goes on.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.test_download import DATA, SHA256
from tracking_env import cli, download
from tracking_env.files import PARTIAL
from tracking_env.store import FeatureStore
from tracking_env.video import VideoFrames
from tracking_env.zoo import File

TRAIN = ["--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--device", "cpu"]
TRAIN += ["--observation", "8", "--hidden", "4", "--batch", "4", "--l1-epochs", "4", "--iou-epochs", "2"]
TRAIN += ["--checkpoint-every", "1", "--evaluate-every", "2", "--baseline", "value"]
EXTRACT = ["extract", "--sequences", "synthetic:0-1"]
EVALUATE = ["evaluate", "--sequences", "synthetic:0", "--tracker", "static", "--protocol", "tre"]
Content = dict[str, bytes]


def train(folder: Path) -> int:
    """Begin, or go on with what there is."""
    from train import reinforce  # here, for the others need no torch

    begun = (folder / "run" / "config.json").exists()
    more = ["--out", str(folder / "run"), "--store", str(folder / "store"), *(["--resume"] if begun else [])]
    return reinforce.main([*TRAIN, *more])


def extract(folder: Path) -> int:
    return cli.main([*EXTRACT, "--store", str(folder / "store")])


def evaluate(folder: Path, jobs: int = 1) -> int:
    return cli.main([*EVALUATE, "--out", str(folder / "results"), "--jobs", str(jobs)])


def fetch(folder: Path, url: str) -> int:
    """As ``tracking-env download`` does, of a file that a server on this machine has."""
    try:
        download.fetch(File("a.weights", (url,), len(DATA), SHA256), folder / "weights")
    except download.InputError as error:
        print(f"tracking-env: error: {error}", file=sys.stderr)
        return 2
    return 0


def finished(folder: Path, pattern: str) -> list[Path]:
    """The files that have their final names."""
    return [one for one in folder.glob(pattern) if one.is_file() and not one.name.startswith(PARTIAL)]


def trained(folder: Path) -> Content:
    """What a run is worth, but for what is of the moment: the clock, and the folder's name. Checks all other files."""
    from agents import checkpoint

    found, run = stored(folder), folder / "run"
    for path in (run / "checkpoints").glob("[0-9]*"):
        checkpoint.load(path)
    for path in finished(run, "*.json"):
        json.loads(path.read_text())
    for path in finished(run, "*.mp4"):
        assert len(VideoFrames(path)) > 1
    for path in finished(run, "results/*.txt"):
        found[f"results/{path.name}"] = path.read_bytes()
        assert np.loadtxt(path, delimiter=",").shape[1] == 4
    if (run / "report.json").exists():
        report = json.loads((run / "report.json").read_text())
        kept = {key: report[key] for key in ("mean", "sequences", "lines", "epochs")}
        newest = checkpoint.newest(run / "checkpoints")
        found |= {
            "report": json.dumps(kept).encode(),
            "metrics": (run / "metrics.jsonl").read_bytes(),
            "overlay": (run / "overlay.mp4").read_bytes(),
            **{name: (newest / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")},
        }
    return found


def stored(folder: Path) -> Content:
    """Features and what is said of them."""
    found = {}
    for path in finished(folder / "store", "*"):
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(found[path.name])
        else:
            assert path.with_suffix(".json").exists(), f"{path.name} is of unknown origin"
            np.load(path).sum()
    assert FeatureStore.HEADER in found or len(found) == 0
    return found


def evaluated(folder: Path) -> Content:
    """Boxes; of the seconds only that there are as many."""
    found = {}
    for path in finished(folder / "results", "**/*.*"):
        found[str(path.relative_to(folder))] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.name.endswith("_time.txt"):
            found[str(path.relative_to(folder))] = str(np.loadtxt(path).shape).encode()
    return found


def fetched(folder: Path) -> Content:
    """The file, checked by its sum."""
    path = folder / "weights" / "a.weights"
    if not path.exists():
        return {}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return {path.name: path.read_bytes()}


@dataclass(frozen=True)
class Victim:
    """A job: ``run`` does it (or goes on), ``content`` checks each file of it that has its final name, and returns it.

    What is there of an unfinished job must be part of a finished one's, but for files that its end replaces.
    """

    run: Callable[[Path], int]
    content: Callable[[Path], Content]


def victims(url: str) -> dict[str, Victim]:
    """All of them; the file to download is at ``url``."""
    return {
        "training": Victim(train, trained),
        "extraction": Victim(extract, stored),
        "evaluation": Victim(evaluate, evaluated),
        "download": Victim(lambda folder: fetch(folder, url), fetched),
    }
