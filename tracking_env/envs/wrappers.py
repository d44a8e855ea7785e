"""Wrappers: actions in [-1, 1], flat observations, and the paper's two training phases."""

from typing import Any

import gymnasium as gym
import numpy as np

from tracking_env.envs import rewards
from tracking_env.envs.base import Observation, as_boxes
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.errors import InputError
from tracking_env.features.store import FEATURE_LIMIT
from tracking_env.search.ready import SIZE, flatten_window, move_box
from tracking_env.trackers.ready import ReadyBox, flatten_frame, spread_box


class SymmetricAction(gym.Wrapper[Any, np.ndarray, Any, np.ndarray], gym.utils.RecordConstructorArgs):
    """Actions in [-1, 1], where 0 is a sensible box. Networks and noise of most libraries begin around 0.

    ======================  ==========================================================================================
    ``OTBTrackSearch-v0``   0: the last box. 1: its centre moves by a quarter of its side, or a side grows by the
                            factor exp(0.05); -1 is the opposite
    ``OTBTrackExperts-v0``  no change: its actions are of this kind
    the others              0: a box of half the image's sides in its middle; the action is the relative box, rescaled
    ======================  ==========================================================================================

    Args:
        env: an environment of this package.

    Example:
        >>> env = SymmetricAction(gym.make("OTBTrackSearch-v0", sequences="synthetic:0-31"))
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        base = env.unwrapped
        self._is_window, self._is_decision = isinstance(base, OTBTrackSearchEnv), isinstance(base, OTBTrackExpertsEnv)
        if not self._is_decision:
            self.action_space = ReadyBox("window" if self._is_window else "frame", 1.0, 4)
        self._observation: Any = None  # the last one, which the next action is for

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode; arguments and results are the environment's."""
        self._observation, info = self.env.reset(**arguments)
        return self._observation, info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment with the box of an action in [-1, 1]; results are the environment's."""
        result = self.env.step(action if self._observation is None else self.decide(action, self._observation))
        self._observation = result[0]
        return result

    def decide(self, action: np.ndarray, observation: Any) -> np.ndarray:
        """The environment's action for one in [-1, 1] and the observation that it answers."""
        if self._is_decision:
            return action
        # Checked here, since clipping would pass a NaN on as one, and turn an infinity into a box.
        numbers = as_boxes(action, (4,))
        if not np.isfinite(numbers).all():
            raise InputError(f"the action must be four finite numbers, got {action!r}")
        return move_box(numbers, observation["location"]) if self._is_window else spread_box(numbers)


class FlatObservation(gym.ObservationWrapper[np.ndarray, np.ndarray, Any], gym.utils.RecordConstructorArgs):
    """A flat, normalised observation, for networks of fully connected layers.

    The numbers are of the size 1, without statistics that would have to be kept with a policy.

    ======================  ==========================================================================================
    ``OTBTrackSearch-v0``   how much each cell looks like the target, and the last box's size: `search.ready`
    ``OTBTrackExperts-v0``  no change
    the others              the standardised features, the location, and whether it is the first frame:
                            `trackers.ready`
    ======================  ==========================================================================================

    Args:
        env: an environment of this package. Pictures are refused: they need a convolutional network.

    Raises:
        InputError: the observations are pictures.

    Example:
        >>> env = FlatObservation(SymmetricAction(gym.make("OTBTrackSearch-v0", sequences="synthetic:0-31")))
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        base = env.unwrapped
        self._is_window, self._is_flat = isinstance(base, OTBTrackSearchEnv), isinstance(base, OTBTrackExpertsEnv)
        if self._is_flat:
            return
        size = SIZE
        if not self._is_window:
            shape = env.observation_space["features"].shape  # type: ignore[index]  # a Dict
            if len(shape) != 1:
                raise InputError("pictures are not flattened; give them to a convolutional network")
            size = shape[0] + 5
        self.observation_space = ReadyBox("window" if self._is_window else "frame", FEATURE_LIMIT, size)

    def observation(self, observation: Any) -> np.ndarray:
        """The flat observation of an environment's."""
        if self._is_flat:
            return observation
        return flatten_window(observation) if self._is_window else flatten_frame(observation)


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
