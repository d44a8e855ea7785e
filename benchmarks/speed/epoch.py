"""Measure an epoch of a preset, and compare it with the bound that memory bandwidth sets; needs no data.

python benchmarks/speed/epoch.py --device cuda                       # 220 M parameters, 5,475 frames of 4096 numbers
python benchmarks/speed/epoch.py --device cuda --precision bf16 --batch 8

The updates are those of train/reinforce.py (`train.learner`), on random features and boxes. An update of the `paper`
preset does little arithmetic on many weights, so memory bounds it. The floor is

    bytes / bandwidth,   bytes = 11 P - F + 2 (T - 1) R  [+ 2 P with clipping]

with P the bytes of all weights, F of the fully connected layer and R of the LSTM's recurrent matrix:

* forward reads all weights once, and R again in each of the T - 1 steps after the first: P + (T - 1) R;
* backward the LSTM's alone, and R as often: P - F + (T - 1) R;
* the gradient is written, and read for its norm (which tells whether it is finite): 2 P;
* Adam reads weights, gradient and two moments, and writes all but the gradient: 7 P.

With bf16 forward and backward read half as many bytes. The bandwidth is that of a copy measured in the same run, read
and written bytes counted. Caches that hold a matrix can beat the floor, so a small network may.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in train/reinforce.py

import argparse
import json
import resource
import statistics
import time
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

from agents.drlt import DRLT
from agents.windows import Windows
from tracking_env.features import torch_device
from train.config import PRESETS, RunConfig
from train.learner import Learner

VIDEO = 180  # frames per video
WARM_UP = 3  # updates


def random_windows(frames: int, dim: int, config: RunConfig, device: torch.device) -> Windows:
    """Videos of random features and boxes."""
    rng = np.random.default_rng(0)
    lengths = [min(VIDEO, frames - start) for start in range(0, frames, VIDEO)]
    features = [rng.standard_normal((length, dim), np.float32) for length in lengths]
    boxes = [rng.uniform(0.2, 0.6, (length, 4)).astype(np.float32) for length in lengths]
    return Windows(features, boxes, config.windows, device)


def bytes_per_update(model: DRLT, config: RunConfig) -> float:
    """Bytes that an update must read or write, by the formula above."""

    def size(*tensors: torch.Tensor) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    total, first, recurrent = size(*model.parameters()), size(*model.fc.parameters()), size(model.lstm.weight_hh_l0)
    passes = 2 * total - first + 2 * (config.windows.steps - 1) * recurrent
    return passes / (2 if config.precision == "bf16" else 1) + (11 if config.schedule.clip_norm else 9) * total


def bandwidth(device: torch.device, megabytes: int, repeat: int = 9) -> float:
    """Bytes per second of the fastest of ``repeat`` copies; both reading and writing count."""
    source = torch.zeros(megabytes << 18, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeat):
        wait(device)
        begun = time.perf_counter()
        target.copy_(source)
        wait(device)
        times.append(time.perf_counter() - begun)
    return 2 * source.numel() * source.element_size() / min(times)


def wait(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(config: RunConfig, frames: int, dim: int, count: int | None, megabytes: int) -> dict[str, Any]:
    """Time ``count`` updates (by default one epoch) and the copy; returns the printed numbers by name."""
    device = torch_device.find(config.device)
    torch.manual_seed(0)
    windows = random_windows(frames, dim, config, device)
    learner = Learner(DRLT(dim, config.network).to(device), config)
    learner.model.fit_normaliser(windows.features)
    noise = torch.Generator(device).manual_seed(0)
    times = []
    updates = list(windows.epoch(torch.Generator().manual_seed(0)))
    for chosen, _ in islice(cycle(updates), WARM_UP + (count or len(updates))):
        wait(device)
        begun = time.perf_counter()
        samples = torch.randn(
            (config.reinforce.episodes, len(chosen), config.windows.steps, 4), generator=noise, device=device
        )
        learner.update(windows[chosen], samples, len(chosen), None, config.learner, "l1", config.reinforce.sigma)
        wait(device)
        times.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_memory()
    seconds = statistics.median(times[WARM_UP:]) * len(updates)
    speed, least = bandwidth(device, megabytes), bytes_per_update(learner.model, config)
    floor = least / speed * len(updates)
    return {
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        "precision": config.precision,
        "parameters": sum(parameter.numel() for parameter in learner.model.parameters()),
        "frames": frames,
        "updates": len(updates),
        "measured_updates": len(times) - WARM_UP,
        "seconds_per_epoch": float(f"{seconds:.4g}"),
        "minutes_of_all": float(f"{seconds * config.schedule.epochs / 60:.4g}"),
        "bytes_per_update": least,
        "copy_gb_per_s": float(f"{speed / 1e9:.4g}"),
        "floor_seconds": float(f"{floor:.4g}"),
        "times_the_floor": round(seconds / floor, 2),
        "peak_gb": round(peak / 1e9, 2),
    }


def peak_memory() -> int:
    """Largest number of bytes of memory that this process used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="paper", choices=PRESETS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--frames", type=int, default=5475, help="frames per epoch, by default OTB-30's first thirds")
    parser.add_argument("--dim", type=int, default=4096, help="length of a frame's feature vector")
    parser.add_argument(
        "--size", type=int, help="neurons of the first layer and units of the LSTM, if not the preset's"
    )
    parser.add_argument("--batch", type=int, help="windows per update, if not the preset's")
    parser.add_argument("--updates", type=int, help="updates to measure, by default all of an epoch")
    parser.add_argument("--copy", type=int, default=1024, help="megabytes copied to measure the bandwidth")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    config = replace(PRESETS[args.preset], device=args.device, precision=args.precision)
    if args.size:
        config = replace(config, network=replace(config.network, observation=args.size, hidden=args.size))
    if args.batch:
        config = replace(config, windows=replace(config.windows, batch=args.batch))
    numbers = measure(config, args.frames, args.dim, args.updates, args.copy)
    print(json.dumps(numbers) if args.json else "\n".join(f"{name:<18} {value:>28}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
