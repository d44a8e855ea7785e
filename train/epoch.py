"""One epoch of train/reinforce.py: an update for every batch of windows."""

import math

import torch

from agents.drlt import State, detach_rows
from agents.windows import Windows
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from train.learner import Learner, NotFiniteError
from train.run.schedule import Phase


def run_epoch(learner: Learner, windows: Windows, phase: Phase, epoch: int) -> dict[str, float]:
    """Learn once from every window.

    Randomness depends on the seed and the epoch alone, so that a resumed run repeats an uninterrupted one.

    Args:
        learner: takes the updates, with its configuration's seed, rates and sigma.
        windows: on the learner's device.
        phase: tells the reward to learn from.
        epoch: number of epochs done.

    Returns:
        The epoch's scalars for the log: mean rewards of the sampled boxes, and what the optimiser did.

    Raises:
        InputError: a loss or gradient is not finite; nothing was learned from that update.
    """
    config, group, device = learner.config, learner.group, learner.device
    options, schedule = config.reinforce, config.schedule
    kind = config.learner if phase.number else "supervised"  # phase 0 is the supervised warm-up
    sigma = schedule.interpolate(options.sigma, options.sigma_end or options.sigma, epoch)
    learner.set_rate(schedule.rate(epoch))
    order = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    noise_source = torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)
    sums = {name: torch.zeros((), device=device) for name in ("frames", *REWARDS, "empty", "squares")}
    norms: list[torch.Tensor] = []
    losses: list[torch.Tensor] = []
    state: State | None = None
    for chosen, continued in windows.epoch(order):
        # Every process draws the noise of the whole update, so that no box depends on which process samples it.
        shape = options.episodes, len(chosen), windows.config.steps, 4
        noise = torch.randn(shape, generator=noise_source, device=device)
        mine = group.rows(len(chosen))
        rows = list(mine or range(1))
        batch = windows[[chosen[row] for row in rows]]
        if not mine:  # no window is left for this process; it joins in with a window that does not count
            batch = batch._replace(mask=torch.zeros_like(batch.mask))
        # Windows that continue a video get the LSTM's state of the update before, without its gradient.
        continued_here = len(group.rows(continued))
        state = detach_rows(state, continued_here) if state and continued_here else None
        try:
            update = learner.update(batch, noise[:, rows], len(chosen), state, kind, phase.reward, sigma)
        except NotFiniteError as error:
            raise _not_finite(epoch, len(norms), [windows.where(row) for row in chosen], error) from None
        state = update.state
        norms += update.norms
        losses.append(update.loss)
        sums["frames"] += batch.mask.sum()
        sums["empty"] += ((update.mean[..., 2:] <= 0).any(dim=-1) * batch.mask).sum()
        # Advantages have the mean 0, so their spread is the root of their mean square.
        sums["squares"] += ((update.advantages**2).mean(dim=0) * batch.mask).sum()
        for name, reward in update.rewards.items():
            sums[name] += (reward.mean(dim=0) * batch.mask).sum()

    sums = dict(zip(sums, group.sum(torch.stack(list(sums.values()))), strict=True))
    frames = float(sums["frames"])
    return {f"reward/{name}": float(sums[name]) / frames for name in REWARDS} | {
        "rollout/ep_rew_mean": float(sums[phase.reward]) / len(windows),
        "train/loss": float(torch.stack(losses).mean()),
        "train/advantage_std": math.sqrt(float(sums["squares"]) / frames),
        "train/gradient_norm": float(torch.stack(norms).mean()),
        "train/learning_rate": schedule.rate(epoch),
        "train/sigma": sigma,
        "train/phase": phase.number,
        "collapse/empty_boxes": float(sums["empty"]) / frames,
    }


def _not_finite(epoch: int, updates: int, windows: list[str], error: NotFiniteError) -> InputError:
    """The error for an update whose loss or gradient is not finite.

    Args:
        epoch: number of epochs done.
        updates: number of updates of this epoch done.
        windows: descriptions of the update's windows.
        error: which of them have a loss that is not finite.
    """
    guilty = [windows[number] for number in error.windows]
    cause, named = ("loss", guilty) if guilty else ("gradient", windows)
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return InputError(
        f"the {cause} is not finite in epoch {epoch + 1}, update {updates + 1}: {named[0]}{more}; nothing was learned "
        "from it, and the checkpoints saved before are good; try a smaller --lr or --clip-norm 10"
    )
