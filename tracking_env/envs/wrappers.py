"""The paper's two training phases as a wrapper: first one reward, then the other."""

from typing import Any

import gymnasium as gym
import numpy as np

from tracking_env.envs import rewards
from tracking_env.envs.base import Observation
from tracking_env.errors import InputError


class RewardSchedule(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray], gym.utils.RecordConstructorArgs):
    """Switch the reward of an environment after a number of steps (section 4.2 of the paper: L1, then IoU).

    Args:
        env: an environment of this package, wrapped or not.
        switch_after: steps with the first reward, counted over all episodes. Of N environments side by side each counts
            its own steps: give each an N-th of the total.
        first, then: names of the rewards.

    Raises:
        InputError: a reward is unknown, or the number is negative.

    Example:
        >>> env = RewardSchedule(gym.make("OTBTrack-v0"), switch_after=10_000)
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
        """Step the environment with the reward of the current phase; arguments and results are the environment's."""
        # Set in every step, since the environment may have been given another reward in between.
        self.env.set_wrapper_attr("reward", self.first if self.steps < self.switch_after else self.then)
        result = self.env.step(action)
        self.steps += 1  # after the step: an action that was refused does not count
        return result
