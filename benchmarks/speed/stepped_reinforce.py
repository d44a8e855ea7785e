"""REINFORCE by stepping ``OTBTrack-v0``: slow, a reference for the fast path of train/reinforce.py.

It runs one episode after the other and one step of the LSTM per frame. Tests compare rewards, returns and gradients of
both paths; benchmarks/speed/train.py compares their speed.
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
    """One episode of a clip."""

    log_density: Tensor
    """``ln pi`` of each action, with gradient, ``(T,)``"""
    rewards: Tensor
    """``(T,)``"""


def episode(env: gym.Env, clip: dict[str, Any], model: DRLT, noise: Tensor, sigma: float) -> Episode:
    """Sample one episode of a clip.

    Args:
        env: ``OTBTrack-v0``; its ``reward`` is used.
        clip: options of its ``reset``: ``sequence``, ``start`` and ``length``.
        model: gives the policy's mean.
        noise: standard normal, ``(T, 4)`` or longer; the action of step t is ``mu_t + sigma * noise[t]``.
        sigma: standard deviation of the policy.
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
    """The loss of one update over B clips, and the returns ``(N, T_b)`` of each clip.

    Args:
        env: as in `episode`.
        clips: options of B resets.
        model: the network, on the CPU.
        noise: standard normal, ``(N, B, T, 4)``.
        config: options of the estimator; ``reuse`` and ``sigma_end`` are ignored.
    """
    total, clip_returns = torch.zeros(()), []
    for b, clip in enumerate(clips):
        episodes = [episode(env, clip, model, noise[i, b], config.sigma) for i in range(config.episodes)]
        rewards = torch.stack([sampled.rewards for sampled in episodes])[:, None]
        gains = returns.returns(rewards, config.returns)
        advantages = (gains - returns.baseline(gains, config.baseline))[:, 0]
        for sampled, advantage in zip(episodes, advantages, strict=True):
            total = total - (sampled.log_density * advantage).sum() / (config.episodes * len(clips))
        clip_returns.append(gains[:, 0])
    return total, clip_returns
