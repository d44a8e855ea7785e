"""Results of VOT's multi-start protocol in the files of its toolkit, so that either can score the runs of the other.

``TRACKER/baseline/NAME/NAME_00000050.txt`` holds the run from the anchor in frame 50 (0-based), in the run's order: a
``1`` for the first frame, then a box ``x,y,w,h`` a line whose first pixel is 0. ``NAME_00000050_time.value`` holds
seconds per frame (votchallenge/toolkit, ``vot/tracker/results.py``). The toolkit writes text with
``VOT_RESULTS_BINARY=false``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.box_files import read_rows
from tracking_env.errors import InputError, option
from tracking_env.evaluation.result_index import BASELINE
from tracking_env.files import write_atomically


def run_path(folder: Path, name: str, anchor: int) -> Path:
    """The file of the run of a sequence from an anchor (0-based), in the folder of a tracker."""
    return folder / BASELINE / name / f"{name}_{anchor:08d}.txt"


def times_path(folder: Path, name: str, anchor: int) -> Path:
    """The file of its seconds per frame."""
    return folder / BASELINE / name / f"{name}_{anchor:08d}_time.value"


def write_run(path: Path, boxes: np.ndarray) -> None:
    """Write pixel boxes ``(T, 4)`` of one run, whole or not at all; the first is not written, as it was given."""
    with write_atomically(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write("1\n")
        np.savetxt(file, bx.to_zero_based(boxes[1:]), fmt="%.4f", delimiter=",")


def read_run(path: Path) -> np.ndarray:
    """Read pixel boxes ``(T, 4)`` of one run; rows that are codes (the start, an unknown place) are NaN.

    Raises:
        InputError: the file cannot be read, or holds polygons or masks.
    """
    if not path.is_file():
        binary = path.with_suffix(".bin").is_file()
        hint = "is binary; type VOT_RESULTS_BINARY=false vot evaluate" if binary else "is missing"
        raise InputError(f"the run {path} {hint}")
    rows = read_rows(path, (1, 4), "a box x,y,w,h or a code; the VOT toolkit itself scores polygons and masks")
    return bx.to_one_based(np.array([row if len(row) == 4 else [np.nan] * 4 for row in rows]))


def require_anchors(name: str, anchors: Sequence[range]) -> Sequence[range]:
    """The anchors of a sequence.

    Raises:
        InputError: it has none.
    """
    if not anchors:
        raise InputError(
            f"{name} has no anchor.value, as sequences of VOT have from 2020 on; score by VOT's experiment without "
            f"restarts, {option('protocol', 'vot-unsupervised')}, or run the VOT toolkit"
        )
    return anchors
