"""How fast trackers are side by side, end to end: decode, crop, extract, decide.

python benchmarks/trackers.py nano search proposals --root OTB --sequences drlt30 --weights FOLDER [--frames N]
                              [--repeat N] [--json]
python benchmarks/trackers.py mil search         # drawn sequences, and what needs no weights

Trackers take turns on each sequence, so that what else the machine does befalls all of them. fps: the mean over the
sequences of frames over seconds, as `tracking-env evaluate` has it; its median over the repeats. times: the median over
the repeats of how many times as fast as the first tracker it is.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.registry import TABLE, TrackerSpec
from tracking_env.trackers.base import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="+", help="by name, as tracking-env evaluate takes them")
    parser.add_argument("--root", type=Path, help="folder of sequences; without it they are drawn")
    parser.add_argument("--sequences", help="which of them; by default all, or synthetic:0-3")
    parser.add_argument("--weights", type=Path, help="the folder of all weights")
    parser.add_argument("--frames", type=int, default=200, help="of each sequence")
    parser.add_argument("--repeat", type=int, default=5, help="how often each runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    try:
        numbers = measure(args)
    except InputError as error:
        print(f"benchmarks/trackers.py: error: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(numbers))
        return 0
    print(f"{numbers['sequences']} sequences, {numbers['threads']} threads of OpenCV")
    print(f"{'tracker':<28}{'fps':>8}{'times':>8}")
    for name, one in numbers["trackers"].items():
        print(f"{name:<28}{one['fps']:>8.0f}{one['times']:>8.2f}")
    return 0


def measure(args: argparse.Namespace) -> dict:
    sequences = loading.load(args.root, args.sequences or (None if args.root else "synthetic:0-3"))
    trackers = {}
    for name in args.trackers:
        takes_weights = args.weights and (name == "search" or (name in TABLE and TABLE[name].files))
        runner = TrackerSpec(name, weights=(args.weights,) if takes_weights else ()).make()
        trackers[name] = runner.live()
    fps = np.empty((args.repeat, len(sequences), len(trackers)))
    for turn in tqdm(np.ndindex(fps.shape[:2]), total=args.repeat * len(sequences), leave=False, disable=None):
        for at, tracker in enumerate(trackers.values()):
            fps[turn][at] = run(tracker, sequences[turn[1]], args.frames).fps
    mean = fps.mean(axis=1)
    found = zip(trackers, np.median(mean, axis=0), np.median(mean / mean[:, :1], axis=0), strict=True)
    return {
        "sequences": len(sequences),
        "frames": args.frames,
        "repeat": args.repeat,
        "threads": cv2.getNumThreads(),
        "trackers": {name: {"fps": round(float(a), 1), "times": round(float(b), 3)} for name, a, b in found},
    }


if __name__ == "__main__":
    sys.exit(main())
