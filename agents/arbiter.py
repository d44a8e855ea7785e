"""The arbiter: a small recurrent policy for ``OTBTrackExperts-v0``.

It predicts how well each expert's box fits, and acts by that: the more a box is expected to overlap, the more its
expert is trusted. Where no box is expected to overlap the target, it scans the image, and puts the experts back on a
candidate that is more probably the target. All outputs begin at 0, which is the environment's hand-made rule.

The same network looks at each expert in turn, so that what it learns from one expert serves for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents import reinforce
from agents.drlt import mean_and_scale
from tracking_env.errors import InputError, option
from tracking_env.search.ensemble.fusion import SHARPNESS
from tracking_env.search.ensemble.observation import CANDIDATE, CANDIDATE_DISTANCE

NEVER, SELDOM = -4.0, -1.0
"""First bias of the logits of resets and of pauses: probabilities of 0.02 and 0.27."""
APART, WORSE, PATIENCE = 0.2, 0.1, 5
"""The hand-made reset rule, see `reset_targets`."""
CANDIDATE_RULE = (-1.9, 6.8, -2.3, -1.0)
"""First weights of the log-odds that a candidate is better than the boxes of now: a constant, the candidate's score (a
tenth of log-odds) and distance (``log(1 + d)``), both means over the experts, and the log-odds of the largest expected
overlap. The first three are a logistic regression of which candidates were the target, see
`benchmarks/candidates.py`."""
LEAST_OVERLAP = 0.05
"""Expected overlaps are taken to be at least this, and at most 1 less it, for their log-odds."""


@dataclass(frozen=True)
class ArbiterConfig:
    """Sizes and dropout of the network."""

    width: int = 64
    """neurons of the layer on the observation"""
    hidden: int = 48
    """units of the GRU"""
    input_dropout: float = 0.2
    """share of the observation's numbers that are hidden in a frame of the warm start"""
    dropout: float = 0.3
    """share of the neurons of both layers that are switched off in a frame of the warm start"""
    scan_below: float = 0.5
    """the next frame is scanned where no expert's box is expected to overlap the target by more; 0: never"""

    def __post_init__(self) -> None:
        if min(self.width, self.hidden) < 1:
            raise InputError(f"width is {self.width} and hidden {self.hidden}; give at least 1")
        if not (0 <= self.input_dropout < 1 and 0 <= self.dropout < 1):
            raise InputError(f"give {option('input_dropout')} and {option('dropout')} from 0 to below 1")
        if not 0 <= self.scan_below <= 1:
            raise InputError(f"scan_below is {self.scan_below}; give an overlap from 0 to 1")


class Outputs(NamedTuple):
    """Output of the network for T frames of B episodes."""

    overlap: Tensor
    """expected IoU of each expert's box, in (0, 1), ``(B, T, K)``"""
    residual: Tensor
    """mean of the residual, in (-1, 1), ``(B, T, 4)``"""
    switches: Tensor
    """logits of resetting each expert and, with pauses, of pausing each, ``(B, T, K)`` or ``(B, T, 2 K)``"""


