"""Policies of Stable-Baselines3 and sb3-contrib: on ``OTBTrack-v0`` with DRLT's layers, in the closed loops without."""

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
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from agents.drlt import mean_and_scale
from tracking_env.trackers.sb3_model import SB3Policy


class Algorithm(NamedTuple):
    """An algorithm of Stable-Baselines3 or sb3-contrib."""

    algorithm_class: type[BaseAlgorithm]
    policy: str = "MultiInputPolicy"
    """SB3's name of its policy for observations that are a `Dict`"""
    off_policy: bool = False

    @property
    def label(self) -> str:
        """The algorithm's name in tables."""
        return self.algorithm_class.__name__

    @property
    def flat_policy(self) -> str:
        """SB3's name of its policy for observations that are one vector."""
        return self.policy.replace("MultiInput", "Mlp")


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
    """DRLT's observation layer as a features extractor of SB3: one fully connected layer on features and location.

    It holds the normaliser of the features, so every saved policy does. SB3's `VecNormalize` would be in another file,
    and its statistics would change while the policy learns.

    Args:
        observation_space: `Dict` of ``features (D,)`` and ``location (4,)``.
        hidden: number of neurons.
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
    """Keyword arguments of an algorithm's policy, for DRLT's layer sizes and noise.

    ``recurrent_ppo`` is DRLT with a linear layer where the paper reads four units of the LSTM. The others have a layer
    in place of the LSTM, so no memory. They observe the true box only in the first frame, and must recognise the target
    by its appearance in the training clips.

    Args:
        algorithm: a name of `ALGORITHMS`.
        hidden: neurons of the observation layer, and of the LSTM or the layer in its place.
        sigma: first standard deviation of the policy, in relative box units; it is twice that in SB3's [-1, 1].
    """
    options: dict[str, Any] = {
        "features_extractor_class": FrameFeatures,
        "features_extractor_kwargs": {"hidden": hidden},
        "net_arch": [hidden],
    }
    if ALGORITHMS[algorithm].off_policy:
        # The value of a box is a less linear function than the box itself, so the critic gets one more layer.
        options["net_arch"] = {"pi": [hidden], "qf": [hidden, hidden]}
    else:
        # SB3 acts in [-1, 1], which is twice as wide as relative boxes.
        options["log_std_init"] = math.log(2 * sigma)
    if algorithm == "recurrent_ppo":
        # The value is read from the actor's LSTM, and its gradient does not reach the LSTM: it gets a layer of its own.
        options["net_arch"] = {"pi": [], "vf": [hidden]}
        options |= {"lstm_hidden_size": hidden, "shared_lstm": True, "enable_critic_lstm": False}
    return options


def flat_policy_options(algorithm: str, hidden: int, sigma: float) -> dict[str, Any]:
    """Keyword arguments of an algorithm's policy on flat observations, as the closed loops give them.

    Args:
        algorithm: a name of `ALGORITHMS`.
        hidden: neurons of each of two layers; of an LSTM and a layer in ``recurrent_ppo``.
        sigma: first standard deviation of the policy, in its actions' [-1, 1]; off-policy algorithms get theirs by
            `set_sigma`.
    """
    options: dict[str, Any] = {"net_arch": [hidden, hidden]}
    if not ALGORITHMS[algorithm].off_policy:
        options["log_std_init"] = math.log(sigma)
    if algorithm == "recurrent_ppo":
        # One LSTM, as in `policy_options`.
        options |= {
            **{"net_arch": [hidden], "lstm_hidden_size": hidden},
            **{"shared_lstm": True, "enable_critic_lstm": False},
        }
    return options


def set_sigma(model: BaseAlgorithm, sigma: float) -> None:
    """Set the standard deviation of exploration, which is then no longer learned.

    Args:
        model: an algorithm of `ALGORITHMS`. SAC's deviation depends on the frame; it is set on average.
        sigma: in SB3's [-1, 1], which is twice as wide as relative boxes.
    """
    actions: Any = model.action_space.shape
    if isinstance(model, SAC):
        model.target_entropy = gaussian_entropy(sigma, *actions)
    elif isinstance(model, TD3):
        if not isinstance(model.action_noise, VectorizedActionNoise):
            noise = NormalActionNoise(np.zeros(actions), np.zeros(actions))
            model.action_noise = VectorizedActionNoise(noise, model.n_envs)
        noises: Any = model.action_noise.noises
        for noise in noises:  # in place: SB3 has read the attribute before it calls callbacks
            noise._sigma = np.full(actions, sigma)
    else:
        log_std: Any = model.policy.log_std
        log_std.requires_grad_(False).fill_(math.log(sigma))


def gaussian_entropy(sigma: float, numbers: int = 4) -> float:
    """The entropy of a Gaussian policy over so many independent numbers, in nats."""
    return numbers * math.log(sigma * math.sqrt(2 * math.pi * math.e))


def new_policy(algorithm: str, features: int, hidden: int, sigma: float, actions: int | None = None) -> BasePolicy:
    """A policy without its algorithm, to load weights into.

    Args:
        algorithm: a name of `ALGORITHMS`.
        features: numbers of a frame's features, or of a flat observation.
        hidden: neurons of a layer.
        sigma: standard deviation.
        actions: numbers of an action on flat observations; None for a policy of ``OTBTrack-v0``.
    """
    spec = ALGORITHMS[algorithm]
    # The learning rate is a constant 0: this policy is loaded to predict, and never trained.
    if actions is None:
        policy_class = spec.algorithm_class.policy_aliases[spec.policy]
        options = policy_options(algorithm, hidden, sigma)
        action_space = spaces.Box(-1, 1, (4,), np.float32)
        return policy_class(observation_space(features), action_space, lambda _: 0.0, **options)
    policy_class = spec.algorithm_class.policy_aliases[spec.flat_policy]
    flat = spaces.Box(-np.inf, np.inf, (features,), np.float32)
    action_space = spaces.Box(-1, 1, (actions,), np.float32)
    return policy_class(flat, action_space, lambda _: 0.0, **flat_policy_options(algorithm, hidden, sigma))


def observation_space(features: int) -> spaces.Dict:
    """The observation space of ``OTBTrack-v0`` for features of size D."""
    return spaces.Dict(
        {
            "features": spaces.Box(-np.inf, np.inf, (features,), np.float32),
            "location": spaces.Box(0.0, 1.0, (4,), np.float32),
        }
    )


def fit_normaliser(policy: BasePolicy, features: Tensor) -> None:
    """Set the normaliser in every observation layer of a policy: the actor's, critics' and targets'.

    Args:
        policy: made with `policy_options`.
        features: features of the training frames, ``(frames, D)``.
    """
    mean, scale = mean_and_scale(features)
    for layer in policy.modules():
        if isinstance(layer, FrameFeatures):
            layer.feature_mean.copy_(mean)
            layer.feature_scale.copy_(scale)


class SB3Agent(SB3Policy):
    """A policy of Stable-Baselines3 that can also predict a whole video in one pass, for tests during training."""

    @torch.no_grad()
    def track(self, features: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Predict a whole video in one pass, with the boxes that `act` gives step by step.

        Args:
            features: ``(T, D)``.
            first: the true relative box in the first frame, ``(4,)``.

        Returns:
            Relative boxes ``(T, 4)`` float32 in [0, 1].
        """
        location = np.zeros((len(features), 4), np.float32)
        location[0] = np.clip(first, 0, 1)
        observations = self.batch(np.asarray(features, np.float32), location)
        if not isinstance(self.policy, RecurrentActorCriticPolicy):
            return self.relative(self.policy.predict(observations, deterministic=True)[0])
        self.policy.set_training_mode(False)
        tensors: Any = self.policy.obs_to_tensor(observations)[0]
        fresh = torch.zeros(self.policy.lstm_hidden_state_shape, device=self.policy.device)
        # No frame is marked as an episode's start: the state is fresh anyway, and SB3 would split the pass there.
        starts = torch.zeros(len(features), device=self.policy.device)
        distribution, _ = self.policy.get_distribution(tensors, (fresh, fresh), starts)
        action = distribution.get_actions(deterministic=True).cpu().numpy()
        return self.relative(np.clip(action, self.low, self.low + self.range))
