"""A replay buffer for an environment whose action never changes what comes next."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, DictReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from tracking_env.envs.rewards import REWARDS


class FrameReplayBuffer(DictReplayBuffer):
    """Steps of ``OTBTrack-v0``: what was seen, what was said, and both rewards of it.

    With ``gamma = 0`` no next observation is ever used, and features come from float16 files: so a step takes a quarter
    of the memory that `DictReplayBuffer` needs. Both rewards are kept, so that a switch of reward makes no step stale.

    Args:
        buffer_size: steps that are kept, the newest.
        observation_space: of features and location.
        action_space: the box's.
        device: of the samples.
        n_envs: environments that fill it.
        optimize_memory_usage: SB3 gives it; nothing else is done here.

    Attributes:
        reward: which of the rewards samples have; ``l1`` or ``iou``.
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
        BaseBuffer.__init__(self, max(1, buffer_size // n_envs), observation_space, action_space, device, n_envs)
        shape = (self.buffer_size, n_envs)
        self.observations = {
            key: np.zeros((*shape, *one), np.float16 if key == "features" else np.float32)
            for key, one in self.obs_shape.items()
        }
        self.actions = np.zeros((*shape, self.action_dim), np.float32)
        self.terms = {name: np.zeros(shape, np.float32) for name in REWARDS}
        self.reward = "l1"

    def add(  # type: ignore[override]  # as SB3's own
        self,
        obs: dict[str, np.ndarray],
        next_obs: dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Keep a step of every environment; the rewards are those of ``infos``."""
        for key, kept in self.observations.items():
            kept[self.pos] = obs[key]
        self.actions[self.pos] = action.reshape(self.n_envs, self.action_dim)
        for name, term in self.terms.items():
            term[self.pos] = [info[f"reward_{name}"] for info in infos]
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full, self.pos = True, 0

    def _get_samples(  # type: ignore[override]  # as SB3's own
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        rows = batch_inds, np.random.randint(0, high=self.n_envs, size=len(batch_inds))
        seen = {key: self.to_torch(one[rows].astype(np.float32)) for key, one in self.observations.items()}
        reward = self.to_torch(self.terms[self.reward][rows])[:, None]
        # The episode is over for whoever discounts what follows by 0: any next observation will do.
        return DictReplayBufferSamples(seen, self.to_torch(self.actions[rows]), seen, torch.ones_like(reward), reward)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that it holds, by name; the arrays themselves, so that writing to them fills the buffer."""
        arrays = self.observations | self.terms | {"actions": self.actions}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
