"""How close extraction comes to the backbone alone: frames per second from files into a store, and what bounds it.

python benchmarks/speed/extract.py [--root OTB] [--sequences NAMES] [--features NAME] [--weights PATH] [--jobs N]
    [--json]
python benchmarks/speed/extract.py --synthetic 4000 --features yolov1-small --weights random --device cuda    # no data

Three rates over the same frames, in turns, `--repeat` times: decoding alone (with resizing, on the store's threads),
the extractor alone (batches of prepared frames in memory), and both with writing (a new store each time). The ratio is
the last over the second, the median of the turns; GOAL is what it should reach. The first turn warms up and is not
counted. `--synthetic N` decodes N drawn frames of 640 x 480 from JPEG files, made before.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.speed import drawn
from tracking_env.datasets import loading, prefetch
from tracking_env.datasets.sequence import Sequence
from tracking_env.features.base import Extractor
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore

GOAL = 0.85


def parts(sequence: Sequence) -> list[range]:
    """The store's batches."""
    return [range(i, min(i + FeatureStore.BATCH, len(sequence))) for i in range(0, len(sequence), FeatureStore.BATCH)]


def decode(extractor: Extractor, sequences: list[Sequence], jobs: int) -> list[np.ndarray]:
    batches: list[np.ndarray] = []
    for sequence in sequences:
        batches += prefetch.decode_batches(sequence.frames, parts(sequence), jobs, extractor.prepare)
    return batches


def extract(extractor: Extractor, batches: list[np.ndarray]) -> None:
    for batch in batches:
        extractor(batch)


def build(extractor: Extractor, sequences: list[Sequence], jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        FeatureStore(extractor, Path(folder), jobs).build(sequences, progress=False)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of sequences; without it frames are drawn")
    parser.add_argument("--sequences", help="names and lists; by default all in the root, or synthetic:0-15")
    parser.add_argument(
        "--synthetic", type=int, metavar="N", help="draw so many frames into JPEG files, and take those"
    )
    parser.add_argument("--features", default="grid", help="the extractor's name")
    parser.add_argument("--weights", type=Path, help="its weights file or their folder")
    parser.add_argument("--device", default="auto", help="of the extractor: auto, cpu, cuda, ...")
    parser.add_argument("--jobs", type=int, default=prefetch.default_jobs(), help="decoding threads")
    parser.add_argument(
        "--frames", type=int, default=1000, help="take sequences until there are so many, all in memory"
    )
    parser.add_argument("--repeat", type=int, default=5, help="turns that count")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if args.synthetic:
        with tempfile.TemporaryDirectory() as folder:
            args.root, args.frames = Path(folder), args.synthetic
            args.sequences = drawn.write(args.root, args.synthetic)
            show(args)
    else:
        show(args)


def show(args: argparse.Namespace) -> None:
    names = args.sequences or (None if args.root else "synthetic:0-15")
    sequences: list[Sequence] = []
    for sequence in loading.load(args.root, names):
        if sum(map(len, sequences)) < args.frames:
            sequences.append(sequence)
    extractor = make_extractor(args.features, args.weights, args.device)
    batches = decode(extractor, sequences, args.jobs)
    works = {
        "decode": lambda: decode(extractor, sequences, args.jobs),
        "extractor": lambda: extract(extractor, batches),
        "end_to_end": lambda: build(extractor, sequences, args.jobs),
    }
    turns = [{name: seconds(work) for name, work in works.items()} for _ in range(args.repeat + 1)][1:]
    frames = sum(map(len, sequences))
    numbers = {
        "features": extractor.id,
        "sequences": len(sequences),
        "frames": frames,
        "device": args.device,
        "jobs": args.jobs,
        **{f"{name}_fps": round(frames / statistics.median(turn[name] for turn in turns), 1) for name in works},
        "ratio": round(statistics.median(turn["extractor"] / turn["end_to_end"] for turn in turns), 3),
        "goal_ratio": GOAL,
    }
    print(json.dumps(numbers) if args.json else "\n".join(f"{name:<16} {value:>24}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
