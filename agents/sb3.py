"""Policies of Stable-Baselines3 and sb3-contrib on ``OTBTrack-v0``: DRLT's layers inside, a `Policy` outside."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from agents.drlt import standardising
from tracking_env.trackers.sb3_model import SB3Policy


class Algorithm(NamedTuple):
    """An algorithm, and the name it gives its policy on observations that are a `Dict`."""

    made: type[BaseAlgorithm]
    policy: str = "MultiInputPolicy"
    off_policy: bool = False

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.made.__name__


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "ppo": Algorithm(PPO),
        "recurrent_ppo": Algorithm(RecurrentPPO, "MultiInputLstmPolicy"),
        "a2c": Algorithm(A2C),
        "sac": Algorithm(SAC, off_policy=True),
        "td3": Algorithm(TD3, off_policy=True),
    }
)


class FrameFeatures(BaseFeaturesExtractor):
    """DRLT's observation layer, one fully connected layer on feature + location, in SB3's place for it.

    The features' normaliser is part of it, and so of every saved policy: SB3's `VecNormalize` would live in another
    file, and would still be moving while the policy learns.

    Args:
        observation_space: `Dict` of ``features (D,)`` and ``location (4,)``.
        hidden: its neurons.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, observation_space: spaces.Dict, hidden: int) -> None:
        super().__init__(observation_space, hidden)
        shape = observation_space["features"].shape
        assert shape is not None
        self.register_buffer("feature_mean", torch.zeros(shape))
        self.register_buffer("feature_scale", torch.ones(shape))
        self.fc = nn.Linear(shape[0] + 4, hidden)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """``features (B, D)`` and ``location (B, 4)`` -> ``(B, hidden)``."""
        standard = (observation["features"] - self.feature_mean) * self.feature_scale
        return torch.relu(self.fc(torch.cat([standard, observation["location"]], dim=-1)))


def policy_options(algorithm: str, hidden: int, sigma: float) -> dict[str, Any]:
    """The keywords of an algorithm's policy: DRLT's layer sizes, and its noise.

    ``recurrent_ppo`` is DRLT with a linear layer where the paper reads four units. The others have no memory: a layer
    of the LSTM's width takes its place, they see the true box with the first frame only, and must know the target by
    what it looks like in the training clips.

    Args:
        algorithm: a name of `ALGORITHMS`.
        hidden: width of the observation layer and of the LSTM, or of the layer in its place.
        sigma: the policy's standard deviation in relative box units, at first; in SB3's [-1, 1] it is twice that.
    """
    options: dict[str, Any] = {
        "features_extractor_class": FrameFeatures,
        "features_extractor_kwargs": {"hidden": hidden},
        "net_arch": [hidden],
    }
    if ALGORITHMS[algorithm].off_policy:
        # What a box is worth bends where it meets the target: that takes a layer more than to say where the target is.
        options["net_arch"] = {"pi": [hidden], "qf": [hidden, hidden]}
    else:
        options["log_std_init"] = math.log(2 * sigma)
    if algorithm == "recurrent_ppo":
        # The value is read from the actor's LSTM, and its gradient does not reach the LSTM.
        options |= {"net_arch": [], "lstm_hidden_size": hidden, "shared_lstm": True, "enable_critic_lstm": False}
    return options


def target_entropy(sigma: float) -> float:
    """The entropy of the paper's policy in SB3's [-1, 1], in nats: what SAC is to hold."""
    return 4 * math.log(2 * sigma * math.sqrt(2 * math.pi * math.e))


def new_policy(algorithm: str, features: int, hidden: int, sigma: float) -> BasePolicy:
    """A policy without its algorithm, to load weights into."""
    made, action = ALGORITHMS[algorithm], spaces.Box(-1, 1, (4,), np.float32)
    policy = made.made.policy_aliases[made.policy]
    return policy(spaces_of(features), action, lambda _: 0.0, **policy_options(algorithm, hidden, sigma))


def spaces_of(features: int) -> spaces.Dict:
    """The observations of ``OTBTrack-v0`` with features of size D."""
    return spaces.Dict(
        {
            "features": spaces.Box(-np.inf, np.inf, (features,), np.float32),
            "location": spaces.Box(0.0, 1.0, (4,), np.float32),
        }
    )


def fit_normaliser(policy: BasePolicy, features: Tensor) -> None:
    """Give every feature layer of a policy (actor's, critics', targets') the training features' normaliser.

    Args:
        policy: one of `policy_options`.
        features: ``(frames, D)``.
    """
    mean, scale = standardising(features)
    for layer in policy.modules():
        if isinstance(layer, FrameFeatures):
            layer.feature_mean.copy_(mean)
            layer.feature_scale.copy_(scale)


class SB3Agent(SB3Policy):
    """A policy of Stable-Baselines3 that also goes through a whole video in one pass, to be tested while it trains."""

    @torch.no_grad()
    def track(self, features: np.ndarray, first: np.ndarray) -> np.ndarray:
        """A whole video in one pass: what `act` gives step by step.

        Args:
            features: ``(T, D)``.
            first: the true relative box in the first frame, ``(4,)``.

        Returns:
            Relative boxes ``(T, 4)`` float32 in [0, 1].
        """
        location = np.zeros((len(features), 4), np.float32)
        location[0] = np.clip(first, 0, 1)
        seen = self.batch(np.asarray(features, np.float32), location)
        if not isinstance(self.policy, RecurrentActorCriticPolicy):
            return self.relative(self.policy.predict(seen, deterministic=True)[0])
        self.policy.set_training_mode(False)
        tensors: Any = self.policy.obs_to_tensor(seen)[0]
        fresh = torch.zeros(self.policy.lstm_hidden_state_shape, device=self.policy.device)
        # No frame is marked as a start, for the state is fresh anyway: then the LSTM takes all frames at once.
        starts = torch.zeros(len(features), device=self.policy.device)
        distribution, _ = self.policy.get_distribution(tensors, (fresh, fresh), starts)
        action = distribution.get_actions(deterministic=True).cpu().numpy()
        return self.relative(np.clip(action, self.low, self.low + self.range))
