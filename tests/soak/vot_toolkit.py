"""The VOT toolkit 0.7.1, in an environment of its own, runs one of our trackers and scores it; so do we.

Run with ``make soak-vot``. It makes a virtual environment (a few hundred MB are downloaded) or uses ``--environment``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.paths import ROOT
from tracking_env.datasets import loading, synthetic
from tracking_env.evaluation.protocols import vot, vot_polygons
from tracking_env.evaluation.protocols.anchor_report import score_anchors

PINS = (
    "vot-toolkit==0.7.1",
    "attributee==0.1.9",
    "phx-class-registry<5",
    "matplotlib<3.9",
    "numpy<2",
    "opencv-python-headless<4.11",
)
"""What the toolkit runs on; docs/benchmarks.md has the same line."""
TRACKER = """
class Drifts:
    # Leaves the target slowly, by fractions of a pixel, until it fails.
    def init(self, frame, box):
        self.box = box + [0.3, 0.2, 0.5, 0.5]
    def update(self, frame):
        self.box = self.box + [2.37, 1.61, 0.07, -0.05]
        return self.box
"""
LOW, HIGH = 5, 30
"""EAO's lengths, for short sequences."""
CONFIG = f"""registry: [./trackers.ini]
sequences: sequences
stack:
  title: multi-start
  experiments:
    baseline:
      type: multistart
      analyses:
        - {{type: multistart_eao_score, name: eaoscore, low: {LOW}, high: {HIGH}}}
        - {{type: multistart_average_ar, name: ar}}
"""

OVERLAPS = """
import json, sys
from vot.region import calculate_overlap
from vot.region.shapes import Polygon, Rectangle
make = lambda row: Rectangle(*row) if len(row) == 4 else Polygon(list(zip(row[::2], row[1::2])))
print(json.dumps([calculate_overlap(make(a), make(b), (100, 80)) for a, b in json.load(sys.stdin)]))
"""
"""Prints the toolkit's overlaps of pairs of regions, in an image of 100 x 80 pixels."""


def make_environment(folder: Path) -> Path:
    """A virtual environment with the toolkit; returns its ``bin``."""
    if not (folder / "bin" / "vot").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PINS], check=True)
    return folder / "bin"


def make_workspace(folder: Path) -> None:
    """A workspace of three drawn sequences with anchors in both directions; a target is absent for some frames."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    names = []
    for seed, length in enumerate((40, 55, 25)):
        sequence = synthetic.generate(seed, length, (120, 90))
        place = folder / "sequences" / f"drawn-{seed}"
        (place / "color").mkdir(parents=True)
        for index in range(length):
            cv2.imwrite(str(place / "color" / f"{index + 1:08}.jpg"), sequence.frames[index][..., ::-1])
        (place / "sequence").write_text(
            "channels.color=color/%08d.jpg\nformat=default\nfps=30\nname=" + place.name + "\n"
        )
        rows = [",".join(f"{value:.3f}" for value in row) for row in sequence.boxes - [1, 1, 0, 0]]
        rows[10:12] = ["0", "0"]
        (place / "groundtruth.txt").write_text("\n".join(rows) + "\n")
        anchors = ["0"] * length
        anchors[0], anchors[20], anchors[-1] = "1", "1", "-1"
        (place / "anchor.value").write_text("\n".join(anchors) + "\n")
        names.append(place.name)
    (folder / "sequences" / "list.txt").write_text("\n".join(names) + "\n")


def compare(folder: Path, tracker: str, theirs: dict[str, float]) -> None:
    """Check that our scores of the toolkit's results equal its own."""
    sequences = loading.load(folder / "sequences", "vot:")
    report = score_anchors(
        folder / "results" / tracker,
        {sequence.name: sequence.boxes for sequence in sequences},
        {sequence.name: sequence.anchors for sequence in sequences},
        {sequence.name: sequence.size for sequence in sequences},
    )
    assert not report.failed, report.failed
    mean = report.mean["whole"]
    assert mean is not None and mean.accuracy is not None and mean.robustness is not None
    totals, weights = np.zeros(HIGH), np.zeros(HIGH)
    for runs in report.scores.values():
        curve, weight = vot.eao_curve([run.measures for run in runs], HIGH)
        totals += curve * weight
        weights += weight
    ours = {
        "accuracy": mean.accuracy,
        "robustness": mean.robustness,
        "eao": vot.eao(totals / np.maximum(weights, 1), LOW),
    }
    for name, value in ours.items():
        print(f"{name}: toolkit {theirs[name]:.9f}, ours {value:.9f}")
        assert abs(value - theirs[name]) < 1e-6, name
    assert 0.05 < ours["accuracy"] < 0.99 and 0.05 < ours["eao"] < 0.99, "a comparison of extremes tells nothing"


