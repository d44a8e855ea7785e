"""The jobs that the fault injection disturbs: each training script, extraction, evaluation and download, in small.

A job is one call of a command's `main` into a folder. A second call with the same folder resumes the job.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from tests.helpers.file_server import DATA, SHA256
from tests.soak.contents import Contents, read_download, read_evaluation, read_report, read_store, read_tracked
from tests.soak.training_workloads import FLAGS, read_run, training_job
from tracking_env import cli
from tracking_env.datasets import synthetic
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import write_result
from tracking_env.features import download
from tracking_env.features.model_zoo import File
from tracking_env.files import write_atomically

EXTRACT = ["extract", "--sequences", "synthetic:0-1"]
SEED = 7
SEQUENCE = synthetic.generate(SEED, 60, (160, 120))
PICTURES = [cv2.imencode(".png", SEQUENCE.frames[index])[1].tobytes() for index in range(30)]
EVALUATE = ["evaluate", "--sequences", "synthetic:0", "--tracker", "static", "--protocol", "tre"]


def extract(folder: Path) -> int:
    return cli.main([*EXTRACT, "--store", str(folder / "store")])


def evaluate(folder: Path, jobs: int = 1) -> int:
    return cli.main([*EVALUATE, "--out", str(folder / "results"), "--jobs", str(jobs)])


def track(folder: Path) -> int:
    """Track a target in a video that lies beside the results."""
    video = folder / "video"
    if not video.exists():
        with write_atomically(video) as partial:
            partial.mkdir()
            for number in range(30):
                (partial / f"{number:04d}.png").write_bytes(PICTURES[number])
    box = ",".join(map(str, SEQUENCE.boxes[0].tolist()))
    return cli.main(
        ["track", "--video", str(video), "--box", box, "--tracker", "mil", "--out", str(folder / "tracked")]
    )


def report(folder: Path) -> int:
    """Make a page of results that lie beside it."""
    for tracker in ("mil", "static"):
        write_result(folder / tracker / f"{SEQUENCE.name}.txt", SEQUENCE.boxes)
    flags = ["--sequences", f"synthetic:{SEED}", "--out", str(folder / "report"), "--gallery", "1"]
    return cli.main(["report", str(folder / "mil"), str(folder / "static"), *flags])


def fetch(folder: Path, url: str) -> int:
    """Download a file as ``tracking-env download`` does, from a server on this machine."""
    try:
        download.fetch(File("a.weights", (url,), len(DATA), SHA256), folder / "weights")
    except InputError as error:
        print(f"tracking-env: error: {error}", file=sys.stderr)
        return 2
    return 0


@dataclass(frozen=True)
class Workload:
    """One kind of job.

    Attributes:
        run: does the job in a folder, or resumes it; returns the exit code.
        read: checks the job's finished files and returns them. Those of an unfinished job must be among those of a
            finished one, but for files that the job replaces at its end.
        fewer_kills: divides the number of kills, for slow jobs.
    """

    run: Callable[[Path], int]
    read: Callable[[Path], Contents]
    fewer_kills: int = 1


def make_workloads(url: str) -> dict[str, Workload]:
    """All workloads by name.

    Args:
        url: address of the file to download.
    """
    workloads = {name: Workload(training_job(name), read_run, 1 if name == "training" else 5) for name in FLAGS}
    return workloads | {
        "extraction": Workload(extract, read_store),
        "evaluation": Workload(evaluate, read_evaluation),
        "tracking": Workload(track, read_tracked),
        "report": Workload(report, read_report, 5),
        "download": Workload(lambda folder: fetch(folder, url), read_download),
    }
