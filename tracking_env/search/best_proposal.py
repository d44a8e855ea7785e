"""The baseline of the closed loop: follow the proposals of a pretrained network, with nothing learned on top."""

from collections.abc import Sequence

import numpy as np

from tracking_env.errors import InputError, option
from tracking_env.features.maps import MapExtractor, make_maps
from tracking_env.search import proposals
from tracking_env.search.window import Observation, WindowTracker

PACE = 0.3
"""Share of a change of size (as a logarithm) that one frame takes over; the trained agent starts from it too."""


class BestProposal:
    """A policy of ``OTBTrackSearch-v0`` on observations with ``proposals``: the best one, its size damped."""

    def act(self, observation: Observation, state: None = None) -> tuple[np.ndarray, None]:
        """The action ``(4,)`` float32 for one observation, and no state."""
        proposal = proposals.best(observation["proposals"])
        # Proposed sizes are noisy, and a wrong size changes the next region: take over only a share of the change.
        last_sides = observation["location"][2:]
        # A side below 0, which a network can propose, has no such power.
        sides = last_sides * (np.maximum(proposal[2:], 1e-4) / last_sides) ** PACE
        return np.concatenate([proposal[:2], sides]).astype(np.float32), None


class ProposalTracker(WindowTracker):
    """`BestProposal` as a tracker on raw frames; its ``id`` is the extractor's."""

    def __init__(self, maps: MapExtractor) -> None:
        super().__init__(BestProposal(), maps)
        self.id = maps.id


def tracker(weights: Sequence[str] = ()) -> ProposalTracker:
    """NanoTrack's proposals, corrected by the first frame, as a tracker.

    Args:
        weights: NanoTrack's backbone file, with its head's file in the same folder; or that folder.

    Raises:
        InputError: no weights are given, or they belong to another network.
    """
    if not weights:
        raise InputError(f"proposals needs NanoTrack's two files; give their folder with {option('weights')}")
    return ProposalTracker(make_maps("nanotrack-head", weights[0]))
