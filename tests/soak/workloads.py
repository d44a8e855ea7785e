"""The jobs that the fault injection disturbs: each training script, several commands and the demo, in small.

A job is one call of a command's `main` into a folder. A second call with the same folder resumes the job.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from tests.helpers.file_server import DATA, SHA256
from tests.soak import demo
from tests.soak.contents import Contents, read_download, read_evaluation, read_report, read_store, read_tracked
from tests.soak.training_workloads import FLAGS, read_run, training_job
from tracking_env import cli
from tracking_env.datasets import synthetic
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import write_result
from tracking_env.features import download
from tracking_env.features.model_zoo import File

EXTRACT = ["extract", "--sequences", "synthetic:0-1"]
SEED = 7
SEQUENCE = synthetic.generate(SEED, 60, (160, 120))
_FOLDER = tempfile.TemporaryDirectory(prefix="tracking-env-soak-")  # deleted when this process ends
INPUTS = Path(_FOLDER.name)
EVALUATE = ["evaluate", "--sequences", "synthetic:0", "--tracker", "static", "--protocol", "tre"]


def extract(folder: Path) -> int:
    return cli.main([*EXTRACT, "--store", str(folder / "store")])


def evaluate(folder: Path, jobs: int = 1) -> int:
    return cli.main([*EVALUATE, "--out", str(folder / "results"), "--jobs", str(jobs)])


def track(folder: Path) -> int:
    box = ",".join(map(str, SEQUENCE.boxes[0].tolist()))
    flags = ["--box", box, "--tracker", "mil", "--out", str(folder / "tracked")]
    return cli.main(["track", "--video", str(INPUTS / "video"), *flags])


def report(folder: Path) -> int:
    flags = ["--sequences", f"synthetic:{SEED}", "--out", str(folder / "report"), "--gallery", "1"]
    return cli.main(["report", str(INPUTS / "mil"), str(INPUTS / "static"), *flags])


def write_inputs() -> None:
    """Write the video to track, and the results to report on, outside the folders of the jobs."""
    (INPUTS / "video").mkdir(exist_ok=True)
    for index in range(30):
        cv2.imwrite(str(INPUTS / "video" / f"{index:04d}.png"), SEQUENCE.frames[index])
    for tracker, shift in (("mil", 2.0), ("static", 9.0)):
        write_result(INPUTS / tracker / f"{SEQUENCE.name}.txt", SEQUENCE.boxes + shift)


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
    write_inputs()
    workloads = {name: Workload(training_job(name), read_run, 1 if name == "training" else 5) for name in FLAGS}
    return workloads | {
        "extraction": Workload(extract, read_store),
        "evaluation": Workload(evaluate, read_evaluation),
        "tracking": Workload(track, read_tracked),
        "report": Workload(report, read_report, 20),
        "demo": Workload(demo.show, demo.read_answer, 10),
        "download": Workload(lambda folder: fetch(folder, url), read_download),
    }
