"""Looking where one last pointed: from frames and boxes to what a closed-loop agent sees, and back.

`OTBTrackSearch-v0` and the tracker made of its agent share this, so that evaluation shows what training did.
"""

import numpy as np

from tracking_env import boxes as bx
from tracking_env.features.maps import SEARCH, TEMPLATE, MapExtractor, Proposer
from tracking_env.search import proposals, regions
from tracking_env.trackers.base import Policy

CONTEXT = SEARCH / TEMPLATE
"""The search region's context over the template's: equal pixels per cell in both."""
CELLS, TEMPLATE_CELLS = (SEARCH + 1) // 16, (TEMPLATE + 1) // 16
Observation = dict[str, np.ndarray]


class Gaze:
    """One target being followed: its template, and the region that is looked at.

    Args:
        maps: the extractor.

    Attributes:
        box: what is looked around, a pixel box ``(4,)`` float64 with its centre in the image: where the target was last
            said to be.
        region: the square around it that was last looked at, a pixel box ``(4,)``.
        offset: how far the extractor's proposals are off on this target, ``(4,)``; None where it makes none.
    """

    def __init__(self, maps: MapExtractor) -> None:
        self.maps = maps
        self._proposer = maps if isinstance(maps, Proposer) else None

    def start(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Take the template: the target as it is in a frame, inside its true pixel box ``(4,)``."""
        self.fill = regions.mean_colour(frame)
        box = np.asarray(box, dtype=np.float64)
        region = regions.around(box, 1.0)
        self.template = self.maps(regions.crop(frame, region, TEMPLATE, self.fill))
        self.target = np.clip(regions.to_region(box, region), 0, 1).astype(np.float32)
        around = regions.around(box, CONTEXT)
        self._first = around[2]
        self.offset = None
        if self._proposer:
            seen = self.maps(regions.crop(frame, around, SEARCH, self.fill))
            self.offset = proposals.offset(self._proposer.propose(self.template, seen), regions.to_region(box, around))
        self.move(box, (frame.shape[1], frame.shape[0]))

    def move(self, box: np.ndarray, size: bx.Size) -> None:
        """Look around another pixel box from now on, brought back to the image where it leaves it."""
        self.box = regions.within(np.asarray(box, dtype=np.float64), size)
        self.region = regions.around(self.box, CONTEXT)

    def look(self, frame: np.ndarray) -> Observation:
        """The observation of ``OTBTrackSearch-v0`` in a frame."""
        search = self.maps(regions.crop(frame, self.region, SEARCH, self.fill))
        observation = {
            "search": search,
            "template": self.template.copy(),
            "target": self.target.copy(),
            "location": np.clip(regions.to_region(self.box, self.region), 0, 1).astype(np.float32),
            "zoom": np.array([self.region[2] / self._first], dtype=np.float32),
        }
        if self._proposer:
            assert self.offset is not None
            proposed = self._proposer.propose(self.template, search)
            observation["proposals"] = proposals.corrected(proposed, self.offset)
        return observation

    def point(self, action: np.ndarray, size: bx.Size) -> np.ndarray:
        """Say where the target is, relative to the region just seen; the next look is around it.

        Returns:
            The pixel box ``(4,)`` float64 that was pointed at.
        """
        self.move(regions.from_region(np.asarray(action, dtype=np.float64).clip(0, 1), self.region), size)
        return self.box.copy()


class GazeTracker:
    """A policy of ``OTBTrackSearch-v0`` as a tracker on raw frames."""

    def __init__(self, policy: Policy, maps: MapExtractor) -> None:
        self.policy, self.gaze = policy, Gaze(maps)

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame. The policy sees it too; what it says there is not needed, for the box is known."""
        self.gaze.start(frame, box)
        _, self.state = self.policy.act(self.gaze.look(frame), None)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The policy's box, with its centre in the image."""
        action, self.state = self.policy.act(self.gaze.look(frame), self.state)
        return self.gaze.point(action, (frame.shape[1], frame.shape[0]))
