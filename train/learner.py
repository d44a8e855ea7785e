"""One update of the agent: from a batch of windows to a step of Adam."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from agents import reinforce, returns, supervised
from agents.drlt import DRLT, State
from agents.windows import Batch
from tracking_env.envs.rewards import REWARDS
from train.config import RunConfig
from train.parallel import ALONE, Group

Kind = Literal["reinforce", "supervised"]


class NotFiniteError(Exception):
    """A loss or a gradient is not finite; the step was not taken.

    Attributes:
        windows: numbers, within the update, of those whose loss it is; none where only the gradient is not finite.
    """

    def __init__(self, windows: list[int]) -> None:
        super().__init__(windows)
        self.windows = windows


class Update(NamedTuple):
    """What came of one batch."""

    mean: Tensor
    """the policy's means, ``(B, T, 4)``"""
    rewards: dict[str, Tensor]
    """both rewards of the sampled boxes, ``(N, B, T)``"""
    state: State
    """the LSTM's state after the windows"""
    norms: list[Tensor]
    """the gradient's norm before clipping, of each step that was taken"""


class Learner:
    """The network and Adam.

    Args:
        model: the network, on its device.
        config: of the run.
        group: the processes that share each update.
    """

    def __init__(self, model: DRLT, config: RunConfig, group: Group = ALONE) -> None:
        self.model, self.config, self.group = model, config, group
        self.shared_model = group.share(model)
        self.device = model.feature_mean.device
        # Fused: one pass over weights, gradients and moments, and no temporary copies of them.
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.schedule.lr, fused=True)

    def update(
        self, batch: Batch, noise: Tensor, size: int, before: State | None, kind: Kind, reward: str, sigma: float
    ) -> Update:
        """Learn from this process's share of an update.

        Args:
            batch: its B windows.
            noise: standard normal, ``(N, B, T, 4)``.
            size: windows of the whole update, all processes' together.
            before: the LSTM's state before the first rows of the batch, or None.
            kind: which gradient.
            reward: which reward is learned from.
            sigma: the policy's deviation.

        Raises:
            NotFiniteError: in all processes, where it happens in one.
        """
        options, norms = self.config.reinforce, []
        for again in range(options.reuse if kind == "reinforce" else 1):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                mean, after = self.shared_model(batch.features, batch.location, before)
            mean = mean.float()
            if not again:
                state = after
                actions = reinforce.sample(mean, noise, sigma)
                rewards = {name: formula(actions, batch.truth) for name, formula in REWARDS.items()}
                gained = returns.returns(rewards[reward], options.returns, batch.mask)
                advantages = gained - returns.baseline(gained, options.baseline)
                old = reinforce.log_density(actions, mean, sigma).detach()

            if kind == "supervised":
                losses = supervised.loss(mean, batch.truth, reward, batch.mask)
            elif again:
                losses = reinforce.reuse_loss(mean, actions, advantages, sigma, old, options.ratio_clip, batch.mask)
            else:
                losses = reinforce.loss(mean, actions, advantages, sigma, batch.mask)
            norms.append(self._step(losses, size))
        return Update(mean, rewards, state, norms)

    def _step(self, losses: Tensor, size: int) -> Tensor:
        """One step of Adam on losses ``(B,)`` or ``(N, B)``; returns the gradient's norm before clipping."""
        by_window = losses.reshape(-1, losses.shape[-1]).mean(dim=0)
        loss = by_window.sum() / size
        with self.group.connected():
            (loss * self.group.shard.world_size).backward()  # the processes' gradients are averaged
        total = self.group.sum(loss.detach().clone())
        norm = torch.nn.utils.get_total_norm([one.grad for one in self.model.parameters() if one.grad is not None])
        if not torch.isfinite(total + norm):
            bad = torch.zeros(size, device=self.device)
            mine = list(self.group.rows(size))
            bad[mine] = (~torch.isfinite(by_window)).float()[: len(mine)]
            raise NotFiniteError(self.group.sum(bad).nonzero()[:, 0].tolist())
        if self.config.schedule.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.config.schedule.clip_norm, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)  # now: the memory is free for the next forward pass
        return norm
