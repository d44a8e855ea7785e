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

import sys
import time
from collections.abc import Sequence as Args
from dataclasses import asdict
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm

import tracking_env  # noqa: F401  (registers the ids)
from agents import imitation, reinforce, returns, supervised
from agents.checkpoints import region_agent as region_agent_checkpoint
from agents.checkpoints.base import restore
from agents.region_agent import RegionAgent
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation.score_report import Report
from tracking_env.features.maps import MapExtractor, Proposer, make_maps
from tracking_env.search.window import WindowTracker
from tracking_env.terminal import print_result
from tracking_env.trackers.base import run as run_tracker
from train.run import results
from train.run.data import Data
from train.run.entry_point import run_main
from train.run.optimisation import loop_scalars, step
from train.run.pictures import show_evaluation
from train.run.seeds import failures_of_seeds, run_seeds, warm_start_folder
from train.run.steps import finish_run, open_run, stop_run
from train.samples.cutting import cut_crops
from train.samples.rollout import draw_clip, replay, sample_episodes, to_image
from train.search_config import SearchConfig, parse


def train(config: SearchConfig) -> bool:
    """One run from flags to report; returns False if it was stopped before its end."""
    torch.manual_seed(config.seed)
    warm, loop = config.warm, config.loop
    total = warm.warm_steps + loop.updates

    # Data and agent: the agent is new, or that of another run's warm start, or as the last checkpoint left it.
    run, data = open_run(config, "update")
    maps = make_maps(config.data.features, config.data.weights)
    done = 0
    saved: region_agent_checkpoint.Checkpoint | None = None
    if run.newest or config.start:
        saved = region_agent_checkpoint.load(run.newest or warm_start_folder(config.start, config.seed))
        if saved.maps != maps.id:
            raise InputError(f"the run in {run.newest or config.start} was trained on {saved.maps}, not on {maps.id}")
        model, done = saved.model, saved.done if run.newest else warm.warm_steps
    else:
        model = RegionAgent(maps.channels, config.network, isinstance(maps, Proposer))
    progress = tqdm(data.clips, desc="decoding", leave=False, disable=None)
    sequences = [decode(sequence, part) for sequence, part in progress]
    run.supervised, run.env_steps = warm.warm_steps, loop.clips * loop.episodes * loop.steps
    run.start(done)
    run.catch_interrupts()

    # Warm start: supervised, on single crops around boxes that are off by a known amount.
    if done < warm.warm_steps:
        crops = cut_crops(sequences, maps, warm.crops, warm.pretended, config.seed, warm.stretch)
        optimizer: torch.optim.Adam = torch.optim.AdamW(model.parameters(), lr=warm.warm_lr)
        if saved:
            restore(optimizer, model, saved.optimizer)
        bar = tqdm(desc="warm start", initial=done, total=warm.warm_steps, unit="update", disable=None)
        while done < warm.warm_steps:
            lr = warm.rate(done)
            # Randomness depends on seed and update alone, so that a resumed run repeats an uninterrupted one.
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
            batch = crops.batch(model, warm.warm_batch, warm.pretended_share, generator)
            # In some crops the region's own features are hidden, so that the network must compare with the target.
            visible = (torch.rand(warm.warm_batch, generator=generator) >= warm.blind_share).float()
            decision = model.decide(
                batch.search, batch.location, batch.state, visible=visible, proposals=batch.proposals
            )
            losses = imitation.loss(decision, batch.truth, model.cells)
            norm = step(model, optimizer, losses.mean(), warm.warm_clip_norm, lr, done)
            overlap = imitation.generalised_iou(decision.mean.detach(), batch.truth).mean()
            scalars = {"warm/generalised_iou": float(overlap), "train/gradient_norm": norm, "train/learning_rate": lr}
            done += 1
            run.log(done, scalars)
            bar.update()
            if done == warm.warm_steps:
                saved = None  # the warm start had another optimiser
                region_agent_checkpoint.save(run.path / "warm", model, maps.id, done, asdict(config))
            stop = run.stop_requested and done < total
            if stop or done == total or done % config.checkpoint_every == 0:
                region_agent_checkpoint.save_newest(run.checkpoints, model, maps.id, done, asdict(config), optimizer)
            if stop:
                return stop_run(run, done)
        bar.close()
        del crops  # the crops take more memory than anything else in this script

    # In the loop: REINFORCE, where each action moves the window of the next observation.
    envs = [
        gym.make(
            "OTBTrackSearch-v0",
            sequences=sequences,
            split="all",
            features=maps,
            clip_length=loop.steps,
            template="video",
            jitter=loop.jitter,
            disable_env_checker=True,
        )
        for _ in range(loop.clips * loop.episodes)
    ]
    parameters = model.last_layers() if loop.tune == "last" else list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=loop.lr)
    if saved and done > warm.warm_steps:
        restore(optimizer, model, saved.optimizer)
    bar = tqdm(desc="in the loop", initial=done - warm.warm_steps, total=loop.updates, unit="update", disable=None)
    while done < total:
        update, begun = done - warm.warm_steps, time.perf_counter()
        reward, lr = loop.reward(update), loop.rate(update)
        rng = np.random.default_rng([config.seed, update])
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
        clips = [draw_clip(sequences, loop.steps, rng) for _ in range(loop.clips)]
        seeds = rng.integers(2**31, size=loop.clips).tolist()
        rollout = sample_episodes(envs, model, clips, seeds, loop.steps, loop.sigma, generator)
        # The environments have no gradient, so a second pass over the same observations computes that of the means.
        mean = replay(model, rollout)
        advantages: torch.Tensor | None = None
        if loop.learner == "reinforce":
            gains = returns.returns(rollout.rewards[reward], loop.returns, gamma=loop.gamma)
            advantages = (gains - returns.baseline(gains, "mean")).flatten(0, 1)
            losses = reinforce.loss(mean, rollout.actions[None], advantages[None], loop.sigma, rollout.mask)
        else:
            losses = supervised.loss(to_image(mean, rollout.regions), rollout.truth, reward, rollout.mask)
        norm = step(model, optimizer, losses.mean(), loop.clip_norm, lr, done)
        scalars = loop_scalars(rollout.rewards, reward, rollout.mask, losses, advantages)
        bar.set_postfix(iou=f"{scalars['reward/iou']:.3f}")
        scalars |= {"train/gradient_norm": norm, "train/learning_rate": lr}
        scalars |= {"size/pace": model.pace.item(), "size/pull": model.pull.item()}
        done += 1
        run.log(done, scalars, {"time/fps": run.env_steps / (time.perf_counter() - begun)})
        bar.update()
        stop = run.stop_requested and done < total
        if stop or done == total or done % config.checkpoint_every == 0:
            region_agent_checkpoint.save_newest(run.checkpoints, model, maps.id, done, asdict(config), optimizer)
        if stop:
            return stop_run(run, done)
    bar.close()

    # Checkpoints that are used for tracking also get the network as policy.onnx.
    for folder in (run.path / "warm", run.checkpoints / f"{total:06d}"):
        if folder.exists():
            region_agent_checkpoint.export(folder)

    # Report: before training, and before and after the loop.
    torch.manual_seed(config.seed)
    untrained = RegionAgent(maps.channels, config.network, isinstance(maps, Proposer))
    compared: dict[str, Report] = {}
    if loop.updates and not config.start:
        warm_model = region_agent_checkpoint.load(run.path / "warm").model
        compared["Region agent, warm start"] = evaluate_agent(warm_model, maps, data)[0].report
    evaluation, fps = evaluate_agent(model, maps, data)
    show_evaluation(run, done, evaluation, data)
    failures = evaluation.report.count_failures()
    facts = {"updates": done, "drift": failures.to_json(), "extractor": maps.id}
    before = evaluate_agent(untrained, maps, data)[0]
    finish_run(run, data, label(config), evaluation, {"online": fps}, facts, before, compared=compared)
    print_result(
        f"drift: {failures.per_hundred:.2f} failures per 100 frames, {failures.recovered} of {failures.failures} "
        f"recovered, {failures.lost_share:.1%} of frames lost, {failures.frames_to_failure:.0f} frames to the first "
        "failure"
    )
    return True


