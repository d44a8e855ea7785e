"""Sampled episodes of ``OTBTrackSearch-v0``, many at once: environments step one by one, the network acts for all."""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from agents.region_agent import RegionAgent
from agents.reinforce import sample
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence


class Rollout(NamedTuple):
    """N episodes of each of B clips: E = N * B episodes of T steps; episode e is of clip e % B."""

    observations: list[dict[str, Tensor]]
    """T batches of E observations"""
    actions: Tensor
    """``(E, T, 4)``, relative to the regions"""
    rewards: dict[str, Tensor]
    """``l1`` and ``iou``, each ``(N, B, T)``"""
    mask: Tensor
    """``(E, T)``: 1 where a frame counts, 0 after the end of a short clip"""
    truth: Tensor
    """true boxes relative to the image, ``(E, T, 4)``"""
    regions: Tensor
    """search regions relative to the image: left, top, width, height, ``(E, T, 4)``"""


def draw_clip(sequences: list[Sequence], steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """Options of a reset: a random sequence, and a first frame with a true box.

    The first frame leaves room for ``steps`` frames if the sequence is long enough.
    """
    sequence = sequences[rng.integers(len(sequences))]
    annotated = np.flatnonzero(sequence.annotated)
    starts = annotated[annotated <= max(annotated[0], len(sequence) - steps)]
    return {"sequence": sequence.name, "start": int(rng.choice(starts))}


def sample_episodes(
    envs: list[gym.Env],
    model: RegionAgent,
    clips: list[dict[str, Any]],
    seeds: list[int],
    steps: int,
    sigma: float,
    generator: torch.Generator,
) -> Rollout:
    """Sample N episodes of each clip.

    Args:
        envs: E environments ``OTBTrackSearch-v0``; N is E over the number of clips.
        model: the policy.
        clips: options of B resets, see `draw_clip`.
        seeds: seeds of the B resets: all episodes of a clip begin with the same region.
        steps: T.
        sigma: standard deviation of the policy.
        generator: source of the policy's noise.
    """
    observed: list[dict[str, np.ndarray]] = []
    regions: list[np.ndarray] = []
    for number, env in enumerate(envs):
        observation, info = env.reset(seed=seeds[number % len(clips)], options=clips[number % len(clips)])
        observed.append(observation)
        regions.append(info["relative_region"])

    state, running = None, np.ones(len(envs), bool)
    observations, actions = [], []
    shape = len(envs), steps
    l1, iou, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    truth, places = np.full((*shape, 4), 0.5, np.float32), np.zeros((*shape, 4), np.float32)
    for step in range(steps):
        batch = {name: torch.from_numpy(np.stack([row[name] for row in observed])) for name in observed[0]}
        with torch.no_grad():
            decision, state = model(**batch, state=state)
        action = sample(decision.mean, torch.randn(decision.mean.shape, generator=generator), sigma)
        observations.append(batch)
        actions.append(action)
        for number, env in enumerate(envs):
            places[number, step] = bx.top_left(regions[number])  # the region that the action is relative to
            if not running[number]:  # the clip is over: mask, rewards and truth keep their fill values
                continue
            observed[number], _, terminated, truncated, info = env.step(action[number].numpy())
            l1[number, step], iou[number, step] = info["reward_l1"], info["reward_iou"]
            mask[number, step], truth[number, step] = 1, info["relative_truth"]
            regions[number] = info["relative_region"]
            running[number] = not (terminated or truncated)

    by_clip = -1, len(clips), steps
    rewards = {"l1": torch.from_numpy(l1).view(by_clip), "iou": torch.from_numpy(iou).view(by_clip)}
    return Rollout(
        observations,
        torch.stack(actions, dim=1),
        rewards,
        torch.from_numpy(mask),
        torch.from_numpy(truth),
        torch.from_numpy(places),
    )


def replay(model: RegionAgent, rollout: Rollout) -> Tensor:
    """The policy's means for the same observations, with gradient through time, ``(E, T, 4)``."""
    state, means = None, []
    for batch in rollout.observations:
        decision, state = model(**batch, state=state)
        means.append(decision.mean)
    return torch.stack(means, dim=1)


def to_image(boxes: Tensor, regions: Tensor) -> Tensor:
    """Boxes relative to regions as boxes relative to the image, ``(..., 4)`` both."""
    centres = regions[..., :2] + boxes[..., :2] * regions[..., 2:]
    return torch.cat([centres, boxes[..., 2:] * regions[..., 2:]], dim=-1)
