"""One step of an optimiser, for the scripts whose agents act in a loop."""

import torch
from torch import nn

from tracking_env.errors import InputError


def step(model: nn.Module, optimizer: torch.optim.Adam, loss: torch.Tensor, clip_norm: float, done: int) -> float:
    """One step of the optimiser; returns the gradient's norm before clipping.

    Args:
        model: the network.
        optimizer: of some or all of its parameters.
        loss: scalar, with gradient.
        clip_norm: largest norm of the gradient.
        done: number of updates done, for the error.

    Raises:
        InputError: loss or gradient are not finite; the step was not taken.
    """
    model.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not torch.isfinite(loss.detach() + norm):
        raise InputError(
            f"loss or gradient is not finite in update {done + 1}; nothing was learned from it; try a smaller --lr"
        )
    optimizer.step()
    return float(norm)
