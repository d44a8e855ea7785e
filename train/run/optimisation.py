"""One step of an optimiser and what is logged of it, for the scripts whose agents act in a loop."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tracking_env.errors import InputError


def step(model: nn.Module, optimizer: torch.optim.Adam, loss: Tensor, clip_norm: float, lr: float, done: int) -> float:
    """One step of the optimiser; returns the gradient's norm before clipping.

    Args:
        model: the network.
        optimizer: of some or all of its parameters.
        loss: scalar, with gradient.
        clip_norm: largest norm of the gradient.
        lr: learning rate of the step.
        done: number of updates done, for the error.

    Raises:
        InputError: loss or gradient are not finite; the step was not taken.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
    model.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not torch.isfinite(loss.detach() + norm):
        raise InputError(
            f"loss or gradient is not finite in update {done + 1}; nothing was learned from it; try a smaller --lr"
        )
    optimizer.step()
    return float(norm)


def loop_scalars(
    rewards: Mapping[str, Tensor], learned: str, mask: Tensor, losses: Tensor, advantages: Tensor | None
) -> dict[str, float]:
    """The log's scalars of one update from E sampled episodes of T steps.

    Args:
        rewards: by name, each with E times T numbers, 0 where no frame counts.
        learned: name of the reward that is learned from.
        mask: 1 where a frame counts, else 0, ``(E, T)``.
        losses: whose mean was minimised.
        advantages: of the sampled actions, ``(E, T)``; None if the learner has none.
    """
    frames = float(mask.sum().clamp(min=1))
    scalars = {f"reward/{name}": float(values.sum()) / frames for name, values in rewards.items()}
    scalars["rollout/ep_rew_mean"] = float(rewards[learned].sum()) / len(mask)
    scalars["train/loss"] = float(losses.detach().mean())
    if advantages is not None:
        scalars["train/advantage_std"] = float(((advantages.square() * mask).sum() / frames).sqrt())
    return scalars
