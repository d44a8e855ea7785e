"""Measure training in frames per second: the fast path, stepping the environment, sb3-contrib's RecurrentPPO.

python benchmarks/speed/train.py [--json] [--seconds 10] [--hidden 256] [--steps 10] [--episodes 5] [--batch 32]

All three run in one process, on the same drawn videos, features and layer sizes; the first two make the same updates
(windows, samples, baseline, Adam). A frame is a video frame of a window that was learned from.

* ``fast``: train/reinforce.py; all T steps of a batch in one pass, N boxes sampled from each mean.
* ``plain``: benchmarks/speed/stepped_reinforce.py; gym.make("OTBTrack-v0"), one step of the LSTM at a time, N
  episodes one after the other.
* ``recurrent_ppo_lean``: sb3-contrib with the least work: one environment per window of the batch, an update after T
  steps of each, one pass over them (gamma = 0), one LSTM for policy and value. It learns from one box per frame, the
  others from N; ``boxes_per_second`` counts boxes.
* ``recurrent_ppo``: sb3-contrib's defaults with an LSTM of that size (ten passes, 128 steps per update, another LSTM
  for the value).

Then it measures how the fast path scales with T, N and the hidden size, and the share of its time in matrix products
(by torch's profiler). The exit code is 1 if the fast path learns from less than GOAL times the boxes of an alternative.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/speed/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in train/reinforce.py

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from agents.drlt import DRLT, DRLTConfig
from agents.reinforce import ReinforceConfig
from agents.windows import WindowConfig, Windows
from benchmarks.speed import stepped_reinforce
from tracking_env.datasets import loading
from tracking_env.datasets.sequence import Sequence
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from train.config import RunConfig
from train.learner import Learner
from train.run.schedule import ScheduleConfig

GOAL = 20  # the floor allows about 30, see benchmarks/speed/cpu.py
GROWTH = {"steps": (5, 10, 20, 40), "episodes": (5, 10, 20, 50), "hidden": (128, 256, 512, 1024)}
PRODUCTS = ("mm", "rnn")  # in the names of mm, addmm, bmm, cudnn_rnn, mkldnn_rnn_layer


def make_model(store: FeatureStore, windows: Windows, hidden: int, device: str) -> DRLT:
    """A network with the normaliser of the windows' features."""
    torch.manual_seed(0)
    model = DRLT(store.extractor.dim, DRLTConfig(hidden, hidden)).to(device)
    model.fit_normaliser(windows.features)
    return model


def batches(windows: Windows) -> Iterator[list[int]]:
    """Numbers of the windows of each batch, epoch after epoch."""
    order = torch.Generator().manual_seed(0)
    while True:
        yield from (rows for rows, _ in windows.epoch(order))


def fast(windows: Windows, model: DRLT, options: ReinforceConfig) -> Callable[[], int]:
    """An update of train/reinforce.py, as a function that returns its number of frames."""
    device = windows.truth.device
    learner = Learner(model, RunConfig(reinforce=options, schedule=ScheduleConfig(lr=1e-4, clip_norm=10.0)))
    rows, noise = batches(windows), torch.Generator(device).manual_seed(0)

    def update() -> int:
        chosen = next(rows)
        batch = windows[chosen]
        samples = torch.randn((options.episodes, *batch.truth.shape), generator=noise, device=device)
        learner.update(batch, samples, len(chosen), None, "reinforce", "l1", options.sigma)
        return int(batch.mask.sum())

    return update


def stepped(
    env: gym.Env, clips: list[dict[str, Any]], windows: Windows, model: DRLT, options: ReinforceConfig
) -> Callable[[], int]:
    """The same update by stepping the environment."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    rows, noise = batches(windows), torch.Generator().manual_seed(0)

    def update() -> int:
        chosen = next(rows)
        shape = (options.episodes, len(chosen), windows.config.steps, 4)
        loss, _ = stepped_reinforce.loss(
            env, [clips[row] for row in chosen], model, torch.randn(shape, generator=noise), options
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return int(windows.mask[chosen].sum())

    return update


def recurrent_ppo(
    make: Callable[[], gym.Env], hidden: int, steps: int, batch: int, lean: bool
) -> Callable[[], int] | None:
    """One rollout and one update of RecurrentPPO; None if it is not installed."""
    try:
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
        from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError:
        return None

    class Observation(BaseFeaturesExtractor):
        """DRLT's fully connected layer on features and location."""

        def __init__(self, space: gym.spaces.Dict) -> None:
            super().__init__(space, hidden)
            self.fc = torch.nn.Linear(sum(entry.shape[0] for entry in space.values()), hidden)

        def forward(self, observation: dict[str, torch.Tensor]) -> torch.Tensor:
            return torch.relu(self.fc(torch.cat([observation["features"], observation["location"]], dim=-1)))

    envs = DummyVecEnv([make] * batch)
    options: dict[str, Any] = {"policy_kwargs": {"lstm_hidden_size": hidden}}
    if lean:
        options = {"n_steps": steps, "batch_size": steps * batch, "n_epochs": 1, "gamma": 0.0}
        options["policy_kwargs"] = {
            "features_extractor_class": Observation,
            "lstm_hidden_size": hidden,
            "shared_lstm": True,  # one LSTM for policy and value
            "enable_critic_lstm": False,
            "net_arch": [],
            "log_std_init": -4.6,  # ln 0.01
        }
    model = RecurrentPPO("MultiInputLstmPolicy", envs, seed=0, device="cpu", **options)
    collected = model.n_steps * batch

    def update() -> int:
        model.learn(collected, reset_num_timesteps=False)
        return collected

    return update