def compare_polygons(python: Path) -> None:
    """Check that our overlaps of boxes and rotated boxes equal the toolkit's."""
    generator = np.random.default_rng(0)
    pairs: list[list[list[float]]] = []
    for number in range(2000):
        centre, angle = generator.uniform(10, 90, 2), generator.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sides = generator.uniform(1, 50, 2)
        corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * sides / 2) @ turn.T + centre
        other = corners + generator.uniform(-20, 20, 2)
        box = [*other.min(axis=0), *np.ptp(other, axis=0)]
        pairs.append([corners.ravel().round(3).tolist(), np.round(box if number % 2 else other.ravel(), 3).tolist()])
    done = subprocess.run([python, "-c", OVERLAPS], input=json.dumps(pairs), capture_output=True, text=True, check=True)
    theirs = np.array(json.loads(done.stdout))
    origin = {4: np.array([1, 1, 0, 0]), 8: np.ones(8)}  # ours count from 1
    regions = [[np.array(region) + origin[len(region)] for region in pair] for pair in pairs]
    ours = np.array([vot_polygons.overlap(first, second, (100, 80)) for first, second in regions])
    print(
        f"overlaps of {len(pairs)} pairs, {(theirs > 0).mean():.0%} above 0: differ by {np.abs(ours - theirs).max():g}"
    )
    assert np.abs(ours - theirs).max() < 1e-6 and (theirs > 0).mean() > 0.5


def read_analysis(path: Path) -> dict[str, float]:
    """Accuracy, robustness and EAO of the only tracker in the toolkit's analysis, in the order of `CONFIG`."""
    ((eao,),), ((accuracy, robustness, *_),) = json.loads(path.read_text())["results"]["baseline"]["results"]
    return {"accuracy": accuracy, "robustness": robustness, "eao": eao}


def main() -> None:
    """Make the environment and the workspace, let the toolkit run and score MIL, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/vot-toolkit"))
    parser.add_argument("--environment", type=Path, help="a virtual environment that has the toolkit")
    parser.add_argument("--python", default=sys.executable, help="a Python with this library and vot-trax")
    options = parser.parse_args()
    folder = options.folder.resolve()
    binaries = make_environment(options.environment or folder / "environment").absolute()
    compare_polygons(binaries / "python")
    workspace = folder / "workspace"
    make_workspace(workspace)
    (workspace / "drifting.py").write_text(TRACKER)
    settings = os.environ | {"VOT_RESULTS_BINARY": "false", "PYTHONPATH": str(ROOT)}
    for name, tracker in (("mil", "mil"), ("drifting_Drifts", "drifting:Drifts")):
        ini = ["trax", "--tracker", tracker, "--folder", workspace, "--ini", workspace / "trackers.ini"]
        subprocess.run([options.python, "-m", "tracking_env.cli", *ini], check=True, env=settings)
        for command in (("evaluate",), ("analysis", "--name", name)):
            arguments = [binaries / "vot", command[0], "--workspace", workspace, *command[1:], name]
            subprocess.run(arguments, check=True, env=settings)
        compare(workspace, name, read_analysis(workspace / "analysis" / f"{name}.json"))


if __name__ == "__main__":
    main()
