"""Time a step of OTBTrack-v0 against CartPole's, and its vector environment against NumPy alone.

python benchmarks/speed/env.py [--root OTB] [--sequences NAMES] [--features NAME] [--weights PATH] [--store FOLDER]
                         [--num-envs N] [--dim D] [--seconds S] [--json]

* step: microseconds per step of ``gym.make("OTBTrack-v0")`` and of ``gym.make("CartPole-v1")``, without resets.
* episode: microseconds per step of ``gym.make("OTBTrack-v0")`` with its resets, one per clip of 10 frames.
* vector: steps per second of ``gym.make_vec("OTBTrack-v0", num_envs=N)``, resets included; of the same environments in
  a ``SyncVectorEnv``; and of NumPy alone, which only gathers as many rows from an array in memory (``numpy.take``).

Goals: a step takes at most 3 times as long as CartPole's, and 4 times with resets (CartPole's without); the vector
environment reaches at least 0.6 of NumPy's rate and 20 times the ``SyncVectorEnv``'s. Clips have the default length of
10 frames. All numbers are medians over rounds in which the candidates take turns. ``--dim`` replaces the features by
constant ones of that length; the paper's layer of YOLO v1 has 4096.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np

import tracking_env  # noqa: F401  # registers the ids
from tracking_env.features.base import Extractor
from tracking_env.features.extractors import make_extractor

GOALS = {"step_ratio": 3.0, "episode_ratio": 4.0, "numpy_share": 0.6, "sync_ratio": 20.0}
ROUNDS = 7


class FreeFeatures:
    """An extractor that costs nothing: it repeats one pixel of the frame."""

    def __init__(self, dim: int) -> None:
        self.dim, self.id = dim, f"free-{dim}"

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The frame."""
        return frame

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` -> ``(N, D)`` float32."""
        return np.repeat(frames[:, :1, 0, 0], self.dim, axis=1).astype(np.float32)


def step_seconds(env: gym.Env, actions: np.ndarray | list, seconds: float, resets: bool = False) -> float:
    """Mean seconds per step, over about ``seconds``; with the time of resets, or without."""
    elapsed, count = 0.0, 0
    while elapsed < seconds:
        start = time.perf_counter()
        env.reset()
        over = False
        if not resets:
            start = time.perf_counter()
        while not over:
            _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
            over = terminated or truncated
            count += 1
        elapsed += time.perf_counter() - start
    return elapsed / count


def call_seconds(call: Callable[[], object], seconds: float) -> float:
    """Mean seconds per call, over about ``seconds``."""
    elapsed, count = 0.0, 0
    start = time.perf_counter()
    while elapsed < seconds:
        for _ in range(11):  # whole episodes: ten steps and the one that resets
            call()
        count += 11
        elapsed = time.perf_counter() - start
    return elapsed / count


def measure(args: argparse.Namespace, extractor: Extractor, store: Path) -> dict[str, object]:
    """All numbers by name."""
    options = {"sequences": args.sequences, "root": args.root, "features": extractor, "store": store}
    boxes = np.random.default_rng(0).random((64, args.num_envs, 4), np.float32)

    single, cartpole = gym.make("OTBTrack-v0", **options), gym.make("CartPole-v1")
    vector, sync = (
        gym.make_vec("OTBTrack-v0", args.num_envs, mode, **options) for mode in ("vector_entry_point", "sync")
    )
    single.unwrapped.store.build(single.unwrapped.sequences.values(), progress=False)  # type: ignore[attr-defined]
    for env in (single, cartpole, vector, sync):
        env.reset(seed=0)
    for _ in range(11 * 40):  # until all features are in the vector environment's memory
        vector.step(boxes[0])
    features = vector.reset()[0]["features"]
    frames = sum(len(sequence.part("train")) for sequence in vector.unwrapped.sequences.values())
    table = np.random.default_rng(0).random((frames, features.shape[1]), np.float32)
    rows = np.random.default_rng(1).integers(0, frames, (64, args.num_envs))
    turn = iter(range(10**12))
    measurements: dict[str, Callable[[], float]] = {
        "cartpole": lambda: step_seconds(cartpole, [0, 1], args.seconds),
        "step": lambda: step_seconds(single, boxes[:, 0], args.seconds),
        "episode": lambda: step_seconds(single, boxes[:, 0], args.seconds, resets=True),
        "numpy": lambda: call_seconds(lambda: np.take(table, rows[next(turn) % 64], axis=0), args.seconds),
        "vector": lambda: call_seconds(lambda: vector.step(boxes[next(turn) % 64]), args.seconds),
        "sync": lambda: call_seconds(lambda: sync.step(boxes[next(turn) % 64]), args.seconds),
    }
    rounds = [{name: seconds() for name, seconds in measurements.items()} for _ in range(ROUNDS + 1)]
    rounds = rounds[1:]  # the first one warms up
    medians = {name: statistics.median(times[name] for times in rounds) for name in measurements}
    ratios = {
        "step_ratio": statistics.median(times["step"] / times["cartpole"] for times in rounds),
        "episode_ratio": statistics.median(times["episode"] / times["cartpole"] for times in rounds),
        "numpy_share": statistics.median(times["numpy"] / times["vector"] for times in rounds),
        "sync_ratio": statistics.median(times["sync"] / times["vector"] for times in rounds),
    }
    return {
        "features": extractor.id,
        "dim": extractor.dim,
        "num_envs": args.num_envs,
        "frames": frames,
        "cartpole_us": round(1e6 * medians["cartpole"], 2),
        "step_us": round(1e6 * medians["step"], 2),
        "episode_us": round(1e6 * medians["episode"], 2),
        **{f"{name}_steps_per_second": round(args.num_envs / medians[name]) for name in ("numpy", "vector", "sync")},
        **{name: round(value, 3) for name, value in ratios.items()},
        **{f"goal_{name}": value for name, value in GOALS.items()},
    }


def main() -> None:
    """Print the numbers as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of sequences; without it frames are drawn")
    parser.add_argument("--sequences", help="names and lists; by default all in the root, or synthetic:0-127")
    parser.add_argument("--features", default="grid", help="the extractor's name")
    parser.add_argument("--weights", type=Path, help="its weights file or their folder")
    parser.add_argument("--store", type=Path, help="feature store; by default a temporary one")
    parser.add_argument("--num-envs", type=int, default=256, help="environments in a vector environment")
    parser.add_argument("--dim", type=int, help="measure with constant features of this length")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a round of each measurement")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    args.sequences = args.sequences or (None if args.root else "synthetic:0-127")
    extractor = FreeFeatures(args.dim) if args.dim else make_extractor(args.features, args.weights)
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(args, extractor, args.store or Path(folder) / "store")
    print(json.dumps(numbers) if args.json else "\n".join(f"{name:<24} {value:>16}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
