"""What is killed: one small job each of every training, of extraction, evaluation and download.

Each job is one call of a command's `main` in a process of its own, into a folder of its own; typed again, it goes on.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.file_server import DATA, SHA256
from tests.soak.folders import Content, evaluated, fetched, stored
from tests.soak.trainings import FLAGS, train, trained
from tracking_env import cli
from tracking_env.features import download
from tracking_env.features.model_zoo import File

EXTRACT = ["extract", "--sequences", "synthetic:0-1"]
EVALUATE = ["evaluate", "--sequences", "synthetic:0", "--tracker", "static", "--protocol", "tre"]


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


@dataclass(frozen=True)
class Victim:
    """A job: ``run`` does it (or goes on), ``content`` checks each file of it that has its final name, and returns it.

    What is there of an unfinished job must be part of a finished one's, but for files that its end replaces. Only one
    of ``share`` kills is for it.
    """

    run: Callable[[Path], int]
    content: Callable[[Path], Content]
    share: int = 1


def victims(url: str) -> dict[str, Victim]:
    """All of them; the file to download is at ``url``."""
    return {
        **{name: Victim(train(name), trained, 1 if name == "training" else 5) for name in FLAGS},
        "extraction": Victim(extract, stored),
        "evaluation": Victim(evaluate, evaluated),
        "download": Victim(lambda folder: fetch(folder, url), fetched),
    }
