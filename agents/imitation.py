"""A supervised warm start for the closed-loop agent: single crops around jittered boxes, where the target is known.

What it cannot teach is what errors do to later frames: that is left to training in the loop.
"""

import torch
from torch import Tensor

from agents.region_agent import Decision
from tracking_env import boxes as bx

SPREAD, INSIDE = 0.15, 0.35
"""In target sizes: the deviation of wanted scores around its centre, and how far from it cells must know the box."""


def loss(decision: Decision, truth: Tensor, cells: Tensor) -> Tensor:
    """Say where: cross-entropy of the cells' scores. Say how large: 1 - generalised IoU, of the mean and of cells.

    Args:
        decision: of crops, with gradient.
        truth: the true boxes, relative to the regions, ``(B, 4)``.
        cells: the centres of cells, ``(2, n, n)``.

    Returns:
        ``(B,)``.
    """
    away = ((cells - truth[:, :2, None, None]) / truth[:, 2:, None, None]).flatten(2)
    wanted = torch.exp(-0.5 * (away**2).sum(dim=1) / SPREAD**2) + 1e-8
    wanted = wanted / wanted.sum(dim=1, keepdim=True)
    where = -(wanted * decision.scores.log_softmax(dim=1)).sum(dim=1)
    inside = (away.abs().amax(dim=1) < INSIDE).float()
    each = 1 - generalised_iou(decision.boxes.transpose(1, 2), truth[:, None])
    sized = (each * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
    return 0.5 * where + (1 - generalised_iou(decision.mean, truth)) + sized


def generalised_iou(boxes: Tensor, truth: Tensor) -> Tensor:
    """IoU less the empty share of the smallest box around both (Rezatofighi et al., 2019): apart, they still attract.

    Args:
        boxes: centre boxes ``(..., 4)`` with sides above 0.
        truth: centre boxes, broadcast against them.

    Returns:
        ``(...)`` in (-1, 1].
    """
    a, b = bx.top_left(boxes), bx.top_left(truth)
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    hull = (high - low).prod(dim=-1)
    overlap = bx.iou(a, b)
    union = (a[..., 2:].prod(dim=-1) + b[..., 2:].prod(dim=-1)) / (1 + overlap)
    return overlap - (hull - union) / hull
