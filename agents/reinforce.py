"""REINFORCE with Algorithm 1's baseline: the gradient of Eq. 7 and nothing else."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tracking_env.errors import InputError


@dataclass(frozen=True)
class ReinforceConfig:
    """The estimator's numbers; the paper's are the defaults (section 4.2)."""

    episodes: int = 5
    """N, episodes sampled from one forward pass"""
    sigma: float = 0.01
    """standard deviation of the Gaussian policy, in relative box units"""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise InputError(
                f"episodes is {self.episodes}; give at least 2: one alone is its own baseline, learns nothing"
            )
        if not self.sigma > 0:
            raise InputError(f"sigma is {self.sigma}; give a number > 0")


def sample(mean: Tensor, config: ReinforceConfig, generator: torch.Generator | None = None) -> Tensor:
    """N boxes from the policy at every step (Algorithm 1, line 8; Eq. 8).

    Args:
        mean: ``mu_t``, shape ``(..., T, 4)``.
        config: gives N and sigma.
        generator: source of the noise, on the device of ``mean``.

    Returns:
        ``l_t^i``, shape ``(N, ..., T, 4)``, without gradient.
    """
    shape = (config.episodes, *mean.shape)
    noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean.detach() + config.sigma * noise


def advantage(rewards: Tensor) -> Tensor:
    """``r_t^i - b_t`` with ``b_t`` the mean over the N episodes (Algorithm 1, line 10).

    Args:
        rewards: ``r_t^i``, shape ``(N, ...)``.

    Returns:
        The same shape; sums to zero over the first axis.
    """
    return rewards - rewards.mean(dim=0, keepdim=True)


def log_density(action: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """``ln pi(l_t | Z_t)`` up to a constant (Eq. 8): its gradient in ``mean`` is Eq. 9. ``(..., 4)`` -> ``(...)``."""
    return -((action - mean) ** 2).sum(dim=-1) / (2 * sigma**2)


def loss(mean: Tensor, actions: Tensor, advantages: Tensor, sigma: float, mask: Tensor | None = None) -> Tensor:
    """A scalar whose gradient is minus Eq. 7: the mean over N episodes of the sum over T steps.

    Args:
        mean: ``mu_t`` with gradient, shape ``(B, T, 4)``.
        actions: ``l_t^i``, shape ``(N, B, T, 4)``.
        advantages: ``r_t^i - b_t``, shape ``(N, B, T)``.
        sigma: the policy's standard deviation.
        mask: ``(B, T)``, 1 where a frame counts and 0 where a window is padding; all count without it.

    Returns:
        The mean over the B windows, shape ``()``.
    """
    gain = log_density(actions, mean, sigma) * advantages
    if mask is not None:
        gain = gain * mask
    return -gain.sum(dim=-1).mean()
