"""A policy of ``OTBTrackExperts-v0`` as a tracker."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tracking_env.search.ensemble.action import split_action
from tracking_env.search.ensemble.observation import Means, observe
from tracking_env.search.ensemble.team import Team
from tracking_env.search.experts import Expert


class VectorPolicy(Protocol):
    """An agent whose observation is one vector. It keeps no state: its recurrent state goes in and comes out."""

    def act(self, observation: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """The action for one observation ``(D,)``, and the next state; the state is None in the first frame."""


class HandMadeRule:
    """The action 0: equal trust, no residual, no reset, all experts run.

    Args:
        size: numbers of an action.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def act(self, observation: np.ndarray, state: None) -> tuple[np.ndarray, None]:
        """Always 0."""
        return np.zeros(self.size, np.float32), None


class EnsembleTracker:
    """Several experts under a policy.

    Args:
        policy: decides; see `OTBTrackExpertsEnv` for observations and actions.
        experts: the experts, in the order of the policy's training.
        id: tells the policy and the experts from others.
        pausing: whether the policy's actions also say which experts run.
        likeness: whether the policy observes likeness, see `Team`.

    Attributes:
        looks: how often each expert has looked at a frame since the start, ``(K,)``; more than once where it scanned.
    """

    def __init__(
        self, policy: VectorPolicy, experts: Sequence[Expert], id: str, pausing: bool = False, likeness: bool = True
    ) -> None:
        self.policy, self.team, self.id, self.pausing = policy, Team(experts, 1, likeness), id, pausing

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame; the policy observes it too, though the box is known there."""
        self.team.start([0], [frame], [box])
        self._means = Means.new(1, len(self.team.experts))
        self._state: Any = None
        self.looks = np.zeros(len(self.team.experts), np.intp)
        self.update(frame)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The reported pixel box ``(4,)`` in the next frame."""
        report = self.team.look([frame], [0])
        candidates = self.team.scan([frame], [0])
        self.looks += report.running[0] + candidates.looks[0]
        observation, self._means = observe(report, candidates, self._means)
        decision = split_action(self.decide(observation[0])[None], len(self.team.experts), self.pausing)
        return self.team.act([0], report, candidates, decision)[0]

    def decide(self, observation: np.ndarray) -> np.ndarray:
        """The policy's action for an observation ``(D,)``."""
        action, self._state = self.policy.act(observation, self._state)
        return action
