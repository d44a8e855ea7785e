"""Returns and baselines. Pure functions on rewards of shape ``(N, B, T)``: episodes, windows, steps.

The advantage of a step is its return minus its baseline, ``R_t^i - b_t`` in Eq. 7. In ``OTBTrack-v0`` actions do not
affect later observations, so both returns have the same expected gradient and differ only in variance. In
``OTBTrackSearch-v0`` an action moves the search window, and the returns differ in expectation too.
"""

from typing import Literal

import torch
from torch import Tensor

Returns = Literal["step", "to_go"]
Baseline = Literal["mean", "leave_one_out"]


def returns(rewards: Tensor, kind: Returns, mask: Tensor | None = None, gamma: float = 1.0) -> Tensor:
    """The return ``R_t^i`` of every step.

    Args:
        rewards: ``r_t^i``, shape ``(N, B, T)``.
        kind: ``step`` is the step's own reward (Algorithm 1, line 10); ``to_go`` is the sum of the rewards from the
            step to the end of the window.
        mask: shape ``(B, T)``, 1 where a frame counts. Rewards of padding enter no sum.
        gamma: discount per step of ``to_go``.

    Returns:
        Shape ``(N, B, T)``.
    """
    if mask is not None:
        rewards = rewards * mask
    if kind == "step":
        return rewards
    # From the last step backwards: R_t = r_t + gamma * R_{t+1}.
    sums = [rewards[..., -1]]
    for reward in rewards[..., :-1].unbind(dim=-1)[::-1]:
        sums.append(reward + gamma * sums[-1])
    return torch.stack(sums[::-1], dim=-1)


def baseline(returns: Tensor, kind: Baseline) -> Tensor:
    """The baseline ``b_t`` of returns ``(N, B, T)``; it broadcasts against them.

    * ``mean``: the mean over the N episodes (Algorithm 1, line 10). It contains the episode's own return, which scales
      the expected gradient by (N - 1) / N.
    * ``leave_one_out``: the mean over the other N - 1 episodes, which is unbiased.
    """
    if kind == "mean":
        return returns.mean(dim=0, keepdim=True)
    # `ReinforceConfig` guarantees at least two episodes.
    return (returns.sum(dim=0, keepdim=True) - returns) / (len(returns) - 1)
