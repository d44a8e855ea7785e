"""Long runs: memory, open files, processes and logs stay as they are.

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
"""What a run may add: to the process's memory over its second half, to what Python and NumPy have allocated over its
last tenth, to TensorBoard's log for each epoch (film strips included); and what it may leave open and running."""


class Curve:
    """The process's resident memory over what was done: ``(amount, MB)``."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def note(self, amount: float) -> None:
        """Add a point."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.points.append((amount, pages * os.sysconf("SC_PAGE_SIZE") / 2**20))

    @property
    def growth(self) -> float:
        """MB between the median of the third quarter and the median of the last one."""
        values = [value for _, value in self.points]
        half, quarter = len(values) // 2, 3 * len(values) // 4
        return float(np.median(values[quarter:]) - np.median(values[half:quarter]))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def processes() -> int:
    """Threads of this process and processes that it started."""
    tasks = list(Path("/proc/self/task").iterdir())
    return len(tasks) + sum(len((one / "children").read_text().split()) for one in tasks)


def step(count: int, envs: int) -> tuple[Curve, dict[str, float]]:
    """So many steps of vector environments in all, with random boxes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that sequences are drawn
        env = gym.make_vec("OTBTrack-v0", num_envs=envs, sequences="synthetic:0-7")
    draw, curve = np.random.default_rng(0), Curve()
    env.reset(seed=0)
    rounds, traced, begun = count // envs, 0, time.perf_counter()
    for at in range(rounds):
        env.step(draw.random((envs, 4), dtype=np.float32))
        if at % max(rounds // 100, 1) == 0:
            gc.collect()
            curve.note(at * envs)
        if at == rounds * 8 // 10:  # tracing is slow: over the last fifth
            tracemalloc.start()
        if at == rounds * 9 // 10:
            traced = tracemalloc.get_traced_memory()[0]
    seconds = time.perf_counter() - begun
    gc.collect()
    grown = (tracemalloc.get_traced_memory()[0] - traced) / 2**20
    tracemalloc.stop()
    env.close()
    return curve, {"done": rounds * envs, "rss_mb": curve.growth, "traced_mb": grown, "seconds": seconds}


def train(count: int) -> tuple[Curve, dict[str, float]]:
    """Training for at least so many sampled episodes: epochs of 8 windows with 5 episodes each."""
    epochs, curve, done = -(-count // 40), Curve(), threading.Event()

    def watch() -> None:
        begun = time.perf_counter()
        while not done.wait(0.1):
            curve.note(time.perf_counter() - begun)

    with tempfile.TemporaryDirectory() as folder:
        flags = ["--sequences", "synthetic:0-3", "--test-sequences", "synthetic:100", "--device", "cpu"]
        flags += ["--observation", "64", "--hidden", "32", "--batch", "4", "--order", "shuffled"]
        flags += ["--l1-epochs", str(epochs - epochs // 2), "--iou-epochs", str(max(epochs // 2, 1))]
        flags += ["--checkpoint-every", "5", "--evaluate-every", "5"]
        flags += ["--out", f"{folder}/run", "--store", f"{folder}/store"]
        begun = time.perf_counter()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            code = reinforce.main(flags)
        finally:
            done.set()
            thread.join()
        assert code == 0
        seconds = time.perf_counter() - begun
        log = sum(one.stat().st_size for one in Path(folder, "run").glob("events.*")) / 1024
    numbers = {"done": epochs * 40, "rss_mb": curve.growth, "log_kb_per_epoch": log / epochs, "seconds": seconds}
    return curve, numbers


@contextmanager
def counting(numbers: dict[str, float]) -> Iterator[None]:
    """Notes how many open files and processes are there more than before."""
    files, others = open_files(), processes()
    yield
    gc.collect()
    numbers |= {"files": open_files() - files, "processes": processes() - others}


def draw_figure(path: Path, curves: dict[str, Curve]) -> None:
    """Memory over time, one picture beside the other."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(10, 3), constrained_layout=True)
    for place, (name, curve) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        amounts, values = zip(*curve.points, strict=True)
        place.plot(amounts, values)
        place.set(title=name, ylabel="resident memory (MB)", ylim=(0, 1.2 * max(values)))
        place.set_xlabel("steps" if "steps" in name else "seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main(steps: int = 2_000_000, episodes: int = 40_000, envs: int = 256, figure: Path | None = None) -> int:
    """Run long; exit code 1 if memory grows, or files, processes or logs are left.

    Args:
        steps: of the vector environment, all environments together.
        episodes: sampled ones, of training.
        envs: environments side by side.
        figure: where to draw memory over time.
    """
    torch.set_num_threads(1)
    os.environ.setdefault("TRACKING_ENV_CACHE", tempfile.mkdtemp())
    step(1000, 10), train(40)  # what is loaded once
    curves, bad = {}, 0
    for name, run in (("steps", lambda: step(steps, envs)), ("episodes of training", lambda: train(episodes))):
        left: dict[str, float] = {}
        with counting(left):
            curve, numbers = run()
        numbers |= left
        curves[name] = curve
        print(f"{numbers.pop('done'):.0f} {name}: " + ", ".join(f"{key} {value:.2f}" for key, value in numbers.items()))
        for key, limit in LIMITS.items():
            if numbers.get(key, 0) > limit:
                print(f"too much: {key} {numbers[key]:.2f}, allowed {limit}")
                bad += 1
    if figure:
        draw_figure(figure, curves)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
