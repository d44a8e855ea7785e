"""How near training on a CPU comes to what the processor can do, and to RecurrentPPO cut down to one pass.

python benchmarks/speed/cpu.py [--hidden 256] [--batch 32] [--threads 1 2] [--compile] [--json]

The floor of an update is the time of its products at the rate of a large product, plus the time of Adam's passes over
the weights at the rate of a large copy, both measured in turn with the variants. Products need

    2 B T (2 F O + 3 * 4 O H + 3 * 4 H H)   operations in float32,

with B windows of T frames, F inputs and O outputs of the first layer, and H units: each forward, for the gradient of
the weights and for that of the inputs, which the first layer does not need. Adam and the gradient's norm pass 11 times
over the weights.

Variants take turns, `--rounds` times; numbers are medians. Ratios are of processor seconds, summed over the threads:
other programs on the machine disturb them least. `boxes` compares with `RecurrentPPO`: one pass, one LSTM of the same
size, the same number of frames an update (see benchmarks/speed/train.py), one box a frame in place of N.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in train/reinforce.py

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from agents.drlt import DRLT, DRLTConfig
from agents.windows import WindowConfig, Windows
from benchmarks.device.variants import REFERENCE, VARIANTS, make_learner
from benchmarks.speed.train import batches, products, recurrent_ppo
from tracking_env.datasets import loading
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from train.config import RunConfig
from train.run.schedule import ScheduleConfig

PPO = "RecurrentPPO, one pass"
MEASURED = (REFERENCE, "autocast", "own recurrence", "own recurrence, bf16")
SIDE = 1024  # of the matrices whose product is the ceiling
COPY = 256 << 20  # bytes of the copy that is the other ceiling
CPU = torch.device("cpu")


@dataclass
class Timing:
    """Seconds of an update, of each round, by the clock and of all processors."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, work: Callable[[], object], count: int) -> None:
        """Time ``count`` calls together."""
        begun, used = time.perf_counter(), time.process_time()
        for _ in range(count):
            work()
        self.clock.append((time.perf_counter() - begun) / count)
        self.processor.append((time.process_time() - used) / count)


def ratio(first: Timing, second: Timing) -> float:
    """How many times the processor seconds of the second the first takes, the median of the rounds."""
    return statistics.median(a / b for a, b in zip(first.processor, second.processor, strict=True))


def operations(model: DRLT, frames: int) -> int:
    """Operations of all products of an update, by the formula above."""
    first = model.fc.weight.numel()
    rest = model.lstm.weight_ih_l0.numel() + model.lstm.weight_hh_l0.numel()
    return 2 * frames * (2 * first + 3 * rest)


def floor(model: DRLT, frames: int, product: float, copy: float) -> float:
    """The least seconds of an update.

    Args:
        model: the network.
        frames: B T.
        product: operations per second of a large product.
        copy: bytes per second of a large copy.
    """
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return operations(model, frames) / product + 11 * size / copy


def updater(windows: Windows, config: RunConfig, variant: str, weights: dict[str, torch.Tensor]) -> Callable[[], int]:
    """An update of train/reinforce.py in a variant, as a function that returns its number of frames."""
    learner = make_learner(VARIANTS[variant], weights, config, CPU)
    rows, noise = batches(windows), torch.Generator().manual_seed(0)

    def update() -> int:
        chosen = next(rows)
        batch = windows[chosen]
        samples = torch.randn((config.reinforce.episodes, *batch.truth.shape), generator=noise)
        learner.update(batch, samples, len(chosen), None, "reinforce", "l1", config.reinforce.sigma)
        return int(batch.mask.sum())

    return update