class Arbiter(nn.Module):
    """One layer, a GRU and linear outputs, the same for each expert.

    Their input are the expert's own numbers of the observation, the mean of the others', and the difference of both. A
    bias of its own tells the experts apart.

    Args:
        features: D, numbers of an observation; D / K of them are of each expert.
        experts: K.
        config: sizes.
        pausing: whether the action also says which experts pause.
    """

    observation_mean: Tensor
    observation_scale: Tensor

    def __init__(
        self, features: int, experts: int, config: ArbiterConfig = ArbiterConfig(), pausing: bool = False
    ) -> None:
        super().__init__()
        self.config, self.features, self.experts, self.pausing = config, features, experts, pausing
        self.register_buffer("observation_mean", torch.zeros(features))
        self.register_buffer("observation_scale", torch.ones(features))
        self.input_dropout, self.dropout = nn.Dropout(config.input_dropout), nn.Dropout(config.dropout)
        self.fc = nn.Linear(3 * (features // experts), config.width)
        self.which = nn.Parameter(torch.zeros(experts, config.width))  # what differs between experts
        self.gru = nn.GRU(config.width, config.hidden, batch_first=True)
        self.overlap = nn.Linear(config.hidden, 1)
        self.residual = nn.Linear(config.hidden, 4)
        self.switches = nn.Linear(config.hidden, 2 if pausing else 1)
        self.candidate_rule = nn.Parameter(torch.tensor(CANDIDATE_RULE))
        # Zero weights start the policy as the hand-made rule: equal trust, no residual, no switch above 0.5.
        for layer in (self.overlap, self.residual, self.switches):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.switches.bias.data = torch.tensor([NEVER, SELDOM][: len(self.switches.bias)])

    def fit_normaliser(self, observations: Tensor) -> None:
        """Standardise each number of the observation by its mean and deviation over ``(frames, D)``."""
        mean, scale = mean_and_scale(observations)
        self.observation_mean.copy_(mean)
        # Numbers that never change, such as those of scans in stored runs, are hidden: nothing was learned about them.
        self.observation_scale.copy_(torch.where(observations.std(dim=0) > 0, scale, 0.0))

    def ignore(self, numbers: Sequence[int]) -> None:
        """Hide numbers of the observation, by their index, for good; to be called after `fit_normaliser`."""
        # `forward` multiplies by the scale, so these numbers become 0 in every frame.
        self.observation_scale[list(numbers)] = 0.0

    def forward(self, observations: Tensor, state: Tensor | None = None) -> tuple[Outputs, Tensor]:
        """T frames of B episodes.

        Args:
            observations: ``(B, T, D)``.
            state: the GRU's ``(1, B K, hidden)``, or None in the first frame.

        Returns:
            The outputs, and the state after the last frame.
        """
        count, frames, experts = len(observations), observations.shape[1], self.experts
        standard = self.input_dropout((observations - self.observation_mean) * self.observation_scale)
        own = standard.reshape(count, frames, experts, -1)
        others = (own.sum(dim=2, keepdim=True) - own) / max(experts - 1, 1)
        inputs = torch.cat([own, others, own - others], dim=-1)
        hidden = self.dropout(torch.relu(self.fc(inputs) + self.which))
        # The GRU runs over the frames of each expert: (B, T, K, ...) -> (B K, T, ...).
        hidden, state = self.gru(hidden.transpose(1, 2).reshape(count * experts, frames, -1), state)
        hidden = self.dropout(hidden).reshape(count, experts, frames, -1).transpose(1, 2)
        overlap = torch.sigmoid(self.overlap(hidden))[..., 0]
        residual = torch.tanh(self.residual(hidden.mean(dim=2)))
        resets, *pauses = self.switches(hidden).unbind(dim=-1)
        numbers = observations.reshape(count, frames, experts, -1).mean(dim=2)
        candidate, distance = numbers[..., CANDIDATE, None], numbers[..., CANDIDATE_DISTANCE, None]
        doubt = torch.logit(overlap.amax(dim=-1, keepdim=True), LEAST_OVERLAP)
        constant, on_score, on_distance, on_doubt = self.candidate_rule
        accept = constant + on_score * candidate + on_distance * distance + on_doubt * doubt
        resets = torch.where(candidate != 0, accept, resets)
        return Outputs(overlap, residual, torch.cat([resets, *pauses], dim=-1)), state

    def mean_action(self, outputs: Outputs) -> Tensor:
        """The action ``(B, T, A)`` without noise: switches with a probability above 0.5 are on."""
        best = outputs._replace(switches=(outputs.switches > 0).float())
        return join_action(best, outputs.overlap, self.config.scan_below)

    def has_candidate(self, observations: Tensor) -> Tensor:
        """Whether a scan has a candidate, for observations ``(B, T, D)``: ``(B, T, 1)`` bool."""
        numbers = observations.reshape(*observations.shape[:2], self.experts, -1)
        return (numbers[..., CANDIDATE] != 0).any(dim=-1, keepdim=True)

    @torch.inference_mode()
    def act(self, observation: np.ndarray, state: Tensor | None = None) -> tuple[np.ndarray, Tensor]:
        """The action ``(A,)`` without noise for one observation ``(D,)``, and the next state."""
        outputs, state = self(torch.as_tensor(observation)[None, None], state)
        return self.mean_action(outputs)[0, 0].numpy(), state


def join_action(sample: Outputs, overlap: Tensor, scan_below: float) -> Tensor:
    """The environment's action ``(..., A)``.

    Args:
        sample: of the policy; switches are 0 or 1.
        overlap: the expected ones, ``(..., K)``.
        scan_below: see `ArbiterConfig`.
    """
    experts = overlap.shape[-1]
    scan = (overlap.amax(dim=-1, keepdim=True) < scan_below).float()
    resets, pauses = sample.switches[..., :experts], sample.switches[..., experts:]
    # A negative number requests a pause, a positive one a reset.
    return torch.cat([sample.overlap, sample.residual, resets, scan, -pauses], dim=-1)


def sample_action(outputs: Outputs, sigma: float, drawn: Tensor, generator: torch.Generator) -> Outputs:
    """A sample of the policy in the form of its outputs: trust and residual are Gaussian, switches are 0 or 1.

    Args:
        outputs: of the policy.
        sigma: deviation of trust and residual; with 0 they are their means.
        drawn: which switches are drawn by their probability, bool; the others are on where that is above 0.5.
        generator: draws.
    """
    noise = [torch.randn(part.shape, generator=generator) for part in outputs[:2]]
    # REINFORCE takes no gradient through its samples.
    trust, residual = (mean.detach() + sigma * part for mean, part in zip(outputs[:2], noise, strict=True))
    probability = torch.sigmoid(outputs.switches.detach())
    chance = torch.where(drawn, torch.rand(probability.shape, generator=generator), 0.5)
    return Outputs(trust, residual, (chance < probability).float())


def log_density(outputs: Outputs, sample: Outputs, sigma: float, drawn: Tensor) -> Tensor:
    """Logarithm of the policy's density at a sample of it, up to a constant: ``(B, T)``; arguments of `sample_action`.

    With a deviation ``sigma`` of 0 it is that of the switches alone.
    """
    means, actions = (torch.cat(parts[:2], dim=-1) for parts in (outputs, sample))
    # Switches are independent Bernoulli variables: their log-probability is minus the cross-entropy.
    entropy = F.binary_cross_entropy_with_logits(outputs.switches, sample.switches, reduction="none")
    switches = (entropy * drawn).sum(dim=-1)
    return (reinforce.log_density(actions, means, sigma) if sigma else 0.0) - switches


def overlap_loss(overlap: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """The warm start's loss: squared error, and a ranking loss that weighs pairs by how much they differ.

    Args:
        overlap: expected IoU ``(B, T, K)``.
        truth: IoU of the experts' boxes with the true one, ``(B, T, K)``.
        mask: 1 where a frame counts, ``(B, T)``.

    Returns:
        Scalar.
    """
    squared = ((overlap - truth) ** 2).sum(dim=-1)
    difference = truth[..., :, None] - truth[..., None, :]
    margin = overlap[..., :, None] - overlap[..., None, :]
    # The action weighs boxes by exp(8 trust), so a margin of 0.5 already decides.
    ranking = (difference.clamp(min=0) * F.softplus(-SHARPNESS * margin)).sum(dim=(-2, -1))
    return ((squared + ranking) * mask).sum() / mask.sum().clamp(min=1)


def reset_targets(overlap: Tensor, iou: Tensor) -> Tensor:
    """The experts that the hand-made rule resets, as labels for the warm start.

    It resets an expert whose box has overlapped the best one's by less than 0.2 for 5 frames, and whose expected
    IoU is lower than the best by more than 0.1.

    Args:
        overlap: expected IoU of each expert's box, ``(B, T, K)``.
        iou: IoU of the experts' boxes with each other, ``(B, T, K, K)``.

    Returns:
        1 where an expert is reset, ``(B, T, K)``.
    """
    best = overlap.argmax(dim=-1, keepdim=True)
    # IoU of each expert's box with the box of the best expert.
    with_best = iou.gather(-1, best[..., None].expand(*iou.shape[:-1], 1))[..., 0]
    lost = ((with_best < APART) & (overlap < overlap.gather(-1, best) - WORSE)).float()
    # A frame counts if the four before it were the same.
    padded = F.pad(lost.transpose(1, 2), (PATIENCE - 1, 0))
    return padded.unfold(-1, PATIENCE, 1).amin(dim=-1).transpose(1, 2)
