"""Episodes in the loop, many at once: the environments step one by one, the network decides for all."""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from agents.pointing import Pointing
from agents.reinforce import sample
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence


class Rollout(NamedTuple):
    """B clips, N episodes of each: E = N * B episodes of T steps, clip by clip within an episode number."""

    observations: list[dict[str, Tensor]]
    """T batches of E"""
    actions: Tensor
    """``(E, T, 4)``, relative to the regions"""
    rewards: dict[str, Tensor]
    """by name, ``(N, B, T)``"""
    mask: Tensor
    """1 where a frame counts, 0 after the end of a short clip, ``(E, T)``"""
    truth: Tensor
    """true boxes relative to the image, ``(E, T, 4)``"""
    place: Tensor
    """the regions relative to the image: left, top, width, height, ``(E, T, 4)``"""


def draw_clip(sequences: list[Sequence], steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """The options of a reset: a sequence, and a start with a true box that leaves a full clip where one can."""
    one = sequences[rng.integers(len(sequences))]
    known = np.flatnonzero(one.annotated)
    full = known[known <= max(known[0], len(one) - steps)]
    return {"sequence": one.name, "start": int(rng.choice(full))}


def roll(
    envs: list[gym.Env],
    model: Pointing,
    options: list[dict],
    seeds: list[int],
    steps: int,
    sigma: float,
    generator: torch.Generator,
) -> Rollout:
    """Sample N episodes of each clip.

    Args:
        envs: E environments ``OTBTrackSearch-v0``.
        model: the policy.
        options: of B resets: which clip.
        seeds: of the same resets, so that all N episodes of a clip begin with the same look.
        steps: T.
        sigma: of the policy.
        generator: of its noise.
    """
    clips = len(options)
    begun = [env.reset(seed=seeds[i % clips], options=options[i % clips]) for i, env in enumerate(envs)]
    seen, infos = [one for one, _ in begun], [one for _, one in begun]
    state, running = None, np.ones(len(envs), bool)
    observations, actions, found = [], [], []
    for _ in range(steps):
        batch = {name: torch.from_numpy(np.stack([one[name] for one in seen])) for name in seen[0]}
        with torch.no_grad():
            decision, state = model(**batch, state=state)
        action = sample(decision.mean, torch.randn(decision.mean.shape, generator=generator), sigma)
        observations.append(batch)
        actions.append(action)
        row = []
        for i, env in enumerate(envs):
            place = bx.top_left(infos[i]["relative_region"])
            if running[i]:
                seen[i], _, terminated, truncated, infos[i] = env.step(action[i].numpy())
                one = infos[i]
                row.append((one["reward_l1"], one["reward_iou"], 1.0, one["relative_truth"], place))
                running[i] = not (terminated or truncated)
            else:
                row.append((0.0, 0.0, 0.0, np.full(4, 0.5), place))
        found.append(row)
    columns = [
        torch.from_numpy(np.array([[row[i][k] for row in found] for i in range(len(envs))], dtype=np.float32))
        for k in range(5)
    ]
    l1, iou, mask, truth, place = columns
    shape = -1, clips, steps
    return Rollout(
        observations, torch.stack(actions, dim=1), {"l1": l1.view(shape), "iou": iou.view(shape)}, mask, truth, place
    )


def replay(model: Pointing, rollout: Rollout) -> Tensor:
    """The policy's means on the same observations, with gradient through time, ``(E, T, 4)``."""
    state, means = None, []
    for batch in rollout.observations:
        decision, state = model(**batch, state=state)
        means.append(decision.mean)
    return torch.stack(means, dim=1)


def in_image(boxes: Tensor, place: Tensor) -> Tensor:
    """Boxes relative to regions as boxes relative to the image. ``(..., 4)`` kept."""
    centre = place[..., :2] + boxes[..., :2] * place[..., 2:]
    return torch.cat([centre, boxes[..., 2:] * place[..., 2:]], dim=-1)
