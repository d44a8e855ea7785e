"""Replay buffers that checkpoints can hold: of ``OTBTrack-v0``, and of flat observations in the closed loops."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from tracking_env.envs.rewards import REWARDS


class FrameReplayBuffer(DictReplayBuffer):
    """Observations, actions and both rewards of steps in ``OTBTrack-v0``.

    With ``gamma=0`` next observations are not used, and features come from float16 files, so a step takes a quarter of
    the memory of `DictReplayBuffer`. Both rewards are stored, so old steps stay valid when the reward switches.

    Args:
        buffer_size: number of steps; the newest stay.
        observation_space: `Dict` of features and location.
        action_space: of boxes.
        device: device of the samples.
        n_envs: number of environments that fill it.
        optimize_memory_usage: an argument of SB3's buffers; it has no effect here.

    Attributes:
        reward: the reward of samples, ``l1`` or ``iou``.
        reward_scale: factor on the rewards of samples.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
    ) -> None:
        # The constructor of `DictReplayBuffer` would also allocate the next observations.
        BaseBuffer.__init__(self, max(1, buffer_size // n_envs), observation_space, action_space, device, n_envs)
        shape = (self.buffer_size, n_envs)
        self.observations = {
            key: np.zeros((*shape, *entry_shape), np.float16 if key == "features" else np.float32)
            for key, entry_shape in self.obs_shape.items()
        }
        self.actions = np.zeros((*shape, self.action_dim), np.float32)
        self.terms = {name: np.zeros(shape, np.float32) for name in REWARDS}
        self.reward = "l1"
        self.reward_scale = 1.0

    def add(  # type: ignore[override]  # as SB3's own
        self,
        obs: dict[str, np.ndarray],
        next_obs: dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a step of every environment; the rewards are those in ``infos``."""
        for key, array in self.observations.items():
            array[self.pos] = obs[key]
        self.actions[self.pos] = action.reshape(self.n_envs, self.action_dim)
        for name, term in self.terms.items():
            term[self.pos] = [info[f"reward_{name}"] for info in infos]
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full, self.pos = True, 0

    def _get_samples(  # type: ignore[override]  # as SB3's own
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        # The global generator, as in SB3's own buffers: the algorithm's seed sets it.
        rows = batch_inds, np.random.randint(0, high=self.n_envs, size=len(batch_inds))
        observations = {key: self.to_torch(array[rows].astype(np.float32)) for key, array in self.observations.items()}
        reward = self.reward_scale * self.to_torch(self.terms[self.reward][rows])[:, None]
        # Every step is marked as an episode's last, so the next observation, here the same, has no effect.
        actions, dones = self.to_torch(self.actions[rows]), torch.ones_like(reward)
        return DictReplayBufferSamples(observations, actions, observations, dones, reward)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The buffer's arrays by name, as tensors that share their memory: writing to them fills the buffer."""
        arrays = self.observations | self.terms | {"actions": self.actions}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


class FlatReplayBuffer(ReplayBuffer):
    """SB3's own buffer, with next observations: in a closed loop actions affect them."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """As `FrameReplayBuffer.tensors`."""
        names = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
        return {name: torch.from_numpy(getattr(self, name)) for name in names}
