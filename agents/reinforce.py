"""REINFORCE: sampling from the Gaussian policy, its log-density, and losses with the gradient of Eq. 7."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.returns import Baseline, Returns
from tracking_env.errors import InputError


@dataclass(frozen=True)
class ReinforceConfig:
    """Options of the gradient estimator (Algorithm 1). The preset `paper` has the values of section 4.2."""

    episodes: int = 5
    """N, episodes sampled from one forward pass"""
    sigma: float = 0.01
    """standard deviation of the Gaussian policy, in relative box units"""
    sigma_end: float | None = None
    """sigma in the last epoch, exponential in between; by default sigma is constant"""
    returns: Returns = "step"
    """return of a step: its own reward, or the sum of rewards from it to the end of the window"""
    baseline: Baseline = "mean"
    """baseline of a return: the mean over all N episodes, or over the other N - 1"""
    reuse: int = 1
    """updates per sample; after the first with PPO's clipped surrogate"""
    ratio_clip: float = 0.2
    """with --reuse: how far the ratio of new to old density may leave 1 and still gain"""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise InputError(f"episodes is {self.episodes}; give at least 2, since the baseline averages over them")
        if not (0 < self.sigma < math.inf and (self.sigma_end is None or 0 < self.sigma_end < math.inf)):
            raise InputError(f"sigma is {self.sigma} and sigma_end {self.sigma_end}; give numbers > 0")
        if self.reuse < 1 or not self.ratio_clip > 0:
            raise InputError(f"reuse is {self.reuse} and ratio_clip {self.ratio_clip}; give at least 1, and > 0")


def sample(mean: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Sample N boxes from the policy at every step (Algorithm 1, line 8; Eq. 8).

    Args:
        mean: ``mu_t``, shape ``(..., T, 4)``.
        noise: standard normal, shape ``(N, ..., T, 4)``.
        sigma: standard deviation of the policy.

    Returns:
        Actions ``l_t^i``, shape ``(N, ..., T, 4)``, without gradient.
    """
    return mean.detach() + sigma * noise


def log_density(action: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """``ln pi(l_t | Z_t)`` up to the constant ``-2 ln(2 pi)`` (Eq. 8). ``(..., 4)`` -> ``(...)``.

    Its gradient with respect to ``mean`` is Eq. 9.
    """
    return -((action - mean) ** 2).sum(dim=-1) / (2 * sigma**2) - 4 * math.log(sigma)


def loss(mean: Tensor, actions: Tensor, advantages: Tensor, sigma: float, mask: Tensor | None = None) -> Tensor:
    """Losses per episode and window; the gradient of their mean is minus Eq. 7.

    Args:
        mean: ``mu_t`` with gradient, shape ``(B, T, 4)``.
        actions: ``l_t^i``, shape ``(N, B, T, 4)``.
        advantages: ``R_t^i - b_t``, shape ``(N, B, T)``.
        sigma: standard deviation of the policy.
        mask: shape ``(B, T)``, 1 where a frame counts, 0 for padding; by default all frames count.

    Returns:
        Sums over T, shape ``(N, B)``.
    """
    # The mean broadcasts over the N episodes, which share one forward pass.
    return _negative_sum(log_density(actions, mean, sigma) * advantages, mask)


def reuse_loss(
    mean: Tensor,
    actions: Tensor,
    advantages: Tensor,
    sigma: float,
    old: Tensor,
    ratio_clip: float,
    mask: Tensor | None = None,
) -> Tensor:
    """PPO's clipped surrogate (Schulman et al., 2017, Eq. 7), for further updates with the same samples.

    As long as the policy is the one that was sampled from, the gradient equals that of `loss`.

    Args:
        mean: as in `loss`, like ``actions``, ``advantages``, ``sigma`` and ``mask``.
        actions: the samples.
        advantages: their advantages.
        sigma: standard deviation of the policy.
        old: `log_density` of the actions when they were sampled, shape ``(N, B, T)``, without gradient.
        ratio_clip: epsilon.
        mask: of the frames.

    Returns:
        Sums over T, shape ``(N, B)``.
    """
    # The minimum ends the gain of a sample at the clip, but never softens its loss.
    ratio = (log_density(actions, mean, sigma) - old).exp()
    clipped = ratio.clamp(1 - ratio_clip, 1 + ratio_clip)
    return _negative_sum(torch.minimum(ratio * advantages, clipped * advantages), mask)


def _negative_sum(gain: Tensor, mask: Tensor | None) -> Tensor:
    """Minus the sum over T, since optimisers minimise."""
    return -(gain if mask is None else gain * mask).sum(dim=-1)
