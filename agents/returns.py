"""Credit: from rewards to returns, baselines and advantages. Pure functions on ``(N, B, T)``: episodes, windows, steps.

A baseline is always one of the same returns, so that ``R_t^i - b_t`` (Eq. 7) compares like with like. In
``OTBTrack-v0`` what the agent does never changes what it sees next, so a reward depends on its own step's box alone:
all three returns have the same expected gradient, and differ in variance. In ``OTBTrackSearch-v0`` it does.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Returns = Literal["step", "to_go", "episode"]
Baseline = Literal["mean", "leave_one_out", "none", "value"]


def returns(rewards: Tensor, kind: Returns, mask: Tensor | None = None, gamma: float = 1.0) -> Tensor:
    """``R_t^i``: what a step is credited with.

    Args:
        rewards: ``r_t^i``, shape ``(N, B, T)``.
        kind: ``step``, the step's own reward (Algorithm 1, line 10); ``to_go``, the sum from the step to the window's
            end; ``episode``, the sum over the window, at every step (Eq. 6).
        mask: ``(B, T)``, 1 where a frame counts; rewards of padding are in no sum.
        gamma: of ``to_go``, what a reward counts for less with every step that it lies ahead.

    Returns:
        The same shape.
    """
    if mask is not None:
        rewards = rewards * mask
    if kind == "step":
        return rewards
    if kind == "to_go":
        sums = [rewards[..., -1]]
        for reward in rewards[..., :-1].unbind(dim=-1)[::-1]:
            sums.append(reward + gamma * sums[-1])
        return torch.stack(sums[::-1], dim=-1)
    return rewards.sum(dim=-1, keepdim=True).expand_as(rewards)


def baseline(returns: Tensor, kind: Baseline, value: Tensor | None = None) -> Tensor:
    """``b_t``, which broadcasts against the returns ``(N, B, T)``.

    * ``mean``: over the N episodes (Algorithm 1, line 10). The episode's own return is in it, which scales the expected
      gradient by (N - 1) / N.
    * ``leave_one_out``: over the other N - 1 episodes; unbiased.
    * ``none``: 0; unbiased.
    * ``value``: the given ``value`` ``(B, T)``, a prediction of the return (section 3.2.2) that does not know the box;
      unbiased. No gradient goes through it.
    """
    if kind == "mean":
        return returns.mean(dim=0, keepdim=True)
    if kind == "leave_one_out":
        return (returns.sum(dim=0, keepdim=True) - returns) / (len(returns) - 1)
    if kind == "none":
        return torch.zeros_like(returns[:1])
    assert value is not None, "the baseline value needs a value"
    return value.detach()


def normalised(
    advantages: Tensor, mask: Tensor | None = None, total: Callable[[Tensor], Tensor] = lambda here: here
) -> Tensor:
    """Advantages ``(N, B, T)`` over their root mean square in the update, padding left out: none changes its sign.

    ``total`` takes a sum over these windows to that over the update's, where several processes share one.
    """
    counted = torch.ones_like(advantages) if mask is None else mask.expand_as(advantages)
    squares, count = total(torch.stack([(advantages**2 * counted).sum(), counted.sum()]))
    return advantages / ((squares / count.clamp(min=1)).sqrt() + 1e-8)


def value_loss(value: Tensor, returns: Tensor, mask: Tensor | None = None) -> Tensor:
    """Half the squared error of predicted returns, summed over the steps: its minimum is ``E[R_t]``.

    Args:
        value: the predictions, with gradient, ``(B, T)``.
        returns: ``R_t^i``, ``(N, B, T)``.
        mask: ``(B, T)``, 1 where a frame counts.

    Returns:
        Per episode and window, ``(N, B)``.
    """
    error = (value - returns) ** 2 / 2
    return (error if mask is None else error * mask).sum(dim=-1)
