"""The plain path: what one update of the fast path does, spelled out by stepping ``OTBTrack-v0``.

One episode after the other, one frame after the other, one step of the LSTM for each: slow. It is here to hold the fast
path to (rewards, returns and gradients are equal), and to measure it against.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor

from agents import reinforce, returns
from agents.drlt import DRLT, State
from agents.reinforce import ReinforceConfig


class Episode(NamedTuple):
    """One clip, acted through."""

    log_density: Tensor
    """``ln pi`` of each box taken, with gradient, ``(T,)``"""
    rewards: Tensor
    """``(T,)``"""


def episode(env: gym.Env, clip: dict[str, Any], model: DRLT, noise: Tensor, sigma: float) -> Episode:
    """Act once through a clip.

    Args:
        env: ``OTBTrack-v0``; its ``reward`` is used.
        clip: options of its ``reset``: ``sequence``, ``start`` and ``length``.
        model: the policy's mean.
        noise: standard normal, ``(T, 4)`` or longer: the box of step t is ``mu_t + sigma * noise[t]``.
        sigma: the policy's standard deviation.
    """
    observation, _ = env.reset(options=clip)
    state: State | None = None
    densities: list[Tensor] = []
    rewards: list[float] = []
    over = False
    while not over:
        features, location = (torch.as_tensor(observation[key])[None, None] for key in ("features", "location"))
        mean, state = model(features, location, state)
        action = mean[0, 0].detach() + sigma * noise[len(rewards)]
        densities.append(reinforce.log_density(action, mean[0, 0], sigma))
        observation, reward, _, over, _ = env.step(action.numpy())
        rewards.append(float(reward))
    return Episode(torch.stack(densities), torch.tensor(rewards))


def loss(
    env: gym.Env, clips: Sequence[dict[str, Any]], model: DRLT, noise: Tensor, config: ReinforceConfig
) -> tuple[Tensor, list[Tensor]]:
    """The loss of one update over B clips, and the returns ``(N, T_b)`` of each.

    Args:
        env: as in `episode`.
        clips: B of them.
        model: on the CPU.
        noise: standard normal, ``(N, B, T, 4)``.
        config: of the estimator; ``reuse`` and ``sigma_end`` are ignored.
    """
    total, gained = torch.zeros(()), []
    for b, clip in enumerate(clips):
        episodes = [episode(env, clip, model, noise[i, b], config.sigma) for i in range(config.episodes)]
        credit = returns.returns(torch.stack([one.rewards for one in episodes])[:, None], config.returns)
        advantages = (credit - returns.baseline(credit, config.baseline))[:, 0]
        for one, advantage in zip(episodes, advantages, strict=True):
            total = total - (one.log_density * advantage).sum() / (config.episodes * len(clips))
        gained.append(credit[:, 0])
    return total, gained
