"""What is proposed, and nothing learned: the control of the closed loop's agent, without weights of its own."""

from collections.abc import Sequence

import numpy as np

from tracking_env.errors import InputError
from tracking_env.features.maps import MapExtractor, make_maps
from tracking_env.search import proposals
from tracking_env.search.window import GazeTracker, Observation

PACE = 0.3
"""How much of a change of size is done in one frame, as the trained agent begins with."""


class BestProposal:
    """A policy of ``OTBTrackSearch-v0`` with ``proposals``: the best one, its size damped."""

    def act(self, observation: Observation, state: None = None) -> tuple[np.ndarray, None]:
        """One observation -> the action ``(4,)`` and no state."""
        said, before = proposals.best(observation["proposals"]), observation["location"][2:]
        sides = before * (np.maximum(said[2:], 1e-4) / before) ** PACE
        return np.concatenate([said[:2], sides]).astype(np.float32), None


class ProposalTracker(GazeTracker):
    """`BestProposal` as a tracker on raw frames; ``id`` names the network."""

    def __init__(self, maps: MapExtractor) -> None:
        super().__init__(BestProposal(), maps)
        self.id = maps.id


def tracker(weights: Sequence[str] = ()) -> ProposalTracker:
    """NanoTrack's proposals, corrected by the first frame, as a tracker.

    Args:
        weights: its backbone's file, beside which its head's lies.

    Raises:
        InputError: there are none, or they are another network's.
    """
    if not weights:
        raise InputError("proposals needs NanoTrack's two files; give their folder with --weights")
    return ProposalTracker(make_maps("nanotrack-head", weights[0]))
