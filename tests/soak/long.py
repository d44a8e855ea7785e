"""Long runs: memory, open files, processes and logs must not grow.

python -m tests.soak.long --steps 2000000 --episodes 40000 --figure docs/memory.png
"""

import gc
import os
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
import tyro

import tracking_env  # noqa: F401  registers the ids
from train import reinforce

LIMITS = {"rss_mb": 16.0, "traced_mb": 1.0, "log_kb_per_epoch": 40.0, "files": 0, "processes": 0}
"""The most that a run may add: MB of the process's memory in its second half, MB that Python and NumPy allocate in its
last tenth, kB of TensorBoard's log per epoch (with film strips), and files and processes that it leaves open."""


class MemoryCurve:
    """The process's resident memory over steps or seconds.

    Attributes:
        points: pairs of steps or seconds, and MB.
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def add(self, amount: float) -> None:
        """Measure the memory after a number of steps or seconds."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.points.append((amount, pages * os.sysconf("SC_PAGE_SIZE") / 2**20))

    @property
    def growth(self) -> float:
        """Growth in MB: the median of the last quarter less that of the third."""
        values = [value for _, value in self.points]
        half, quarter = len(values) // 2, 3 * len(values) // 4
        return float(np.median(values[quarter:]) - np.median(values[half:quarter]))


def count_files() -> int:
    """The number of this process's open files."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def count_processes() -> int:
    """The number of this process's threads and child processes."""
    threads = list(Path("/proc/self/task").iterdir())
    return len(threads) + sum(len((thread / "children").read_text().split()) for thread in threads)


def run_steps(count: int, envs: int) -> tuple[MemoryCurve, dict[str, float]]:
    """Step a vector environment with random boxes.

    Args:
        count: number of steps of all environments together.
        envs: number of environments.

    Returns:
        The memory over the steps, and the measured numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The environment warns that its sequences are synthetic.
        env = gym.make_vec("OTBTrack-v0", num_envs=envs, sequences="synthetic:0-7")
    draw, curve = np.random.default_rng(0), MemoryCurve()
    env.reset(seed=0)
    rounds, traced, start_time = count // envs, 0, time.perf_counter()
    for index in range(rounds):
        env.step(draw.random((envs, 4), dtype=np.float32))
        if index % max(rounds // 100, 1) == 0:
            gc.collect()
            curve.add(index * envs)
        if index == rounds * 8 // 10:  # Tracing is slow, so only the last fifth is traced.
            tracemalloc.start()
        if index == rounds * 9 // 10:
            traced = tracemalloc.get_traced_memory()[0]
    seconds = time.perf_counter() - start_time
    gc.collect()
    grown = (tracemalloc.get_traced_memory()[0] - traced) / 2**20
    tracemalloc.stop()
    env.close()
    return curve, {"done": rounds * envs, "rss_mb": curve.growth, "traced_mb": grown, "seconds": seconds}


def run_training(count: int) -> tuple[MemoryCurve, dict[str, float]]:
    """Train for at least ``count`` sampled episodes. An epoch has 8 windows with 5 episodes each.

    Returns:
        The memory over seconds, and the measured numbers.
    """
    epochs, curve, done = -(-count // 40), MemoryCurve(), threading.Event()

    def watch() -> None:
        start_time = time.perf_counter()
        while not done.wait(0.1):
            curve.add(time.perf_counter() - start_time)

    with tempfile.TemporaryDirectory() as folder:
        flags = ["--sequences", "synthetic:0-3", "--test-sequences", "synthetic:100", "--device", "cpu"]
        flags += ["--observation", "64", "--hidden", "32", "--batch", "4", "--order", "shuffled"]
        flags += ["--l1-epochs", str(epochs - epochs // 2), "--iou-epochs", str(max(epochs // 2, 1))]
        flags += ["--checkpoint-every", "5", "--evaluate-every", "5"]
        flags += ["--out", f"{folder}/run", "--store", f"{folder}/store"]
        start_time = time.perf_counter()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            code = reinforce.main(flags)
        finally:
            done.set()
            thread.join()
        assert code == 0
        seconds = time.perf_counter() - start_time
        log = sum(path.stat().st_size for path in Path(folder, "run").glob("events.*")) / 1024
    numbers = {"done": epochs * 40, "rss_mb": curve.growth, "log_kb_per_epoch": log / epochs, "seconds": seconds}
    return curve, numbers


@contextmanager
def count_leaks(numbers: dict[str, float]) -> Iterator[None]:
    """Add to ``numbers`` how many files and processes the block leaves open."""
    files, processes = count_files(), count_processes()
    yield
    gc.collect()
    numbers |= {"files": count_files() - files, "processes": count_processes() - processes}


def draw_figure(path: Path, curves: dict[str, MemoryCurve]) -> None:
    """Draw the memory curves side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(10, 3), constrained_layout=True)
    for axis, (name, curve) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        amounts, values = zip(*curve.points, strict=True)
        axis.plot(amounts, values)
        axis.set(title=name, ylabel="resident memory (MB)", ylim=(0, 1.2 * max(values)))
        axis.set_xlabel("steps" if "steps" in name else "seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main(steps: int = 2_000_000, episodes: int = 40_000, envs: int = 256, figure: Path | None = None) -> int:
    """Run the vector environment and training for long. The exit code is 1 if memory, files, processes or logs grow.

    Args:
        steps: number of steps of the vector environment, all environments together.
        episodes: number of sampled episodes of training.
        envs: number of environments in the vector environment.
        figure: file for a plot of memory over time.
    """
    torch.set_num_threads(1)
    os.environ.setdefault("TRACKING_ENV_CACHE", tempfile.mkdtemp())
    run_steps(1000, 10), run_training(40)  # Imports and caches must not count as growth.
    curves, exceeded = {}, 0
    runs = {"steps": lambda: run_steps(steps, envs), "episodes of training": lambda: run_training(episodes)}
    for name, run in runs.items():
        leaks: dict[str, float] = {}
        with count_leaks(leaks):
            curve, numbers = run()
        numbers |= leaks
        curves[name] = curve
        print(f"{numbers.pop('done'):.0f} {name}: " + ", ".join(f"{key} {value:.2f}" for key, value in numbers.items()))
        for key, limit in LIMITS.items():
            if numbers.get(key, 0) > limit:
                print(f"too much: {key} {numbers[key]:.2f}, allowed {limit}")
                exceeded += 1
    if figure:
        draw_figure(figure, curves)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
