"""Compare the speed of trackers, decoding included.

python benchmarks/speed/trackers.py nano search proposals --root OTB --sequences drlt30 --weights FOLDER [--frames N]
                              [--repeat N] [--json]
python benchmarks/speed/trackers.py mil search         # drawn sequences; these trackers need no weights

Trackers take turns on each sequence, so that other load on the machine slows all of them alike. Columns: fps, frames
per second as `tracking-env evaluate` measures them (mean over the sequences, median over the repeats); times, the
tracker's speed over the first tracker's (median over the repeats).
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.trackers.base import run
from tracking_env.trackers.entry_point import resolve


def main() -> int:
    """Print a table or JSON; exit code 2 if the arguments cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="+", help="names of trackers, as in tracking-env evaluate --tracker")
    parser.add_argument("--root", type=Path, help="folder of sequences; without it they are drawn")
    parser.add_argument("--sequences", help="names of sequences; by default all, or synthetic:0-3")
    parser.add_argument("--weights", type=Path, help="folder of all weights files")
    parser.add_argument("--frames", type=int, default=200, help="frames of each sequence")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each tracker on each sequence")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    try:
        numbers = measure(args)
    except InputError as error:
        print(f"benchmarks/speed/trackers.py: error: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(numbers))
        return 0
    print(f"{numbers['sequences']} sequences, {numbers['threads']} threads of OpenCV")
    print(f"{'tracker':<28}{'fps':>8}{'times':>8}")
    for name, speed in numbers["trackers"].items():
        print(f"{name:<28}{speed['fps']:>8.0f}{speed['times']:>8.2f}")
    return 0


def measure(args: argparse.Namespace) -> dict:
    """All numbers by name; under ``trackers`` the fps and relative speed of each."""
    sequences = loading.load(args.root, args.sequences or (None if args.root else "synthetic:0-3"))
    trackers = {}
    for name in args.trackers:
        spec = TrackerSpec(name)
        if args.weights and "weights" in inspect.signature(resolve(spec.entry.entry_point)).parameters:
            spec = replace(spec, weights=(args.weights,))
        trackers[name] = spec.make().live()
    fps = np.empty((args.repeat, len(sequences), len(trackers)))
    turns = tqdm(np.ndindex(args.repeat, len(sequences)), total=args.repeat * len(sequences), leave=False, disable=None)
    for repeat, number in turns:
        for column, tracker in enumerate(trackers.values()):
            fps[repeat, number, column] = run(tracker, sequences[number], args.frames).fps
    means = fps.mean(axis=1)
    speeds = {}
    for column, name in enumerate(trackers):
        times = np.median(means[:, column] / means[:, 0])
        speeds[name] = {"fps": round(float(np.median(means[:, column])), 1), "times": round(float(times), 3)}
    return {
        "sequences": len(sequences),
        "frames": args.frames,
        "repeat": args.repeat,
        "threads": cv2.getNumThreads(),
        "trackers": speeds,
    }


if __name__ == "__main__":
    sys.exit(main())
