"""The paper's two phases as a wrapper: one reward first, another after."""

from typing import Any

import gymnasium as gym
import numpy as np

from tracking_env.envs import rewards
from tracking_env.envs.base import Observation
from tracking_env.errors import InputError


class RewardSchedule(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray], gym.utils.RecordConstructorArgs):
    """Switch the reward of an environment after a number of its steps (section 4.2: L1, then IoU).

    Args:
        env: one that has `TrackEnv.reward`, wrapped or not.
        switch_after: steps that the first reward is given for, over all episodes. Each of N environments side by side
            counts its own: give an N-th of the total.
        first, then: names of the rewards.

    Raises:
        InputError: there is no such reward, or the number is negative.
    """

    def __init__(self, env: gym.Env, switch_after: int, first: str = "l1", then: str = "iou") -> None:
        gym.utils.RecordConstructorArgs.__init__(self, switch_after=switch_after, first=first, then=then)
        super().__init__(env)
        if switch_after < 0:
            raise InputError(f"switch_after is {switch_after}; give a number of steps >= 0")
        for name in (first, then):
            if name not in rewards.REWARDS:
                raise InputError(f"unknown reward {name!r}; choose one of {', '.join(rewards.REWARDS)}")
        self.switch_after, self.first, self.then = switch_after, first, then
        self.steps = 0

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """As the environment's, with the reward that it is time for."""
        self.env.set_wrapper_attr("reward", self.first if self.steps < self.switch_after else self.then)
        result = self.env.step(action)
        self.steps += 1  # an action that was refused is no step
        return result
