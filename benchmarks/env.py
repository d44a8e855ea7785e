"""What the environment costs: a step beside CartPole's, and the vector environment beside NumPy alone.

python benchmarks/env.py [--root OTB] [--sequences NAMES] [--features NAME] [--weights PATH] [--store FOLDER]
                         [--num-envs N] [--dim D] [--seconds S] [--json]

* step: microseconds of one step of ``gym.make("OTBTrack-v0")``, resets not counted, and of ``CartPole-v1`` from
  ``gym.make`` too.
* vector: steps a second of ``gym.make_vec("OTBTrack-v0", num_envs=N)``, new episodes counted, of the same environments
  in a ``SyncVectorEnv``, and of NumPy alone: one ``numpy.take`` of the same rows from one array in memory.

Clips have 10 frames, as by default. The goals: a step of at most 3 CartPoles; at least 0.6 of NumPy's rate and 20 times
the ``SyncVectorEnv``'s. All are medians of rounds that take turns. With ``--dim`` the frames' features are numbers of
that length, made up: 4096 is the layer of YOLO v1 that the paper takes.
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
from tracking_env.features.extractors import Extractor, make_extractor

GOALS = {"step_ratio": 3.0, "numpy_share": 0.6, "sync_ratio": 20.0}
ROUNDS = 7


class MadeUp:
    """Features that cost nothing to extract."""

    def __init__(self, dim: int) -> None:
        self.dim, self.id = dim, f"made-up-{dim}"

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The frame."""
        return frame

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` -> ``(N, D)`` float32."""
        return np.repeat(frames[:, :1, 0, 0], self.dim, axis=1).astype(np.float32)


def step_seconds(env: gym.Env, actions: np.ndarray | list, seconds: float) -> float:
    """Of one step, on average; the time of resets is left out."""
    spent, count = 0.0, 0
    while spent < seconds:
        env.reset()
        over = False
        begun = time.perf_counter()
        while not over:
            _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
            over = terminated or truncated
            count += 1
        spent += time.perf_counter() - begun
    return spent / count


def call_seconds(call: Callable[[], object], seconds: float) -> float:
    """Of one call, on average."""
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        for _ in range(11):  # whole episodes: ten steps and the one that resets
            call()
        count += 11
    return spent / count


def measure(args: argparse.Namespace, extractor: Extractor, store: Path) -> dict[str, object]:
    options = {"sequences": args.sequences, "root": args.root, "features": extractor, "store": store}
    boxes = np.random.default_rng(0).random((64, args.num_envs, 4), np.float32)

    single, cartpole = gym.make("OTBTrack-v0", **options), gym.make("CartPole-v1")
    vector, sync = (
        gym.make_vec("OTBTrack-v0", args.num_envs, mode, **options) for mode in ("vector_entry_point", "sync")
    )
    for env in (single, cartpole, vector, sync):
        env.reset(seed=0)
    for _ in range(11 * 40):  # all frames are met
        vector.step(boxes[0])
    features = vector.reset()[0]["features"]
    frames = sum(len(one.part("train")) for one in vector.unwrapped.sequences.values())
    table = np.random.default_rng(0).random((frames, features.shape[1]), np.float32)
    rows = np.random.default_rng(1).integers(0, frames, (64, args.num_envs))
    turn = iter(range(10**12))
    works: dict[str, Callable[[], float]] = {
        "cartpole": lambda: step_seconds(cartpole, [0, 1], args.seconds),
        "step": lambda: step_seconds(single, boxes[:, 0], args.seconds),
        "numpy": lambda: call_seconds(lambda: np.take(table, rows[next(turn) % 64], axis=0), args.seconds),
        "vector": lambda: call_seconds(lambda: vector.step(boxes[next(turn) % 64]), args.seconds),
        "sync": lambda: call_seconds(lambda: sync.step(boxes[next(turn) % 64]), args.seconds),
    }
    rounds = [{name: work() for name, work in works.items()} for _ in range(ROUNDS + 1)][1:]
    middle = {name: statistics.median(one[name] for one in rounds) for name in works}
    ratios = {
        "step_ratio": statistics.median(one["step"] / one["cartpole"] for one in rounds),
        "numpy_share": statistics.median(one["numpy"] / one["vector"] for one in rounds),
        "sync_ratio": statistics.median(one["sync"] / one["vector"] for one in rounds),
    }
    return {
        "features": extractor.id,
        "dim": extractor.dim,
        "num_envs": args.num_envs,
        "frames": frames,
        "cartpole_us": round(1e6 * middle["cartpole"], 2),
        "step_us": round(1e6 * middle["step"], 2),
        **{f"{name}_steps_per_second": round(args.num_envs / middle[name]) for name in ("numpy", "vector", "sync")},
        **{name: round(value, 3) for name, value in ratios.items()},
        **{f"goal_{name}": value for name, value in GOALS.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of sequences; without it frames are drawn")
    parser.add_argument("--sequences", help="names and lists; by default all in the root, or synthetic:0-127")
    parser.add_argument("--features", default="grid", help="the extractor's name")
    parser.add_argument("--weights", type=Path, help="its weights file or their folder")
    parser.add_argument("--store", type=Path, help="feature store; by default a temporary one")
    parser.add_argument("--num-envs", type=int, default=256, help="of the vector environments")
    parser.add_argument("--dim", type=int, help="made-up features of this length instead")
    parser.add_argument("--seconds", type=float, default=0.3, help="of one round of each")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    args.sequences = args.sequences or (None if args.root else "synthetic:0-127")
    extractor = MadeUp(args.dim) if args.dim else make_extractor(args.features, args.weights)
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(args, extractor, args.store or Path(folder) / "store")
    print(json.dumps(numbers) if args.json else "\n".join(f"{name:<24} {value:>16}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
