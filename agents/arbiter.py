"""The arbiter: a small recurrent policy for ``OTBTrackExperts-v0``.

It predicts how well each expert's box fits, and acts by that: the more a box is expected to overlap, the more its
expert is trusted. All outputs begin at 0, which is the environment's hand-made rule.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.drlt import standardising

NEVER = -4.0
"""Logit with which resets begin: a probability of 0.02."""


@dataclass(frozen=True)
class ArbiterConfig:
    """Sizes of the network."""

    width: int = 64
    """neurons of the layer on the observation"""
    hidden: int = 48
    """units of the GRU"""


class Outputs(NamedTuple):
    """What the network says of T frames in B episodes."""

    overlap: Tensor
    """expected IoU of each expert's box, in (0, 1), ``(B, T, K)``"""
    residual: Tensor
    """mean of the residual, in (-1, 1), ``(B, T, 4)``"""
    reset: Tensor
    """logit of putting each expert back, ``(B, T, K)``"""


class Arbiter(nn.Module):
    """One layer on the observation, a GRU, and a linear output for each part of the action.

    Args:
        features: D, numbers of an observation.
        experts: K.
        config: sizes.
    """

    observation_mean: Tensor
    observation_scale: Tensor

    def __init__(self, features: int, experts: int, config: ArbiterConfig = ArbiterConfig()) -> None:
        super().__init__()
        self.config, self.experts = config, experts
        self.register_buffer("observation_mean", torch.zeros(features))
        self.register_buffer("observation_scale", torch.ones(features))
        self.fc = nn.Linear(features, config.width)
        self.gru = nn.GRU(config.width, config.hidden, batch_first=True)
        self.overlap = nn.Linear(config.hidden, experts)
        self.residual = nn.Linear(config.hidden, 4)
        self.reset = nn.Linear(config.hidden, experts)
        for layer in (self.overlap, self.residual, self.reset):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.reset.bias, NEVER)

    def fit_normaliser(self, observations: Tensor) -> None:
        """Standardise each number of the observation by its mean and deviation over ``(frames, D)``."""
        mean, scale = standardising(observations)
        self.observation_mean.copy_(mean)
        self.observation_scale.copy_(scale)

    def forward(self, observations: Tensor, state: Tensor | None = None) -> tuple[Outputs, Tensor]:
        """T frames of B episodes.

        Args:
            observations: ``(B, T, D)``.
            state: the GRU's ``(1, B, hidden)``, or None in the first frame.

        Returns:
            The outputs, and the state after the last frame.
        """
        standard = (observations - self.observation_mean) * self.observation_scale
        hidden, state = self.gru(torch.relu(self.fc(standard)), state)
        outputs = Outputs(torch.sigmoid(self.overlap(hidden)), torch.tanh(self.residual(hidden)), self.reset(hidden))
        return outputs, state

    @torch.inference_mode()
    def act(self, observation: np.ndarray, state: Tensor | None = None) -> tuple[np.ndarray, Tensor]:
        """The action of the mean policy for one observation ``(D,)``, and the next state.

        An expert is put back where that is likelier than not.
        """
        outputs, state = self(torch.as_tensor(observation)[None, None], state)
        overlap, residual, reset = (part[0, 0] for part in outputs)
        return torch.cat([overlap, residual, torch.sign(reset)]).numpy(), state


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
    ranking = (difference.clamp(min=0) * nn.functional.softplus(-8 * margin)).sum(dim=(-2, -1))
    return ((squared + ranking) * mask).sum() / mask.sum()
