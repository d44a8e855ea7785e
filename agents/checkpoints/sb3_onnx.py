"""Export of Stable-Baselines3's policies as ONNX graphs of one frame, see `agents.checkpoints.onnx_export`."""

from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from agents.checkpoints.onnx_export import graph


def export_sb3(policy: BasePolicy) -> bytes:
    """The content of ``policy.onnx`` for a policy made by `agents.sb3.new_policy`.

    Inputs are ``features (1, D)`` and ``location (1, 4)``, the output is ``box`` in [0, 1]. On flat observations the
    input is ``observation``, and the output ``action`` in [-1, 1]. A recurrent policy also has the state ``h`` and
    ``c`` of the actor's LSTM.
    """
    observation: Any = policy.observation_space
    is_flat = not isinstance(observation, spaces.Dict)
    entries = {"observation": observation} if is_flat else dict(observation.items())
    inputs = {name: torch.zeros(1, *space.shape) for name, space in entries.items()}
    outputs = ["action" if is_flat else "box"]
    if isinstance(policy, RecurrentActorCriticPolicy):
        inputs |= dict.fromkeys(("h", "c"), torch.zeros(policy.lstm_hidden_state_shape))
        outputs += ["h_next", "c_next"]
    return graph(_SB3Frame(policy), inputs, outputs)


class _SB3Frame(nn.Module):
    """``BasePolicy.predict`` with ``deterministic=True`` on one frame, in torch alone.

    Actions of on-policy algorithms are clipped to their bounds; those of the others are within them, by a tanh.
    """

    def __init__(self, policy: BasePolicy) -> None:
        super().__init__()
        self.policy = policy
        space = policy.action_space
        self.low = torch.tensor(space.low)  # type: ignore[attr-defined]  # a Box, see `SB3Policy`
        self.range = torch.tensor(space.high - space.low)  # type: ignore[attr-defined]
        self.is_flat = not isinstance(policy.observation_space, spaces.Dict)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        # `predict` converts to NumPy, which an export cannot follow, so its steps are repeated here.
        policy, after = self.policy, ()
        observation: Any
        if self.is_flat:
            observation, *state = inputs
        else:
            features, location, *state = inputs
            observation = {"features": features, "location": location}
        if isinstance(policy, ActorCriticPolicy):
            latent: Tensor = policy.pi_features_extractor(observation)
            if isinstance(policy, RecurrentActorCriticPolicy):
                hidden, after = policy.lstm_actor(latent[None], tuple(state))
                latent = hidden[0]
            action = policy.action_net(policy.mlp_extractor.forward_actor(latent))
            action = torch.minimum(torch.maximum(action, self.low), self.low + self.range)
            return (action if self.is_flat else (action - self.low) / self.range), *after
        assert isinstance(policy, SACPolicy | TD3Policy)
        latent = policy.actor.features_extractor(observation)
        if isinstance(policy, SACPolicy):
            action = torch.tanh(policy.actor.mu(policy.actor.latent_pi(latent)))
        else:
            action = policy.actor.mu(latent)  # ends in a tanh
        return (action if self.is_flat else (action + 1) / 2,)
