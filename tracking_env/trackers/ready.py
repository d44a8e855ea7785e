"""What networks of any library start with: flat, normalised observations, and actions in [-1, 1].

The functions keep no state or statistics, so a policy that was trained on their results runs on any video.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

Kind = Literal["frame", "window"]
"""Of whole frames, as in ``OTBTrack-v0``, or of the search window of ``OTBTrackSearch-v0``."""
SMALLEST_DEVIATION = 1e-3
"""Numbers that hardly differ are not blown up."""


class ReadyBox(spaces.Box):
    """A space of ready observations or actions. Saved with a model, it tells how the model was trained.

    Args:
        kind: of what.
        limit: largest absolute value.
        size: of the vectors.
    """

    def __init__(self, kind: Kind, limit: float, size: int) -> None:
        super().__init__(-limit, limit, (size,), np.float32)
        self.kind: Kind = kind


class ReadyPolicy:
    """A policy on ready observations, ready actions, or both, as one on the environment's own.

    Args:
        policy: gets what ``observe`` returns.
        observe: turns the environment's observation into the policy's.
        decide: turns the policy's action and the environment's observation into the environment's action.
    """

    def __init__(
        self, policy: Any, observe: Callable[[Any], Any], decide: Callable[[np.ndarray, Any], np.ndarray]
    ) -> None:
        self.policy, self.observe, self.decide = policy, observe, decide

    def act(self, observation: Any, state: Any) -> tuple[np.ndarray, Any]:
        """The environment's action for its observation, and the next state."""
        action, state = self.policy.act(self.observe(observation), state)
        return np.asarray(self.decide(action, observation), np.float32), state


def flatten_frame(observation: dict[str, np.ndarray]) -> np.ndarray:
    """The ready observation of a frame.

    Args:
        observation: ``features (D,)`` and ``location (4,)``.

    Returns:
        ``(D + 5,)`` float32: the features, less their mean and over their deviation in this frame; the location; and 1
        in the first frame, in which the location is the true box, else 0.
    """
    location = observation["location"]
    return np.concatenate([standardise(observation["features"]), location, [location.any()]], dtype=np.float32)


def standardise(values: np.ndarray) -> np.ndarray:
    """Numbers of any shape less their mean, over their standard deviation."""
    return (values - values.mean()) / max(float(values.std()), SMALLEST_DEVIATION)


def spread_box(action: np.ndarray) -> np.ndarray:
    """The relative box of an action in [-1, 1]: 0 is a box of half the image's sides in its middle, ``(4,)``."""
    return (np.clip(action, -1, 1) + 1) / 2
