"""The controls: the same network, trained by differentiating the reward instead of comparing samples of it.

Whatever these reach and REINFORCE does not is the price of the estimator; whatever all reach is the network's and the
features' doing.
"""

from torch import Tensor

from tracking_env.envs.rewards import REWARDS


def loss(boxes: Tensor, truth: Tensor, reward: str, mask: Tensor | None = None) -> Tensor:
    """Minus the reward, with its gradient: for ``l1`` an L1 loss (Eq. 2), for ``iou`` an IoU loss.

    Args:
        boxes: with gradient: the means ``mu_t``, ``(B, T, 4)``, the usual supervised training; or samples that follow
            the mean (`pathwise`), ``(N, B, T, 4)``.
        truth: ``g_t``, shape ``(B, T, 4)``.
        reward: ``l1`` or ``iou``.
        mask: ``(B, T)``, 1 where a frame counts; all count without it.

    Returns:
        The sums over T, shape ``(B,)`` or ``(N, B)``: the scale of `agents.reinforce.loss`.
    """
    gain = REWARDS[reward](boxes, truth)
    if mask is not None:
        gain = gain * mask
    return -gain.sum(dim=-1)


def pathwise(mean: Tensor, actions: Tensor) -> Tensor:
    """The sampled boxes ``(N, B, T, 4)`` as functions of their mean ``(B, T, 4)``: the mean moves, the noise stays.

    The expected gradient of their reward is REINFORCE's (reparameterisation), of the same samples, with less variance.
    """
    return mean + (actions - mean).detach()
