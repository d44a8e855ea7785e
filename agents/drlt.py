"""DRLT, the paper's recurrent network (section 3.1): from features and location to the mean of the policy."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from agents.keypoints import COARSE, Keypoints
from tracking_env.errors import InputError

State = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class DRLTConfig:
    """Sizes of the network. The preset `paper` has those of section 4.2."""

    observation: int = 5000
    """neurons of the fully connected layer on top of feature + location"""
    hidden: int = 5000
    """units of the LSTM; its last four are the box"""
    keypoints: int = 0
    """learned filters on the extractor's map, whose places and strengths the fully connected layer sees beside the map
    averaged to 5 x 5; 0, as in the paper, for a layer that sees the whole map"""
    map_side: int = 10
    """with --keypoints: rows and columns of the extractor's map, a multiple of 5"""

    def __post_init__(self) -> None:
        if self.keypoints < 0 or self.map_side < COARSE or self.map_side % COARSE:
            raise InputError(
                f"keypoints is {self.keypoints} and map_side {self.map_side}; give >= 0, and a multiple of {COARSE}"
            )
        if self.observation < 1 or self.hidden < 4:
            raise InputError(
                f"observation is {self.observation} and hidden {self.hidden}; give at least 1 and 4 (the box)"
            )


class DRLT(nn.Module):
    """One fully connected layer on a frozen extractor's features, and a one-layer LSTM.

    The recurrent state is an argument and a result of `forward`; the network keeps none. The normaliser of the features
    (`fit_normaliser`) is part of the module's state, and so of every checkpoint. With `DRLTConfig.keypoints` a layer
    of filters on the map comes first, see `agents.keypoints`.

    Args:
        features: size D of the extractor's feature vector.
        config: layer sizes.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, features: int, config: DRLTConfig = DRLTConfig()) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_scale", torch.ones(features))
        self.keypoints = Keypoints(features, config.map_side, config.keypoints) if config.keypoints else None
        self.fc = nn.Linear((self.keypoints.size if self.keypoints else features) + 4, config.observation)
        self.lstm = nn.LSTM(config.observation, config.hidden, batch_first=True)

    def fit_normaliser(self, features: Tensor) -> None:
        """Standardise features from now on by their mean and deviation over ``(frames, D)``; constant ones become 0.

        With keypoints, the cells of a channel have one mean and deviation: filters must see all places alike.
        """
        if self.keypoints is None:
            mean, scale = mean_and_scale(features)
        else:
            cells = self.config.map_side**2
            by_channel = features.unflatten(1, (-1, cells)).transpose(1, 2).flatten(0, 1)
            mean, scale = (numbers.repeat_interleave(cells) for numbers in mean_and_scale(by_channel))
        self.feature_mean.copy_(mean)
        self.feature_scale.copy_(scale)
        if self.keypoints is not None:
            # In parts: the standardised maps take twice the memory of the features.
            coarse = torch.cat([self.keypoints.coarse(self.standardise(part)) for part in features.split(256)])
            mean, scale = mean_and_scale(coarse)
            self.keypoints.coarse_mean.copy_(mean)
            self.keypoints.coarse_scale.copy_(scale)

    def standardise(self, features: Tensor) -> Tensor:
        """Features ``(..., D)`` with the mean 0 and the deviation 1 over the frames of `fit_normaliser`."""
        return (features - self.feature_mean) * self.feature_scale

    def forward(self, features: Tensor, location: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Eq. 1 over T frames.

        Args:
            features: ``i_t``, shape ``(B, T, D)``.
            location: ``s_t``, shape ``(B, T, 4)``: the relative true box where it is given, else zeros.
            state: LSTM state before the first frame, or None to start from zeros.

        Returns:
            The means ``mu_t``, shape ``(B, T, 4)``, each component in (-1, 1) (the last four of ``h_t``), and the state
            after the last frame.
        """
        h, state = self.hidden(features, location, state)
        return self.mean(h), state

    def hidden(self, features: Tensor, location: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """All of ``h_t``, shape ``(B, T, H)``, and the state after the last frame; arguments as of `forward`."""
        seen = self.standardise(features)
        if self.keypoints is not None:
            seen = self.keypoints(seen)
        # Standardise in single precision, then convert: features may be too large for half precision.
        inputs = torch.cat([seen, location], dim=-1).to(self.fc.weight.dtype)
        return self.lstm(torch.relu(self.fc(inputs)), state)

    def halve(self) -> None:
        """Convert the weights, not the normaliser, to half precision, so that a GPU reads half the bytes."""
        self.fc.half()
        self.lstm.half()
        if self.keypoints is not None:
            self.keypoints.filters.half()

    @staticmethod
    def mean(hidden: Tensor) -> Tensor:
        """``mu_t``, the last four of ``h_t`` (section 4.2). ``(..., H)`` -> ``(..., 4)``."""
        return hidden[..., -4:]

    @torch.no_grad()
    def act(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[np.ndarray, State]:
        """One step of the test-time policy (the mean, section 4.2) for one environment.

        Args:
            observation: ``features (D,)`` and ``location (4,)`` as ``OTBTrack-v0`` gives them.
            state: returned by the last call; None in the first frame.

        Returns:
            The action ``(4,)`` float32, not clipped, and the next state.
        """
        device = self.feature_mean.device
        features, location = (
            torch.as_tensor(observation[key], dtype=torch.float32, device=device)[None, None]
            for key in ("features", "location")
        )
        mean, state = self(features, location, state)
        return mean[0, 0].float().cpu().numpy(), state

    @torch.no_grad()
    def track(self, features: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The test-time policy over a whole video in one pass, with the boxes that `act` gives step by step.

        Args:
            features: ``(T, D)``.
            first: the true relative box in the first frame, ``(4,)``.

        Returns:
            Relative boxes ``(T, 4)`` float32, not clipped.
        """
        device = self.feature_mean.device
        location = torch.zeros(1, len(features), 4, device=device)
        # The environment clips the first box to the image, since its observations lie in [0, 1].
        location[0, 0] = torch.tensor(first, device=device).clip(0, 1)
        mean, _ = self(torch.tensor(np.asarray(features, np.float32), device=device)[None], location)
        return mean[0].float().cpu().numpy()


def mean_and_scale(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and inverse deviation of each feature over ``(frames, D)``, both ``(D,)``; constant features get scale 0."""
    # In float16 the statistics would be rounded to three digits.
    wide = features.float()
    deviation, mean = torch.std_mean(wide, dim=0, correction=0)
    return mean, torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)


def detach_rows(state: State, rows: int) -> State:
    """The state of a batch's first ``rows`` windows, without gradient."""
    # cuDNN accepts only contiguous states, and a slice of the batch is none.
    hidden, cell = state
    return hidden[:, :rows].detach().contiguous(), cell[:, :rows].detach().contiguous()
