"""Train the closed-loop agent: a supervised warm start on crops, then REINFORCE in the loop; test it, write a report.

python train/search.py                                                   # drawn sequences, no weights
python train/search.py --preset small --root OTB --sequences drlt30 --weights FOLDER
python train/search.py --preset small --root OTB --sequences Car4,David,Deer --test-sequences drlt30 --weights FOLDER
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

# Threads that wait must sleep: spinning ones make training ten times slower wherever another program runs too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import logging
import sys
import time
from collections.abc import Sequence as Many
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm

import tracking_env  # noqa: F401  (registers the ids)
from agents import imitation, pointing_checkpoint, reinforce, returns, supervised
from agents.pointing import Pointing
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation.score_report import Report
from tracking_env.features.maps import MapExtractor, Proposer, make_maps
from tracking_env.search.window import WindowTracker
from tracking_env.trackers.base import run as track
from train import results
from train.cutting import cut
from train.data import Data, load
from train.ending import ended
from train.flags import flat
from train.rollout import draw_clip, in_image, replay, roll
from train.run import Run
from train.search_config import SearchConfig, parse
from train.seeds import several


def train(config: SearchConfig) -> bool:
    """One run from flags to report; see `train.run` for what it leaves. False where it was stopped before its end."""
    begun = time.perf_counter()
    torch.manual_seed(config.seed)
    warm, loop = config.warm, config.loop
    total = warm.warm_steps + loop.updates

    # Data and agent: the agent is new, or that of another run's warm start, or as the last checkpoint left it.
    data = load(config.data)
    maps = make_maps(config.data.features, config.data.weights)
    run = Run(config, unit="update")  # refuses what it must before the long work begins
    done = 0
    if run.newest or config.start:
        saved = pointing_checkpoint.load(run.newest or warm_start(config))
        if saved.maps != maps.id:
            raise InputError(f"the run in {run.newest or config.start} was trained on {saved.maps}, not on {maps.id}")
        model, done = saved.model, saved.done if run.newest else warm.warm_steps
    else:
        saved, model = None, Pointing(maps.channels, config.network, isinstance(maps, Proposer))
    others = results.lines(data.testing, data.training, data.unseen)
    decoded = [in_memory(one, part) for one, part in tqdm(data.clips, desc="decoding", leave=False, disable=None)]
    run.start(done)
    run.text("config", "\n".join(f"    {name} = {value}" for name, value in flat(config).items()))
    run.catch_interrupts()

    def keep(optimizer: torch.optim.Adam) -> bool:
        """Save where it is time to; whether to stop."""
        if done % config.checkpoint_every == 0 or done == total or run.stop_asked:
            pointing_checkpoint.save_newest(run.checkpoints, model, maps.id, done, asdict(config), optimizer)
        if run.stop_asked and done < total:
            run.close()
            print(f"stopped after update {done} and saved; type the same command with --resume to go on")
            return True
        return False

    # Warm start: single crops, where the target is known.
    if done < warm.warm_steps:
        crops = cut(decoded, maps, warm.crops, warm.pretended, config.seed, warm.stretch)
        optimizer: torch.optim.Adam = torch.optim.AdamW(model.parameters(), lr=warm.warm_lr)
        if saved:
            pointing_checkpoint.restore(optimizer, model, saved.optimizer)
        bar = tqdm(desc="warm start", initial=done, total=warm.warm_steps, unit="update", disable=None)
        while done < warm.warm_steps:
            for group in optimizer.param_groups:
                group["lr"] = warm.rate(done)
            # Randomness depends on seed and update alone, so that a resumed run repeats an uninterrupted one.
            draws = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
            batch = crops.batch(model, warm.warm_batch, warm.pretended_share, draws)
            looking = (torch.rand(warm.warm_batch, generator=draws) >= warm.blind_share).float()
            decision = model.decide(
                batch.search, batch.location, batch.state, looking=looking, proposals=batch.proposals
            )
            losses = imitation.loss(decision, batch.truth, model.cells)
            norm = step(model, optimizer, losses.mean(), warm.warm_clip_norm, done)
            overlap = imitation.generalised_iou(decision.mean.detach(), batch.truth).mean()
            scalars = {"warm/generalised_iou": float(overlap), "train/gradient_norm": norm}
            run.log(done + 1, scalars | {"train/learning_rate": warm.rate(done)})
            done += 1
            bar.update()
            if done == warm.warm_steps:
                saved = None  # of the other optimiser
                pointing_checkpoint.save(run.path / "warm", model, maps.id, done, asdict(config))
            if keep(optimizer):
                return False
        bar.close()
        del crops

    # In the loop: what the agent says decides what it sees next.
    envs = [
        gym.make(
            "OTBTrackSearch-v0",
            sequences=decoded,
            split="all",
            features=maps,
            clip_length=loop.steps,
            template="video",
            jitter=loop.jitter,
            disable_env_checker=True,
        )
        for _ in range(loop.clips * loop.episodes)
    ]
    learned = model.last_layers() if loop.tune == "last" else list(model.parameters())
    optimizer = torch.optim.Adam(learned, lr=loop.lr)
    if saved and done > warm.warm_steps:
        pointing_checkpoint.restore(optimizer, model, saved.optimizer)
    bar = tqdm(desc="in the loop", initial=done - warm.warm_steps, total=loop.updates, unit="update", disable=None)
    while done < total:
        update = done - warm.warm_steps
        reward = loop.reward(update)
        for group in optimizer.param_groups:
            group["lr"] = loop.rate(update)
        rng = np.random.default_rng([config.seed, update])
        noise = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
        options = [draw_clip(decoded, loop.steps, rng) for _ in range(loop.clips)]
        seeds = rng.integers(2**31, size=loop.clips).tolist()
        rollout = roll(envs, model, options, seeds, loop.steps, loop.sigma, noise)
        mean = replay(model, rollout)
        if loop.learner == "reinforce":
            gained = returns.returns(rollout.rewards[reward], loop.returns, gamma=loop.gamma)
            advantages = (gained - returns.baseline(gained, "mean")).flatten(0, 1)
            losses = reinforce.loss(mean, rollout.actions[None], advantages[None], loop.sigma, rollout.mask)
        else:
            losses = supervised.loss(in_image(mean, rollout.place), rollout.truth, reward, rollout.mask)
        norm = step(model, optimizer, losses.mean(), loop.clip_norm, done)
        frames = float(rollout.mask.sum())
        rewards = {f"reward/{name}": float(one.sum()) / frames for name, one in rollout.rewards.items()}
        scalars = {"train/gradient_norm": norm, "train/learning_rate": loop.rate(update)}
        run.log(done + 1, rewards | scalars | {"size/pace": model.pace.item(), "size/pull": model.pull.item()})
        done += 1
        bar.update()
        bar.set_postfix(iou=f"{rewards['reward/iou']:.3f}")
        if keep(optimizer):
            return False
    bar.close()
    for folder in filter(Path.exists, (run.path / "warm", run.checkpoints / f"{total:06d}")):
        pointing_checkpoint.export(folder)

    # Report: before and after the loop.
    warmed = run.path / "warm" if loop.updates and not config.start else None
    if warmed:
        start, _ = predict(pointing_checkpoint.load(warmed).model, maps, data)
        others["Pointing, warm start"] = results.score(start, data.testing, data.unseen)
    predictions, fps = predict(model, maps, data)
    report = results.examine(run, done, predictions, data)
    lost = report.count_failures()
    facts = {
        "device": "cpu",
        "seconds": time.perf_counter() - begun,
        "updates": done,
        "drift": lost.to_json(),
        "config": asdict(config),
        "dataset": data.facts(),
        "extractor": maps.id,
    }
    results.publish(run, predictions, report, {"online": fps}, data, others, label(config), facts)
    print(
        f"drift: {lost.per_hundred:.2f} failures per 100 frames, {lost.recovered} of {lost.failures} recovered, "
        f"{lost.lost_share:.1%} of frames lost, {lost.frames_to_failure:.0f} frames to the first failure"
    )
    run.close()
    return True


def step(model: Pointing, optimizer: torch.optim.Adam, loss: torch.Tensor, clip_norm: float, done: int) -> float:
    """One step of the optimiser; the gradient's norm before clipping.

    Raises:
        InputError: loss or gradient are not finite.
    """
    model.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not torch.isfinite(loss.detach() + norm):
        raise InputError(
            f"loss or gradient is not finite in update {done + 1}; nothing was learned from it; try a smaller --lr"
        )
    optimizer.step()
    return float(norm)


def in_memory(sequence: Sequence, part: range) -> Sequence:
    """The open part of a sequence with its frames decoded: the loop asks for each many times."""
    frames = ArrayFrames(np.stack([sequence.frames[index] for index in part]))
    boxes = sequence.boxes[part.start : part.stop]
    return Sequence(sequence.name, frames, boxes, sequence.attributes, sequence.dataset)


def predict(model: Pointing, maps: MapExtractor, data: Data) -> tuple[results.Predictions, float]:
    """The agent's boxes on the test sequences, and its mean frames per second there, decoding included."""
    model.eval()
    runs = {
        one.name: track(WindowTracker(model, maps), one)
        for one in tqdm(data.testing, desc="testing", unit="sequence", leave=False, disable=None)
    }
    model.train()
    return {name: one.boxes for name, one in runs.items()}, float(np.mean([one.fps for one in runs.values()]))


def warm_start(config: SearchConfig) -> Path:
    """Where another run's warm start is; of a run of several seeds, that of the same one."""
    start = Path(config.start or "")
    own = start / f"seed-{config.seed}"
    return (own if own.exists() else start) / "warm"


def label(config: SearchConfig) -> str:
    """The agent's name in tables."""
    if not config.loop.updates:
        return "Pointing (warm start)"
    return f"Pointing ({config.loop.learner})"


def failures(report: Report) -> dict[str, Any]:
    """What the report of several seeds says besides: how often the target was lost in all of them."""
    return {"drift": report.count_failures().to_json()}


def main(argv: Many[str] | None = None) -> int:
    """Run on ``argv``, by default the process's flags; returns exit code 2 where the input cannot be used."""

    def job() -> None:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        config = parse(argv)
        several(config, lambda one, _: train(one), label(config), facts=failures)

    return ended("train/search.py", job)


if __name__ == "__main__":
    sys.exit(main())
