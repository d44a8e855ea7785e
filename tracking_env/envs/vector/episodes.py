"""Where N episodes are: each one's clip, the frame observed last, and its generator."""

from collections.abc import Sequence as Many
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from tracking_env.envs.clips import ChosenClips, Clips
from tracking_env.errors import InputError


class Episodes:
    """The episodes of N environments.

    Attributes:
        number: index of each one's sequence in `Clips.names`, ``(N,)`` intp.
        start: its clip's first frame, 0-based, ``(N,)``.
        stop: the frame after its clip's last one, ``(N,)``; 0 before the first episode.
        frame: the frame observed last, ``(N,)``; equal to ``stop`` where the episode is over.
        generators: each environment's; empty before the first `seed`.
        seeds: those of the generators.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.number, self.start, self.stop, self.frame = np.zeros((4, count), np.intp)
        self.generators: list[np.random.Generator] = []
        self.seeds: list[int | None] = []

    @property
    def over(self) -> np.ndarray:
        """Which episodes are over, ``(N,)`` bool."""
        return self.frame == self.stop

    def check_begun(self) -> None:
        """Refuse what needs episodes.

        Raises:
            gymnasium.error.ResetNeeded: an environment was never reset.
        """
        if not self.generators or not self.stop.all():
            raise gym.error.ResetNeeded("call reset() first: there are no episodes")

    def check_mask(self, mask: Any) -> np.ndarray:
        """The environments to reset, ``(N,)`` bool; all of them if ``mask`` is None.

        Raises:
            InputError: it is no such array, or all False.
            gymnasium.error.ResetNeeded: it leaves out an environment that was never reset.
        """
        if mask is None:
            return np.ones(self.count, bool)
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.count,):
            raise InputError(f"reset_mask is {mask!r}; give a NumPy array of {self.count} bool")
        if not mask.any():
            raise InputError("reset_mask names no environment; give at least one True")
        if not mask.all():
            self.check_begun()
        return mask

    def seed(self, seed: int | Many[int | None] | None, environments: np.ndarray) -> None:
        """Give the environments new generators; without a seed only those that have none.

        Raises:
            InputError: there are more or fewer seeds than environments.
        """
        if seed is None:
            seeds: list[int | None] = [None] * self.count
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + index for index in range(self.count)]
        elif len(seed) == self.count:
            seeds = list(seed)
        else:
            raise InputError(f"got {len(seed)} seeds for {self.count} environments; give one each, or one number")
        # The first reset makes all generators; those without a seed from the system's randomness.
        if not self.generators:
            pairs = [seeding.np_random(number) for number in seeds]
            self.generators = [generator for generator, _ in pairs]
            self.seeds = [number for _, number in pairs]
            return
        for index in environments.tolist():
            if seeds[index] is not None:
                self.generators[index], self.seeds[index] = seeding.np_random(seeds[index])

    def choose(self, clips: Clips, environments: np.ndarray, options: dict[str, Any]) -> ChosenClips:
        """Draw a clip for each of the environments, see `Clips.choose`; nothing else changes."""
        return clips.choose([self.generators[index] for index in environments.tolist()], options)

    def begin(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Put the environments at the first frames of their clips."""
        self.number[environments] = clips.number
        self.start[environments] = clips.start
        self.stop[environments] = clips.stop
        self.frame[environments] = clips.start
