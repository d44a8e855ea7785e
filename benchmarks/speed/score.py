"""Measure how long scoring takes: 100 sequences x 10 trackers, read from result files, scored whole, seen and unseen.

python benchmarks/speed/score.py [--json]

The sequences have OTB's official lengths. Trajectories are random with a fixed seed, in whole pixels for half of the
trackers and with four decimals for the others, as in published results. Writing them is not timed. The benchmark uses
one process and one thread; its exit code is 1 above GOAL seconds.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tracking_env.datasets import otb
from tracking_env.evaluation import result_files
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.scoring import evaluate
from tracking_env.report import text_tables

TRACKERS = 10
GOAL = 5.0  # seconds


def draw_trajectory(generator: np.random.Generator, frames: int) -> np.ndarray:
    """A box on a random walk over a 640 x 480 image, ``(frames, 4)``."""
    box = np.array([300.0, 220.0, 60.0, 80.0])
    return np.clip(box + generator.normal(0, [3, 3, 0.5, 0.5], (frames, 4)).cumsum(axis=0), [1, 1, 10, 10], 640)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    as_json = parser.parse_args().json
    generator = np.random.default_rng(0)
    truths = {name: draw_trajectory(generator, entry.frames).round() for name, entry in otb.TABLE.items()}
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root) / f"tracker-{number}" for number in range(TRACKERS)]
        for number, folder in enumerate(folders):
            for name, truth in truths.items():
                run = truth + generator.normal(0, 1, truth.shape).cumsum(axis=0) / (number + 1)
                if number % 2:
                    write_result(folder / f"{name}.txt", run)
                else:
                    folder.mkdir(exist_ok=True)
                    np.savetxt(folder / f"{name}.txt", run, fmt="%d", delimiter="\t")
        start = time.perf_counter()
        results = {folder.name: result_files.read_results(folder, truths) for folder in folders}
        read_end = time.perf_counter()
        reports = {name: evaluate(boxes, truths) for name, boxes in results.items()}
        score_end = time.perf_counter()
    assert not any(report.failed for report in reports.values())
    numbers = {
        "sequences": len(truths),
        "trackers": TRACKERS,
        "frames": TRACKERS * sum(map(len, truths.values())),
        "read_seconds": round(read_end - start, 3),
        "score_seconds": round(score_end - read_end, 3),
        "total_seconds": round(score_end - start, 3),
        "goal_seconds": GOAL,
    }
    if as_json:
        print(json.dumps(numbers))
    else:
        print(text_tables.format_trackers(reports), end="\n\n")
        print("\n".join(f"{name:<14} {value:>9}" for name, value in numbers.items()))
    return 0 if score_end - start < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
