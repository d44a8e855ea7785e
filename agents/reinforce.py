"""REINFORCE: the gradient of Eq. 7 and nothing else."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.returns import Baseline, Returns
from tracking_env.errors import InputError


@dataclass(frozen=True)
class ReinforceConfig:
    """The estimator's choices; the paper's are the defaults (Algorithm 1, section 4.2)."""

    episodes: int = 5
    """N, episodes sampled from one forward pass"""
    sigma: float = 0.01
    """standard deviation of the Gaussian policy, in relative box units"""
    sigma_end: float | None = None
    """sigma in the last epoch, exponential in between; by default it stays"""
    learn_sigma: bool = False
    """learn sigma, one number for all frames and components, from its start value"""
    entropy: float = 0.0
    """weight of the policy's entropy in what is maximised; only a learned sigma has any use for it"""
    returns: Returns = "step"
    """what a step is credited with: its own reward, the rewards from it to the window's end, or all the window's"""
    baseline: Baseline = "mean"
    """what a return is compared with: the mean over the N episodes, over the others, nothing, or a learned value"""
    normalise: bool = False
    """divide the advantages of an update by their root mean square"""
    reuse: int = 1
    """updates from the same samples; beyond the first by PPO's clipped surrogate"""
    ratio_clip: float = 0.2
    """with --reuse, how far the ratio of new to old density may leave 1 and still gain"""

    def __post_init__(self) -> None:
        compared = self.baseline in ("mean", "leave_one_out")
        if self.episodes < (2 if compared else 1):
            wanted = "at least 2: one alone is its own baseline, learns nothing" if compared else "at least 1"
            raise InputError(f"episodes is {self.episodes}; give {wanted}")
        if not (0 < self.sigma < math.inf and (self.sigma_end is None or 0 < self.sigma_end < math.inf)):
            raise InputError(f"sigma is {self.sigma} and sigma_end {self.sigma_end}; give numbers > 0")
        if self.learn_sigma and self.sigma_end is not None:
            raise InputError("learn_sigma and sigma_end exclude each other; give one of them")
        if self.entropy and not self.learn_sigma:
            raise InputError(f"entropy is {self.entropy}, but a fixed sigma's entropy is fixed; give learn_sigma too")
        if self.reuse < 1 or not self.ratio_clip > 0:
            raise InputError(f"reuse is {self.reuse} and ratio_clip {self.ratio_clip}; give at least 1, and > 0")


def sample(mean: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
    """N boxes from the policy at every step (Algorithm 1, line 8; Eq. 8).

    Args:
        mean: ``mu_t``, shape ``(..., T, 4)``.
        noise: standard normal, ``(N, ..., T, 4)``.
        sigma: the policy's standard deviation.

    Returns:
        ``l_t^i``, shape ``(N, ..., T, 4)``, without gradient.
    """
    return mean.detach() + (sigma.detach() if isinstance(sigma, Tensor) else sigma) * noise


def log_density(action: Tensor, mean: Tensor, sigma: float | Tensor) -> Tensor:
    """``ln pi(l_t | Z_t)`` but for the constant ``-2 ln(2 pi)`` (Eq. 8). ``(..., 4)`` -> ``(...)``.

    Its gradient in ``mean`` is Eq. 9; in a tensor ``sigma`` it is ``(|l - mu|^2 / sigma^2 - 4) / sigma``.
    """
    return -((action - mean) ** 2).sum(dim=-1) / (2 * sigma**2) - entropy(sigma)


def entropy(sigma: float | Tensor) -> float | Tensor:
    """The policy's entropy at one step, but for the constant ``2 ln(2 pi e)``: ``4 ln sigma``."""
    return 4 * (sigma.log() if isinstance(sigma, Tensor) else math.log(sigma))


def loss(
    mean: Tensor, actions: Tensor, advantages: Tensor, sigma: float | Tensor, mask: Tensor | None = None
) -> Tensor:
    """Losses per episode and window; the gradient of their mean is minus Eq. 7.

    Args:
        mean: ``mu_t`` with gradient, shape ``(B, T, 4)``.
        actions: ``l_t^i``, shape ``(N, B, T, 4)``.
        advantages: ``R_t^i - b_t``, shape ``(N, B, T)``.
        sigma: the policy's standard deviation.
        mask: ``(B, T)``, 1 where a frame counts and 0 where a window is padding; all count without it.

    Returns:
        The sums over T, shape ``(N, B)``.
    """
    return _summed(log_density(actions, mean, sigma) * advantages, mask)


def reuse_loss(
    mean: Tensor,
    actions: Tensor,
    advantages: Tensor,
    sigma: float | Tensor,
    old: Tensor,
    ratio_clip: float,
    mask: Tensor | None = None,
) -> Tensor:
    """PPO's clipped surrogate (Schulman et al., 2017, Eq. 7), for further updates from the same samples.

    Where the policy is still the one that was sampled from, its gradient is that of `loss`.

    Args:
        mean: as in `loss`; so are ``actions``, ``advantages``, ``sigma`` and ``mask``.
        actions: the samples.
        advantages: theirs.
        sigma: of the policy that learns.
        old: `log_density` of the actions when they were sampled, ``(N, B, T)``, without gradient.
        ratio_clip: epsilon.
        mask: of the frames.

    Returns:
        The sums over T, shape ``(N, B)``.
    """
    ratio = (log_density(actions, mean, sigma) - old).exp()
    clipped = ratio.clamp(1 - ratio_clip, 1 + ratio_clip)
    return _summed(torch.minimum(ratio * advantages, clipped * advantages), mask)


def _summed(gain: Tensor, mask: Tensor | None) -> Tensor:
    return -(gain if mask is None else gain * mask).sum(dim=-1)
