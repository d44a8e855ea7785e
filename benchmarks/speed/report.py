"""Measure time and memory of a large page: 30 trackers on 180 sequences of 600 frames, read from result files.

python benchmarks/speed/report.py [--out FOLDER]

Trajectories are random with a fixed seed; writing them is not measured. The benchmark uses one process. Its exit code
is 1 above GOAL_SECONDS of processor time or GOAL_MEGABYTES of memory.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.tracker_folders import TrackerFolders
from tracking_env.report.page import write_page

TRACKERS, SEQUENCES, FRAMES = 30, 180, 600
GOAL_SECONDS, GOAL_MEGABYTES = 60, 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="keep the page in this folder")
    out = parser.parse_args().out
    generator = np.random.default_rng(0)
    walks = np.array([300, 200, 60, 40]) + generator.normal(0, [2, 2, 0, 0], (SEQUENCES, FRAMES, 4)).cumsum(axis=1)
    truths = {f"video-{number:03d}": walk for number, walk in enumerate(walks)}
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, f"tracker-{number:02d}") for number in range(TRACKERS)]
        for number, folder in enumerate(folders):
            for name, truth in truths.items():
                noise = generator.normal(0, 0.1 + 0.05 * number, truth.shape).cumsum(axis=0)
                write_result(folder / f"{name}.txt", truth + noise * [1, 1, 0.05, 0.05])
        sequences = [GroundTruth(name, boxes, ("SV", "OCC")) for name, boxes in truths.items()]
        start, start_wall = time.process_time(), time.perf_counter()
        write_page(out or Path(root, "page"), sequences, TrackerFolders(folders, sequences))
        seconds, wall = time.process_time() - start, time.perf_counter() - start_wall
        size = (out or Path(root, "page")).joinpath("index.html").stat().st_size
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{TRACKERS} trackers, {SEQUENCES} sequences of {FRAMES} frames: a page of {size / 1e6:.1f} MB")
    print(f"{seconds:.1f} s of processor time (goal {GOAL_SECONDS}), {wall:.1f} s in all")
    print(f"at most {megabytes:.0f} MB of memory (goal {GOAL_MEGABYTES})")
    return 0 if seconds < GOAL_SECONDS and megabytes < GOAL_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