def measure(arguments: argparse.Namespace, threads: int, folder: Path) -> dict[str, Any]:
    """All numbers with this many threads, by name."""
    torch.set_num_threads(threads)
    videos = loading.load(None, arguments.sequences)
    store = FeatureStore(make_extractor("grid"), folder)
    store.build(videos, progress=False)
    hidden, batch = arguments.hidden, arguments.batch
    config = RunConfig(
        network=DRLTConfig(hidden, hidden),
        windows=WindowConfig(batch=batch, order="shuffled"),
        schedule=ScheduleConfig(lr=1e-4, clip_norm=10.0),
        device="cpu",
    )
    windows = Windows([store[video] for video in videos], [video.relative for video in videos], config.windows)
    frames = batch * config.windows.steps
    torch.manual_seed(0)
    model = DRLT(store.extractor.dim, config.network)
    model.fit_normaliser(windows.features)
    names = [*MEASURED, *(["compiled, own recurrence"] if arguments.compile else [])]
    works: dict[str, Callable[[], object]] = {
        name: updater(windows, config, name, model.state_dict()) for name in names
    }

    def make() -> gym.Env:
        return gym.make("OTBTrack-v0", sequences=videos, store=folder, split="all", clip_length=config.windows.steps)

    ppo = recurrent_ppo(make, hidden, config.windows.steps, batch, lean=True)
    if ppo:
        works[PPO] = ppo
    left, right = torch.randn(2, SIDE, SIDE)
    works["product"] = lambda: left @ right
    source = torch.zeros(COPY // 4)
    target = torch.empty_like(source)
    works["copy"] = lambda: target.copy_(source)

    timings = {name: Timing() for name in works}
    for turn in range(arguments.rounds + 1):
        for name, work in works.items():
            timing = Timing() if turn == 0 else timings[name]  # the first round warms up
            timing.add(work, arguments.updates)

    product_rate = 2 * SIDE**3 / statistics.median(timings.pop("product").processor)
    copy_rate = 2 * COPY / statistics.median(timings.pop("copy").processor)
    least = floor(model, frames, product_rate, copy_rate)
    numbers: dict[str, Any] = {
        "threads": threads,
        "hidden": hidden,
        "batch": batch,
        "gigaoperations": operations(model, frames) / 1e9,
        "product_gflop_per_s": product_rate / 1e9,
        "copy_gb_per_s": copy_rate / 1e9,
        "floor_cpu_ms": 1000 * least,
        "share_of_products": products(works[REFERENCE]),
        "variants": {},
    }
    for name, timing in timings.items():
        row = {"ms": 1000 * statistics.median(timing.clock), "cpu_ms": 1000 * statistics.median(timing.processor)}
        row["times_the_floor"] = row["cpu_ms"] / numbers["floor_cpu_ms"]
        row["times_the_script"] = ratio(timing, timings[REFERENCE])
        if name != PPO and ppo:
            row["boxes"] = config.reinforce.episodes * ratio(timings[PPO], timing)
        numbers["variants"][name] = row
    return numbers


def show(numbers: dict[str, Any]) -> None:
    """Print the measurements of a number of threads as a table."""
    print(
        f"\n{numbers['threads']} threads: {numbers['gigaoperations']:.2f} G operations at "
        f"{numbers['product_gflop_per_s']:.0f} G/s, copy {numbers['copy_gb_per_s']:.1f} GB/s; floor "
        f"{numbers['floor_cpu_ms']:.2f} ms; products take {numbers['share_of_products']:.0%} of train/reinforce.py"
    )
    print(f"{'':<26}{'ms':>9}{'cpu ms':>9}{'x floor':>9}{'x script':>10}{'x PPO, boxes':>14}")
    for name, row in numbers["variants"].items():
        columns = (
            f"{row['ms']:>9.2f}{row['cpu_ms']:>9.2f}{row['times_the_floor']:>9.2f}{row['times_the_script']:>10.2f}"
        )
        print(f"{name:<26}{columns}" + (f"{row['boxes']:>14.1f}" if "boxes" in row else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of tables")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of torch's threads")
    parser.add_argument("--hidden", type=int, default=256, help="neurons of the FC layer and units of the LSTM")
    parser.add_argument("--batch", type=int, default=32, help="windows per update")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each variant")
    parser.add_argument("--updates", type=int, default=20, help="updates of a turn")
    parser.add_argument(
        "--compile", action="store_true", help="also measure torch.compile, which takes a minute to start"
    )
    parser.add_argument("--sequences", default="synthetic:0-31", help="drawn videos to train on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = [measure(arguments, threads, Path(folder)) for threads in arguments.threads]
    if arguments.json:
        print(json.dumps(numbers))
        return
    for row in numbers:
        show(row)


if __name__ == "__main__":
    main()
