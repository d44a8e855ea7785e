"""Train the agent that decides among experts: a warm start on stored runs, then REINFORCE in the loop; test it.

python train/experts.py                                                  # drawn sequences, experts without files
python train/experts.py --preset small --root VIDEOS --sequences a,b,c --test-sequences d,e --weights FOLDER
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

# Threads that wait must sleep: spinning ones make training ten times slower wherever another program runs too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import math
import sys
import time
from collections.abc import Sequence as Args
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from agents import returns
from agents.arbiter import Arbiter, log_density, overlap_loss, reset_targets
from agents.checkpoints import arbiter as arbiter_checkpoint
from agents.checkpoints.base import restore
from tracking_env.envs.otb_track_experts import look_milliseconds
from tracking_env.errors import InputError
from tracking_env.search.ensemble import Team, observation_names
from tracking_env.search.ensemble.observation import observes_likeness
from tracking_env.search.ensemble.runs import RunStore
from tracking_env.search.experts import make_experts
from train.arbiter_report import report_agents
from train.experts_config import ExpertsConfig, parse
from train.run.entry_point import run_main
from train.run.optimisation import loop_scalars, step
from train.run.seeds import failures_of_seeds, run_seeds, warm_start_folder
from train.run.steps import open_run, stop_run
from train.samples import hard_clips
from train.samples.stored_runs import Windows, draw_windows, read_run, read_runs, stored_auc
from train.samples.team_rollout import draw_start, sample_episodes

TUNED = {"all": ("",), "switches": ("switches", "candidate"), "candidates": ("candidate",)}
"""First letters of the names of the weights that the loop changes, for each `LoopConfig.tune`."""


def train(config: ExpertsConfig) -> bool:
    """One run from flags to report; returns False if it was stopped before its end."""
    torch.manual_seed(config.seed)
    warm, loop = config.warm, config.loop
    total = warm.warm_steps + loop.updates

    # Data and agent: the agent is new, or that of another run's warm start, or as the last checkpoint left it.
    run, data = open_run(config, "update")
    experts, ignored = make_experts(config.data.experts, config.data.weights), config.ignored_numbers()
    store = RunStore(experts, Path(config.data.store) if config.data.store else None)
    done = 0
    saved: arbiter_checkpoint.Checkpoint | None = None
    if run.newest or config.start:
        saved = arbiter_checkpoint.load(run.newest or warm_start_folder(config.start, config.seed))
        if saved.experts != store.experts or saved.model.pausing != (loop.cost > 0):
            raise InputError(
                f"the run in {run.newest or config.start} has the experts {', '.join(saved.experts)}"
                f"{' and pauses' if saved.model.pausing else ''}; give --features, --weights and --cost as there"
            )
        model, done = saved.model, saved.done if run.newest else warm.warm_steps
    else:
        features = len(observation_names(config.data.experts))
        model = Arbiter(features, len(experts), config.network, pausing=loop.cost > 0)
    hard = hard_clips.training_clips(data.clips, warm.hard)
    run.supervised, run.env_steps = warm.warm_steps, loop.clips * loop.episodes * loop.steps
    run.start(done)
    run.catch_interrupts()

    # Warm start: supervised, on stored runs, in which no expert is reset.
    if done < warm.warm_steps:
        whole, made = read_runs(store, data.clips, warm.losses, model.pausing)
        whole += read_runs(store, hard, 0)[0]
        # Scores on the training videos do not show which weights are best on other videos.
        choosing = data.unseen and warm.choose_every > 0
        tests = [read_run(store, sequence) for sequence in data.testing] if choosing else []
        if not saved:
            observed = [stored.observations for stored in whole + made]
            model.fit_normaliser(torch.from_numpy(np.concatenate(observed)))
            model.ignore(ignored)
        best = -1.0
        if saved and (run.path / "warm").exists():
            best = stored_auc(arbiter_checkpoint.load(run.path / "warm").model, tests) if tests else best
        optimizer: torch.optim.Adam = torch.optim.AdamW(parameter_groups(model, warm.weight_decay), lr=warm.warm_lr)
        if saved:
            restore(optimizer, model, saved.optimizer)
        bar = tqdm(desc="warm start", initial=done, total=warm.warm_steps, unit="update", disable=None)
        while done < warm.warm_steps:
            lr = warm.rate(done)
            # Randomness depends on seed and update alone, so that a resumed run repeats an uninterrupted one.
            rng = np.random.default_rng([config.seed, done])
            torch.manual_seed(config.seed * 1_000_003 + done)  # dropout draws from torch's own generator
            windows = draw_windows(whole, made, warm.warm_batch, warm.window, warm.loss_share, rng)
            model.train()
            overlap_part, reset_part = warm_losses(model, windows)
            loss = overlap_part + warm.imitation * reset_part
            norm = step(model, optimizer, loss, warm.warm_clip_norm, lr, done)
            scalars = {"warm/overlap_loss": overlap_part.item(), "warm/reset_loss": reset_part.item()}
            scalars |= {"train/gradient_norm": norm, "train/learning_rate": lr}
            done += 1
            if done == warm.warm_steps or (choosing and done % warm.choose_every == 0):
                if tests:
                    scalars["warm/auc_stored"] = stored_auc(model, tests)
                # Without videos to choose on, the last weights are taken.
                if scalars.get("warm/auc_stored", math.inf) > best:
                    best = scalars.get("warm/auc_stored", best)
                    arbiter_checkpoint.save(run.path / "warm", model, store.experts, done, asdict(config))
            run.log(done, scalars)
            bar.update()
            if done == warm.warm_steps:
                saved = None  # the warm start had another optimiser
                model = arbiter_checkpoint.load(run.path / "warm").model
            stop = run.stop_requested and done < total
            if stop or done == total or done % config.checkpoint_every == 0:
                arbiter_checkpoint.save_newest(run.checkpoints, model, store.experts, done, asdict(config), optimizer)
            if stop:
                return stop_run(run, done)
        bar.close()

    # In the loop: REINFORCE, where resetting an expert changes its later search regions.
    model.eval()  # with dropout the second pass would evaluate another policy than the one that acted
    likeness = observes_likeness(config.ignore)
    # Noise in trust would blur what a switch is worth.
    sigma = loop.sigma if loop.tune == "all" else 0.0
    team = Team(experts, loop.clips * loop.episodes, likeness)
    cost = loop.cost * look_milliseconds(experts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TUNED[loop.tune]))
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=loop.lr)
    if saved and done > warm.warm_steps:
        restore(optimizer, model, saved.optimizer)
    bar = tqdm(desc="in the loop", initial=done - warm.warm_steps, total=loop.updates, unit="update", disable=None)
    while done < total:
        lr, begun = loop.rate(done - warm.warm_steps), time.perf_counter()
        rng = np.random.default_rng([config.seed, done])
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
        starts = []
        for _ in range(loop.clips):
            clips = hard if hard and rng.random() < loop.hard_share else data.clips
            starts.append(draw_start(clips, loop.steps, len(experts), loop.lost_share, rng))
        rollout = sample_episodes(team, model, starts, loop.steps, sigma, cost, loop.tune == "candidates", generator)
        gains = returns.returns(rollout.rewards[loop.reward], loop.returns, gamma=loop.gamma)
        advantages = (gains - returns.baseline(gains, "mean")).flatten(0, 1)
        # The episodes have no gradient, so a second pass over the same observations computes that of the density.
        outputs, _ = model(rollout.observations)
        density = log_density(outputs, rollout.sample, sigma, rollout.drawn)
        losses = -(density * advantages * rollout.mask).sum(dim=-1)
        norm = step(model, optimizer, losses.mean(), loop.clip_norm, lr, done)
        scalars = loop_scalars(rollout.rewards, loop.reward, rollout.mask, losses, advantages)
        bar.set_postfix(iou=f"{scalars['reward/iou']:.3f}")
        resets = rollout.sample.switches[..., : len(experts)].sum(dim=-1) * rollout.mask
        scalars |= {"train/gradient_norm": norm, "train/learning_rate": lr}
        scalars |= {"loop/resets_per_100_frames": 100 * float(resets.sum() / rollout.mask.sum().clamp(min=1))}
        done += 1
        run.log(done, scalars, {"time/fps": run.env_steps / (time.perf_counter() - begun)})
        bar.update()
        stop = run.stop_requested and done < total
        if stop or done == total or done % config.checkpoint_every == 0:
            arbiter_checkpoint.save_newest(run.checkpoints, model, store.experts, done, asdict(config), optimizer)
        if stop:
            return stop_run(run, done)
    bar.close()

    # Checkpoints that are used for tracking also get the network as policy.onnx.
    for folder in (run.path / "warm", run.checkpoints / f"{total:06d}"):
        if folder.exists():
            arbiter_checkpoint.export(folder)

    # Report: the experts alone, the hand-made rule, and the agent before and after the loop.
    agents = {label(config): model}
    warm_folder = run.path / "warm" if (run.path / "warm").exists() else None
    if config.start:
        warm_folder = warm_start_folder(config.start, config.seed)
    if loop.updates and warm_folder:
        agents = {"Arbiter, warm start": arbiter_checkpoint.load(warm_folder).model} | agents
    report_agents(run, data, store, experts, agents, done, likeness, config.test_hard)
    return True


def warm_losses(model: Arbiter, windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the expected overlaps, and that of imitating the hand-made rule for resets; scalars."""
    outputs, _ = model(windows.observations)
    resets = outputs.switches[..., : model.experts]
    targets = reset_targets(outputs.overlap.detach(), windows.mutual_iou)
    entropy = F.binary_cross_entropy_with_logits(resets, targets, reduction="none").sum(dim=-1)
    imitation = (entropy * windows.mask).sum() / windows.mask.sum().clamp(min=1)
    return overlap_loss(outputs.overlap, windows.iou, windows.mask), imitation


def parameter_groups(model: Arbiter, weight_decay: float) -> list[dict[str, Any]]:
    """The network's parameters for AdamW. Biases do not decay: the one of resets keeps them rare."""
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]


def label(config: ExpertsConfig) -> str:
    """The agent's name in tables."""
    return "Arbiter (REINFORCE)" if config.loop.updates else "Arbiter (warm start)"


def main(args: Args[str] | None = None) -> int:
    """Train with these flags, by default those of this process; returns the exit code, see `run_main`."""

    def work(flags: list[str]) -> None:
        config = parse(flags)
        run_seeds(config, lambda seed_config, _: train(seed_config), label(config), facts=failures_of_seeds)

    return run_main("train/experts.py", work, args)


if __name__ == "__main__":
    sys.exit(main())
