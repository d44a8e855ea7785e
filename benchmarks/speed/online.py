"""Measure DRLT one frame at a time, as in live tracking: decoding, features, one step; and the step alone.

python benchmarks/speed/online.py [--root OTB] [--sequences NAME] [--features NAME] [--weights PATH] [--threads N]
                            [--observation N] [--hidden N] [--device cuda] [--half] [--json]
python benchmarks/speed/online.py --synthetic --features yolov1-small --weights random --device cuda    # no data needed

The network's weights are random, since they do not affect the speed. Every frame is timed; the first 10 are a warm-up
and do not count. fps is the number of frames over the sum of their times; other numbers are medians in milliseconds.

The paper's sizes are the default: --observation 5000 --hidden 5000 (220 M parameters); preset small has 512 and 512. A
step of that size reads all weights, 0.88 GB, or 0.44 GB with --half, so memory bandwidth over that bounds the speed.
Extractors always use half precision on a GPU. --synthetic decodes drawn frames of 640 x 480 from JPEG files.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from agents.drlt import DRLT, DRLTConfig
from benchmarks.speed import drawn
from tracking_env.datasets import loading
from tracking_env.features import torch_device
from tracking_env.features.base import extract
from tracking_env.features.extractors import make_extractor

WARM_UP = 10  # frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of sequences; without it frames are drawn")
    parser.add_argument("--sequences", help="the first of these is used; by default the first of all, or synthetic:0")
    parser.add_argument("--synthetic", action="store_true", help="draw frames, and decode them from JPEG files")
    parser.add_argument("--features", default="grid", help="the extractor's name")
    parser.add_argument("--weights", type=Path, help="its weights file or their folder")
    parser.add_argument("--observation", type=int, default=DRLTConfig.observation, help="neurons of the first layer")
    parser.add_argument("--hidden", type=int, default=DRLTConfig.hidden, help="units of the LSTM")
    parser.add_argument("--device", default="cpu", help="device of extractor and network: auto, cpu, cuda, ...")
    parser.add_argument("--half", action="store_true", help="DRLT's weights in half precision")
    parser.add_argument("--threads", type=int, help="torch's threads; by default its own choice")
    parser.add_argument("--frames", type=int, default=300, help="number of timed frames")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if args.synthetic:
        with tempfile.TemporaryDirectory() as folder:
            args.root = Path(folder)
            args.sequences = drawn.write(args.root, drawn.LENGTH)
            show(args)
    else:
        show(args)


def show(args: argparse.Namespace) -> None:
    """Measure and print."""
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch_device.find(args.device)
    sequence = loading.load(args.root, args.sequences or (None if args.root else "synthetic:0"))[0]
    extractor = make_extractor(args.features, args.weights, args.device)
    torch.manual_seed(0)
    model = DRLT(extractor.dim, DRLTConfig(args.observation, args.hidden)).to(device).eval()
    if args.half:
        model.halve()

    times, state, vectors = [], None, []
    location = sequence.relative[0].clip(0, 1)
    for number in range(WARM_UP + args.frames):
        begun = time.perf_counter()
        frame = sequence.frames[number % len(sequence)]
        decoded = time.perf_counter()
        features = extract(extractor, [frame])[0]
        extracted = time.perf_counter()
        # The box is on the CPU when this returns, so the device has finished.
        _, state = model.act({"features": features, "location": location}, state)
        times.append((decoded - begun, extracted - decoded, time.perf_counter() - extracted))
        location = np.zeros(4, np.float32)
        vectors.append(features)

    alone = []
    for features in vectors:
        begun = time.perf_counter()
        _, state = model.act({"features": features, "location": location}, state)
        alone.append(time.perf_counter() - begun)

    stages, steps = np.array(times[WARM_UP:]), np.array(alone[WARM_UP:])
    milliseconds = [round(1000 * median, 2) for median in np.median(stages, axis=0).tolist()]
    numbers = {
        "features": extractor.id,
        "dim": extractor.dim,
        "observation": args.observation,
        "hidden": args.hidden,
        "device": str(device),
        "drlt": str(model.fc.weight.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "frame": "x".join(map(str, sequence.size)),
        "frames": args.frames,
        "fps": round(args.frames / float(stages.sum()), 1),
        "decode_ms": milliseconds[0],
        "extract_ms": milliseconds[1],
        "step_ms": milliseconds[2],
        "step_alone_fps": round(args.frames / float(steps.sum()), 1),
    }
    print(json.dumps(numbers) if args.json else "\n".join(f"{name:<16} {value:>24}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
