"""Plan runs over whole benchmarks: the hours that trackers take, from their processor time per frame, measured here.

python benchmarks/speed/plan.py mil search nano=FOLDER fear-xs=FOLDER experts=FOLDER [--cores 2 16] [--frames N]
    [--json]

A name may have the folder of its weights behind it. Each tracker runs over drawn frames, which are decoded from JPEG
files of each benchmark's frame size. A time is processor seconds per frame, times frames, over cores: what a run takes
at least, if nothing else keeps the cores busy. Trackers on a GPU are not measured.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2

from benchmarks.speed import drawn
from tracking_env.boxes import Size
from tracking_env.datasets import loading, otb
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.trackers.base import Tracker, run


class Benchmark(NamedTuple):
    """A test set: its name, numbers of videos and of frames, and the size of most of its frames."""

    name: str
    videos: int
    frames: int
    size: Size


# From their papers; the numbers of GOT-10k, LaSOT and its extension are rounded.
BENCHMARKS = (
    Benchmark("OTB-100", 100, sum(entry.frames for entry in otb.TABLE.values()), (640, 480)),
    Benchmark("UAV123", 123, 112_578, (1280, 720)),
    Benchmark("GOT-10k test", 180, 23_000, (1920, 1080)),
    Benchmark("TrackingNet test", 511, 225_589, (1280, 720)),
    Benchmark("LaSOT extension", 150, 360_000, (1280, 720)),
    Benchmark("LaSOT test", 280, 690_000, (1280, 720)),
)


def main() -> int:
    """Print a Markdown table or JSON; exit code 2 if the arguments cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="+", help="names of trackers, as in tracking-env evaluate, or NAME=FOLDER")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 16], help="numbers of cores to plan for")
    parser.add_argument("--frames", type=int, default=100, help="frames of each size to measure on")
    parser.add_argument("--json", action="store_true", help="print the measured seconds per frame as JSON")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        seconds = measure(args.trackers, args.frames)
    except InputError as error:
        print(f"benchmarks/speed/plan.py: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(seconds) if args.json else format_table(seconds, args.cores))
    return 0


def measure(names: Sequence[str], frames: int) -> dict[str, dict[str, float]]:
    """Processor seconds per frame of each tracker, by the size of the frames (``1280x720``)."""
    trackers: dict[str, Tracker] = {}
    for word in names:
        name, _, folder = word.partition("=")
        trackers[name] = TrackerSpec(name, weights=(Path(folder),) if folder else ()).make().live()
    seconds: dict[str, dict[str, float]] = {name: {} for name in trackers}
    for size in dict.fromkeys(benchmark.size for benchmark in BENCHMARKS):
        with tempfile.TemporaryDirectory() as root:
            sequences = loading.load(Path(root), drawn.write(Path(root), frames, size))
            for name, tracker in trackers.items():
                run(tracker, sequences[0], 2)  # the first frames load and compile what later ones reuse
                start = time.process_time()
                for sequence in sequences:
                    run(tracker, sequence)
                seconds[name]["x".join(map(str, size))] = round((time.process_time() - start) / frames, 6)
    return seconds


def format_table(seconds: dict[str, dict[str, float]], cores: Sequence[int]) -> str:
    """A Markdown table: a row for each tracker, with its time on each number of cores for each benchmark."""
    sizes = next(iter(seconds.values()))
    titles = ["tracker", f"ms per frame, {', '.join(sizes)}", *(benchmark.name for benchmark in BENCHMARKS)]
    rows = [titles, ["---"] + ["---:"] * (len(titles) - 1)]
    rows.append(["frames", "", *(f"{benchmark.frames:,}" for benchmark in BENCHMARKS)])
    for name, rates in seconds.items():
        row = [f"`{name}`", " / ".join(f"{1000 * value:.1f}" for value in rates.values())]
        for benchmark in BENCHMARKS:
            hours = rates["x".join(map(str, benchmark.size))] * benchmark.frames / 3600
            row.append(" / ".join(_format_time(hours / count) for count in cores))
        rows.append(row)
    note = f"Time on {' / '.join(map(str, cores))} cores:"
    return "\n".join([note, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _format_time(hours: float) -> str:
    return f"{hours:.2g} h" if hours >= 1 else f"{60 * hours:.2g} min"


if __name__ == "__main__":
    sys.exit(main())
