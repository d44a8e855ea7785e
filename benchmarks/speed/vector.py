"""Time the vector environments of the closed loops against their networks alone.

python benchmarks/speed/vector.py [--env search|experts] [--root OTB] [--sequences NAMES] [--features NAMES]
    [--weights PATH] [--num-envs N] [--clip-length T] [--rounds N] [--json]

* env: steps per second of ``gym.make_vec(ID, num_envs=N)``, resets included: a reset of all, then T steps. The actions
  keep the last box. N / 4 episodes share a clip, as in REINFORCE with a baseline over 4 episodes.
* networks: the rate at which the same crops pass the same networks, as many at a time and on as many threads, with
  nothing else: the calls of one reset and of one step are recorded, then made again.
* sync: the same environments in a ``SyncVectorEnv``.

Goal: the environment reaches at least 0.85 of the networks' rate. Frames are decoded before: in the loop, training uses
each many times. All numbers are medians over rounds in which the candidates take turns.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import tracking_env  # noqa: F401  # registers the ids
from tracking_env.datasets import loading
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.search.parallel import run_parallel

GOAL = 0.85
EPISODES = 4  # of each clip
DEFAULTS = {"search": "nanotrack-head", "experts": "nanotrack-v3,fear-xs"}
NETWORKS = {"search": ("_backbone", "_head"), "experts": ("encode", "compare")}
"""The attributes that run the networks, of an extractor of maps and of an expert."""
Call = tuple[Callable[..., Any], tuple[Any, ...]]


def decode(sequence: Sequence, length: int) -> Sequence:
    """The first frames of a sequence, in memory."""
    frames = np.stack([sequence.frames[index] for index in range(length)])
    return Sequence(sequence.name, ArrayFrames(frames), sequence.boxes[:length])


def record(owner: Any, name: str, calls: list[Call]) -> None:
    """Replace a function of an object by one that also notes its calls."""
    function = getattr(owner, name)

    def noting(*arguments: Any) -> Any:
        calls.append((function, arguments))
        return function(*arguments)

    setattr(owner, name, noting)


def reset(env: Any, sequences: list[Sequence]) -> None:
    """Start `EPISODES` episodes of each clip."""
    clips = np.arange(env.num_envs) // EPISODES
    for clip in range(clips.max() + 1):
        env.reset(
            seed=[clip] * env.num_envs,
            options={"sequence": sequences[clip % len(sequences)].name, "start": 0}
            | ({"reset_mask": clips == clip} if clip else {}),
        )


def measure(args: argparse.Namespace) -> dict[str, object]:
    """All numbers by name."""
    whole = loading.load(args.root, args.sequences or (None if args.root else "synthetic:0-3"))
    sequences = [decode(sequence, args.clip_length + 1) for sequence in whole]
    names, id = args.features or DEFAULTS[args.env], f"OTBTrack{args.env.title()}-v0"
    kind: dict[str, Any] = {"experts": names.split(",")} if args.env == "experts" else {"features": names}
    options = {"sequences": sequences, "split": "all", "weights": args.weights, "clip_length": args.clip_length} | kind

    def make(**more: Any) -> Any:
        return gym.make_vec(id, args.num_envs, **options, **more)

    env = make(autoreset_mode=AutoresetMode.DISABLED)
    sync = make(vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED})
    recorded = make(autoreset_mode=AutoresetMode.DISABLED)
    single = recorded.unwrapped._env
    calls: list[Call] = []
    for owner in single.experts if args.env == "experts" else [single.maps]:
        for name in NETWORKS[args.env]:
            if hasattr(owner, name):
                record(owner, name, calls)
    reset(recorded, sequences)
    of_reset = calls.copy()
    calls.clear()
    action = np.zeros(env.action_space.shape, np.float32)
    if args.env == "search":
        action = np.tile(np.float32([0.5, 0.5, 0.25, 0.25]), (args.num_envs, 1))
    recorded.step(action)
    of_step = calls.copy()

    def run_environment(envs: Any) -> float:
        begun = time.perf_counter()
        reset(envs, sequences)
        for _ in range(args.clip_length):
            envs.step(action)
        return time.perf_counter() - begun

    def run_networks() -> float:
        begun = time.perf_counter()
        for batch in [of_reset] + [of_step] * args.clip_length:
            run_parallel(lambda call: call[0](*call[1]), batch)
        return time.perf_counter() - begun

    measurements = {
        "env": lambda: run_environment(env),
        "networks": run_networks,
        "sync": lambda: run_environment(sync),
    }
    rounds = [{name: seconds() for name, seconds in measurements.items()} for _ in range(args.rounds + 1)]
    rounds = rounds[1:]  # the first one warms up
    steps = args.num_envs * args.clip_length
    return {
        "env": id,
        "features": names,
        "num_envs": args.num_envs,
        "clip_length": args.clip_length,
        **{
            f"{name}_steps_per_second": round(steps / statistics.median(times[name] for times in rounds), 1)
            for name in measurements
        },
        "networks_share": round(statistics.median(times["networks"] / times["env"] for times in rounds), 3),
        "sync_ratio": round(statistics.median(times["sync"] / times["env"] for times in rounds), 3),
        "goal_networks_share": GOAL,
    }


def main() -> None:
    """Print the numbers as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", choices=list(DEFAULTS), default="search", help="which closed loop")
    parser.add_argument("--root", type=Path, help="folder of sequences; without it frames are drawn")
    parser.add_argument("--sequences", help="names and lists; by default all in the root, or synthetic:0-3")
    parser.add_argument("--features", help="the extractor of maps, or the experts with commas between them")
    parser.add_argument("--weights", type=Path, help="the folder of their files")
    parser.add_argument("--num-envs", type=int, default=16, help="environments in a vector environment")
    parser.add_argument("--clip-length", type=int, default=40, help="T, frames of an episode")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count, after one to warm up")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    numbers = measure(args)
    print(
        json.dumps(numbers) if args.json else "\n".join(f"{name:<26} {value!s:>24}" for name, value in numbers.items())
    )


if __name__ == "__main__":
    main()
