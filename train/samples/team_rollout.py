"""Sampled episodes of ``OTBTrackExperts-v0``, all at once: each expert's network runs on all of them in one batch."""

from collections.abc import Sequence as Many
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.arbiter import Arbiter, Outputs, join_action, sample_action
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.rewards import REWARDS
from tracking_env.search.ensemble import Team, observe
from tracking_env.search.ensemble.action import split_action
from tracking_env.search.ensemble.losses import first_frames, lose
from tracking_env.search.ensemble.observation import Means


class Start(NamedTuple):
    """Where an episode begins."""

    sequence: Sequence
    start: int
    """first frame, 0-based; it has a true box"""
    stop: int
    """the frame after the last one that may be used"""
    around: np.ndarray | None
    """the boxes around which the experts start after a simulated loss, ``(K, 4)``; else None"""


class Rollout(NamedTuple):
    """N episodes of each of B clips: E = N * B episodes of T steps; episode e is of clip e % B."""

    observations: Tensor
    """``(E, T, D)``"""
    sample: Outputs
    """of the policy, see `agents.arbiter.sample_action`; each part ``(E, T, ...)``"""
    drawn: Tensor
    """which switches were drawn, bool, ``(E, T, 1)``"""
    rewards: dict[str, Tensor]
    """``l1`` and ``iou``, less the cost, each ``(N, B, T)``"""
    mask: Tensor
    """``(E, T)``: 1 where a frame has a true box, 0 also after the end of a short clip"""
    actions: np.ndarray
    """what the environment would be given, ``(E, T, A)``"""


def draw_start(
    clips: Many[tuple[Sequence, range]], steps: int, experts: int, lost_share: float, rng: np.random.Generator
) -> Start:
    """A random clip that begins with a true box and, in a share of cases, with one of K experts lost or all."""
    sequence, part = clips[int(rng.integers(len(clips)))]
    start = int(rng.choice(first_frames(sequence, part, steps)))
    around = None
    if rng.random() < lost_share:
        around = lose(sequence.boxes[start], sequence.size, int(rng.integers(experts + 1)), experts, rng)
    return Start(sequence, start, part.stop, around)


@torch.no_grad()
def sample_episodes(
    team: Team,
    model: Arbiter,
    starts: Many[Start],
    steps: int,
    sigma: float,
    cost: np.ndarray,
    candidates_only: bool,
    generator: torch.Generator,
) -> Rollout:
    """Sample N episodes of each clip.

    Args:
        team: K experts on E targets; N is E over the number of clips.
        model: the policy.
        starts: of B clips.
        steps: T.
        sigma: deviation of trust and residual.
        cost: the amount that each look of an expert subtracts from the reward, ``(K,)``.
        candidates_only: draw switches in frames with a candidate alone; elsewhere the policy acts without noise.
        generator: of the policy's noise.
    """
    episodes, experts = team.count // len(starts), len(team.experts)
    targets = range(team.count)
    firsts = [clip.sequence.frames[clip.start] for clip in starts]
    boxes_at_start, around = [clip.sequence.boxes[clip.start] for clip in starts], [clip.around for clip in starts]
    team.start(targets, firsts * episodes, boxes_at_start * episodes, around * episodes)
    means, state = Means.new(team.count, experts), None
    observations, samples, draws, actions, boxes, costs = [], [], [], [], [], []
    for step in range(steps):
        # A clip that is over repeats its last frame; the mask leaves it out.
        frames = [clip.sequence.frames[min(clip.start + step, clip.stop - 1)] for clip in starts] * episodes
        report, candidates = team.look(frames, targets), team.scan(frames, targets)
        vectors, means = observe(report, candidates, means)
        observation = torch.from_numpy(vectors)[:, None]
        outputs, state = model(observation, state)
        drawn = (
            model.has_candidate(observation)
            if candidates_only
            else torch.ones(len(observation), 1, 1, dtype=torch.bool)
        )
        sample = sample_action(outputs, sigma, drawn, generator)
        action = join_action(sample, outputs.overlap, model.config.scan_below)[:, 0].numpy()
        decision = split_action(action, experts, model.pausing)
        observations.append(observation)
        samples.append(sample)
        draws.append(drawn)
        actions.append(action)
        boxes.append(team.act(targets, report, candidates, decision))
        costs.append((report.running + candidates.looks) @ cost)
    rewards, mask = _rewards(starts, np.stack(boxes), np.stack(costs))
    return Rollout(
        torch.cat(observations, dim=1),
        Outputs(*(torch.cat(parts, dim=1) for parts in zip(*samples, strict=True))),
        torch.cat(draws, dim=1),
        {name: values.reshape(episodes, len(starts), steps) for name, values in rewards.items()},
        mask.repeat(episodes, 1),
        np.stack(actions, axis=1),
    )


def _rewards(starts: Many[Start], boxes: np.ndarray, costs: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
    """Rewards ``(E, T)`` of pixel boxes ``(T, E, 4)`` less costs ``(T, E)``, 0 without a true box; mask ``(B, T)``."""
    steps, count, _ = boxes.shape
    truth, mask = np.zeros((steps, len(starts), 4)), np.zeros((steps, len(starts)))
    for index, clip in enumerate(starts):
        part = slice(clip.start, min(clip.start + steps, clip.stop))
        truth[: part.stop - part.start, index] = clip.sequence.relative[part]
        mask[: part.stop - part.start, index] = clip.sequence.annotated[part]
    relative = np.empty(boxes.shape)
    for target in range(count):
        relative[:, target] = bx.to_relative(boxes[:, target], starts[target % len(starts)].sequence.size)
    episodes = count // len(starts)
    rewards = {}
    for name, reward in REWARDS.items():
        values = (reward(relative, np.tile(truth, (1, episodes, 1))) - costs) * np.tile(mask, (1, episodes))
        rewards[name] = torch.tensor(values.T, dtype=torch.float32)
    return rewards, torch.tensor(mask.T, dtype=torch.float32)
