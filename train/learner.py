"""One update of the DRLT agent: from a batch of windows to a step of Adam."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from agents import reinforce, returns, supervised
from agents.drlt import DRLT, State
from agents.windows import Batch
from tracking_env.envs.rewards import REWARDS
from train.config import RunConfig
from train.run.parallel import ALONE, Group

Kind = Literal["reinforce", "supervised"]


class NotFiniteError(Exception):
    """A loss or a gradient is not finite; the step was not taken.

    Attributes:
        windows: positions within the update of the windows whose loss is not finite; empty if only the gradient is not.
    """

    def __init__(self, windows: list[int]) -> None:
        super().__init__(windows)
        self.windows = windows


class Update(NamedTuple):
    """Results of one update."""

    mean: Tensor
    """the policy's means, ``(B, T, 4)``, without gradient"""
    rewards: dict[str, Tensor]
    """both rewards of the sampled boxes, ``(N, B, T)``"""
    state: State
    """the LSTM's state after the windows, without gradient"""
    norms: list[Tensor]
    """norm of the gradient before clipping, for each step that was taken"""
    loss: Tensor
    """loss of the first step, over all processes"""
    advantages: Tensor
    """of the sampled boxes, ``(N, B, T)``"""


class Learner:
    """The network and Adam.

    Args:
        model: the network, on its device.
        config: configuration of the run.
        group: the processes that share each update.
    """

    def __init__(self, model: DRLT, config: RunConfig, group: Group = ALONE) -> None:
        self.model, self.config, self.group = model, config, group
        self.shared_model = group.share(model)
        self.device = model.feature_mean.device
        # Fused: one pass over weights, gradients and moments, and no temporary copies of them.
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.schedule.lr, fused=True)

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of the next updates."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = lr

    def update(
        self, batch: Batch, noise: Tensor, size: int, state: State | None, kind: Kind, reward: str, sigma: float
    ) -> Update:
        """Learn from this process's share of an update.

        Args:
            batch: its B windows.
            noise: standard normal, ``(N, B, T, 4)``.
            size: number of windows of the whole update, over all processes.
            state: the LSTM's state before the first rows of the batch, or None.
            kind: which gradient.
            reward: which reward to learn from.
            sigma: standard deviation of the policy.

        Raises:
            NotFiniteError: raised in all processes if it happens in one.
        """
        options, norms, totals = self.config.reinforce, [], []
        for use in range(options.reuse if kind == "reinforce" else 1):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                mean, next_state = self.shared_model(batch.features, batch.location, state)
            mean = mean.float()
            if use == 0:
                # Sample N boxes from each mean, and compare each return with those of the other episodes.
                first_state = (next_state[0].detach(), next_state[1].detach())
                actions = reinforce.sample(mean, noise, sigma)
                rewards = {name: formula(actions, batch.truth) for name, formula in REWARDS.items()}
                gains = returns.returns(rewards[reward], options.returns, batch.mask)
                advantages = gains - returns.baseline(gains, options.baseline)
                old = reinforce.log_density(actions, mean, sigma).detach()

            if kind == "supervised":
                losses = supervised.loss(mean, batch.truth, reward, batch.mask)
            elif use == 0:
                losses = reinforce.loss(mean, actions, advantages, sigma, batch.mask)
            else:
                losses = reinforce.reuse_loss(mean, actions, advantages, sigma, old, options.ratio_clip, batch.mask)
            total, norm = self._step(losses, size)
            totals.append(total)
            norms.append(norm)
        return Update(mean.detach(), rewards, first_state, norms, totals[0], advantages)

    def _step(self, losses: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """One step of Adam on losses ``(B,)`` or ``(N, B)``; returns the loss and the gradient's norm."""
        by_window = losses.reshape(-1, losses.shape[-1]).mean(dim=0)
        loss = by_window.sum() / size
        with self.group.connected():
            # The backward pass averages gradients over the processes; the loss of the update is their sum.
            (loss * self.group.shard.world_size).backward()
        total = self.group.sum(loss.detach().clone())
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._check_finite(total + norm, by_window, size)
        if self.config.schedule.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.config.schedule.clip_norm, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)  # now, to free the memory for the next forward pass
        return total, norm

    def _check_finite(self, total: Tensor, by_window: Tensor, size: int) -> None:
        """Raise `NotFiniteError` unless loss plus gradient norm is finite; this waits for the device."""
        if torch.isfinite(total):
            return
        bad = torch.zeros(size, device=self.device)
        rows = list(self.group.rows(size))
        bad[rows] = (~torch.isfinite(by_window)).float()[: len(rows)]
        raise NotFiniteError(self.group.sum(bad).nonzero()[:, 0].tolist())
