"""The control: the same network, trained by differentiating the reward instead of sampling it.

Whatever this reaches and REINFORCE does not is the price of the estimator; whatever both reach is the network's and the
features' doing.
"""

from torch import Tensor

from tracking_env.rewards import REWARDS


def loss(mean: Tensor, truth: Tensor, reward: str, mask: Tensor | None = None) -> Tensor:
    """Minus the reward of the mean itself, with its gradient: for ``l1`` an L1 loss (Eq. 2), for ``iou`` an IoU loss.

    Args:
        mean: ``mu_t`` with gradient, shape ``(B, T, 4)``.
        truth: ``g_t``, shape ``(B, T, 4)``.
        reward: ``l1`` or ``iou``.
        mask: ``(B, T)``, 1 where a frame counts; all count without it.

    Returns:
        The sum over T, mean over the B windows, shape ``()``: the scale of `agents.reinforce.loss`.
    """
    gain = REWARDS[reward](mean, truth)
    if mask is not None:
        gain = gain * mask
    return -gain.sum(dim=-1).mean()
