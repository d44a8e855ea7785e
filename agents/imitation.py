"""The loss of the closed-loop agent's warm start: supervised, on single crops around jittered boxes.

Single crops cannot teach how errors affect later frames; training in the loop does.
"""

import torch
from torch import Tensor

from agents.region_agent import Decision
from tracking_env import boxes as bx

SPREAD, INSIDE = 0.15, 0.35
"""In target sizes: deviation of the ideal scores around the centre, and distance within which cells learn the box."""


def loss(decision: Decision, truth: Tensor, cells: Tensor) -> Tensor:
    """Cross-entropy of the cells' scores, and 1 - generalised IoU of the mean and of the cells near the target.

    Args:
        decision: the network's output for crops, with gradient.
        truth: the true boxes, relative to the regions, ``(B, 4)``.
        cells: the centres of the cells, ``(2, n, n)``.

    Returns:
        Losses ``(B,)``.
    """
    away = ((cells - truth[:, :2, None, None]) / truth[:, 2:, None, None]).flatten(2)
    ideal = torch.exp(-0.5 * (away**2).sum(dim=1) / SPREAD**2) + 1e-8
    ideal = ideal / ideal.sum(dim=1, keepdim=True)
    score_loss = -(ideal * decision.scores.log_softmax(dim=1)).sum(dim=1)
    # Cells beside the target also learn its box: at test time the mean mixes the boxes of several cells.
    inside = (away.abs().amax(dim=1) < INSIDE).float()
    by_cell = 1 - generalised_iou(decision.boxes.transpose(1, 2), truth[:, None])
    cell_loss = (by_cell * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
    return 0.5 * score_loss + (1 - generalised_iou(decision.mean, truth)) + cell_loss


def generalised_iou(boxes: Tensor, truth: Tensor) -> Tensor:
    """IoU minus the empty share of the smallest box around both boxes (Rezatofighi et al., 2019).

    Unlike IoU it has a gradient where the boxes do not overlap.

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
    # The areas add up to union + intersection, which is union * (1 + IoU).
    union = (a[..., 2:].prod(dim=-1) + b[..., 2:].prod(dim=-1)) / (1 + overlap)
    return overlap - (hull - union) / hull
