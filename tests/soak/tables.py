"""Readers of result files of this project and other toolkits, and of the files from which an evaluation resumes."""

import io
import json
from pathlib import Path

import numpy as np

from tests.soak.parser import Parser
from tests.soak.sample_files import BOXES, encode_boxes, make_sequence
from tracking_env.evaluation import result_files, results_folder
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.scoring import score_folder
from tracking_env.evaluation.tasks import Task

RECORD = {"res": BOXES.tolist(), "type": "rect", "startFrame": 1, "fps": 20.0}
STARTS = b'{"Deer": [0]}'


def mat_file() -> bytes:
    from scipy.io import savemat

    file, cell = io.BytesIO(), np.empty((1, 1), dtype=object)
    cell[0, 0] = {"res": BOXES, "type": "rect", "startFrame": 1}
    savemat(file, {"results": cell})
    return file.getvalue()


def score(folder: Path) -> None:
    """Read results and score them, so that unusable results fail."""
    score_folder(folder, {"Deer": BOXES})


def resume(folder: Path) -> None:
    task = Task(folder / "T-tre", make_sequence(), "start-01", 1)
    results_folder.prepare_folder("mine", folder / "T-tre", [task])


PARSERS = {
    "result text": Parser("Deer.txt", (encode_boxes(BOXES),), score),
    "result times": Parser(
        "Deer_time.txt", (b"0.1\n0.2\n",), score, lambda folder: write_result(folder / "Deer.txt", BOXES)
    ),
    "result JSON": Parser("Deer.json", (json.dumps([RECORD]).encode(),), score),
    "result MAT": Parser("Deer_T.mat", (mat_file(),), score),
    "TRE starts": Parser(
        "T-tre/starts.json",
        (STARTS,),
        lambda folder: result_files.read_results(folder / "T-tre", ["Deer"]),
        lambda folder: write_result(folder / "T-tre" / "start-01" / "Deer.txt", BOXES),
    ),
    "TRE starts, to go on": Parser("T-tre/starts.json", (STARTS,), resume),
    "tracker.id": Parser("T-tre/tracker.id", (b"mine\n",), resume),
}