def rate(update: Callable[[], int], seconds: float) -> float:
    """Frames per second over at least ``seconds``, after an update that does not count."""
    update()
    frames, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds or not frames:
        frames += update()  # its result comes from the device, so the device has finished
    return frames / passed


def products(update: Callable[[], int], updates: int = 10) -> float:
    """The share of the time in matrix products, including the LSTM's, in [0, 1]."""
    update()
    with torch.profiler.profile() as profile:
        for _ in range(updates):
            update()
    events = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CPU]
    on_device = any(event.self_device_time_total for event in events)
    total, in_products = 0.0, 0.0
    for event in events:
        spent = event.self_device_time_total if on_device else event.self_cpu_time_total
        total += spent
        if any(part in event.key for part in PRODUCTS):
            in_products += spent
    return in_products / total


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All measurements, by name."""
    store = FeatureStore(make_extractor("grid"), folder)
    videos = loading.load(None, arguments.sequences)
    store.build(videos)
    hidden, steps, episodes, batch = arguments.hidden, arguments.steps, arguments.episodes, arguments.batch

    def path(steps: int = steps, episodes: int = episodes, hidden: int = hidden, device: str = arguments.device):
        config = WindowConfig(steps=steps, batch=batch, order="shuffled")
        windows = Windows([store[video] for video in videos], [video.relative for video in videos], config, device)
        return windows, make_model(store, windows, hidden, device), ReinforceConfig(episodes=episodes)

    def make() -> gym.Env:
        return gym.make("OTBTrack-v0", sequences=videos, store=folder, split="all", clip_length=steps)

    def clip(video: Sequence, part: range) -> dict[str, Any]:
        return {"sequence": video.name, "start": part.start, "length": steps}

    fps = {"fast": rate(fast(*path()), arguments.seconds)}
    clips = [clip(video, part) for video in videos for part in video.windows("all", steps)]
    fps["plain"] = rate(stepped(make(), clips, *path(device="cpu")), arguments.seconds)
    for name, lean in (("recurrent_ppo_lean", True), ("recurrent_ppo", False)):
        other = recurrent_ppo(make, hidden, steps, batch, lean)
        if other is None:
            print("RecurrentPPO is left out; type: pip install sb3-contrib", file=sys.stderr)
            break
        fps[name] = rate(other, arguments.seconds)
    boxes = {name: frames * (1 if "ppo" in name else episodes) for name, frames in fps.items()}
    growth = {
        size: {str(value): rate(fast(*path(**{size: value})), arguments.seconds / 2) for value in values}
        for size, values in GROWTH.items()
    }
    return {
        "threads": torch.get_num_threads(),
        "device": arguments.device,
        "sizes": {"hidden": hidden, "steps": steps, "episodes": episodes, "batch": batch},
        "frames_per_second": fps,
        "boxes_per_second": boxes,
        "fast_is_times": {name: fps["fast"] / other for name, other in fps.items() if name != "fast"},
        "fast_is_times_in_boxes": {name: boxes["fast"] / other for name, other in boxes.items() if name != "fast"},
        "growth": growth,
        "share_of_matrix_products": products(fast(*path())),
    }


def show(numbers: dict[str, Any]) -> None:
    """Print the measurements as tables."""
    print(f"{'path':<20}{'frames/s':>12}{'boxes/s':>12}{'fast is times':>15}{'in boxes':>10}")
    for name, fps in numbers["frames_per_second"].items():
        times, in_boxes = (
            f"{numbers[key][name]:.1f}" if name in numbers[key] else ""
            for key in ("fast_is_times", "fast_is_times_in_boxes")
        )
        print(f"{name:<20}{fps:>12,.0f}{numbers['boxes_per_second'][name]:>12,.0f}{times:>15}{in_boxes:>10}")
    print(f"\nshare of matrix products in the fast path: {numbers['share_of_matrix_products']:.0%}\n")
    for size, row in numbers["growth"].items():
        print(f"{size:<10}" + "".join(f"{value:>12}" for value in row))
        print(f"{'frames/s':<10}" + "".join(f"{fps:>12,.0f}" for fps in row.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--sequences", default="synthetic:0-31", help="drawn videos to train on")
    parser.add_argument("--hidden", type=int, default=256, help="neurons of the FC layer and units of the LSTM")
    parser.add_argument("--steps", type=int, default=10, help="T")
    parser.add_argument("--episodes", type=int, default=5, help="N")
    parser.add_argument("--batch", type=int, default=32, help="windows per update")
    parser.add_argument("--device", default="cpu", help="device of the fast path; the others step on the CPU")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = measure(arguments, Path(folder))
    print(json.dumps(numbers)) if arguments.json else show(numbers)
    return 0 if min(numbers["fast_is_times_in_boxes"].values()) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