def decode(sequence: Sequence, part: range) -> Sequence:
    """The frames of a sequence that are open to training, decoded, because the loop uses each many times."""
    frames = ArrayFrames(np.stack([sequence.frames[index] for index in part]))
    boxes = sequence.boxes[part.start : part.stop]
    return Sequence(sequence.name, frames, boxes, sequence.attributes, sequence.dataset)


def evaluate_agent(model: RegionAgent, maps: MapExtractor, data: Data) -> tuple[results.Evaluation, float]:
    """Track and score the test sequences; also returns the mean frames per second, decoding included."""
    model.eval()
    boxes: dict[str, np.ndarray] = {}
    speeds: list[float] = []
    for sequence in tqdm(data.testing, desc="testing", unit="sequence", leave=False, disable=None):
        result = run_tracker(WindowTracker(model, maps), sequence)
        boxes[sequence.name] = result.boxes
        speeds.append(result.fps)
    model.train()
    return results.Evaluation(boxes, results.score(boxes, data.testing, data.unseen)), float(np.mean(speeds))


def label(config: SearchConfig) -> str:
    """The agent's name in tables."""
    if not config.loop.updates:
        return "Region agent (warm start)"
    return f"Region agent ({config.loop.learner})"


def main(args: Args[str] | None = None) -> int:
    """Train with these flags, by default those of this process; returns the exit code, see `run_main`."""

    def work(flags: list[str]) -> None:
        config = parse(flags)
        run_seeds(config, lambda seed_config, _: train(seed_config), label(config), facts=failures_of_seeds)

    return run_main("train/search.py", work, args)


if __name__ == "__main__":
    sys.exit(main())
