"""The supervised control: the same network, trained by the gradient of the reward instead of sampled returns.

Comparing it with REINFORCE separates what the estimator costs from what the network and the features can do.
"""

from torch import Tensor

from tracking_env.envs.rewards import REWARDS


def loss(boxes: Tensor, truth: Tensor, reward: str, mask: Tensor | None = None) -> Tensor:
    """Minus the reward of the means, with gradient: for ``l1`` an L1 loss (Eq. 2), for ``iou`` an IoU loss (Eq. 3).

    Args:
        boxes: the means ``mu_t`` with gradient, shape ``(B, T, 4)``.
        truth: the ground truth ``g_t``, shape ``(B, T, 4)``.
        reward: ``l1`` or ``iou``.
        mask: shape ``(B, T)``, 1 where a frame counts; by default all frames count.

    Returns:
        Sums over T, shape ``(B,)``, on the scale of `agents.reinforce.loss`.
    """
    gain = REWARDS[reward](boxes, truth)
    if mask is not None:
        gain = gain * mask
    return -gain.sum(dim=-1)
