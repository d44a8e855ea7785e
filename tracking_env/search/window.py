"""The search window: the square region around the last predicted box, and what a closed-loop agent observes of it.

`OTBTrackSearch-v0` and `WindowTracker` share it, so an agent is evaluated on the same observations that it was trained
on.
"""

import numpy as np

from tracking_env import boxes as bx
from tracking_env.features.maps import SEARCH, TEMPLATE, MapExtractor, Proposer
from tracking_env.search import proposals, regions
from tracking_env.trackers.base import Policy

CONTEXT = SEARCH / TEMPLATE
"""Context of the search region, where the template's is 1: a cell covers equally many pixels in both."""
# The networks' stride is 16 pixels. Inputs have one pixel less than a multiple of it, so that they have a middle pixel.
CELLS, TEMPLATE_CELLS = (SEARCH + 1) // 16, (TEMPLATE + 1) // 16
"""Cells per side of the feature map of the search region, and of the template."""
Observation = dict[str, np.ndarray]


class SearchWindow:
    """A square region that follows one target through a video: each frame is observed around the last predicted box.

    Call `start` with the first frame; then, for each frame, `observe` and `move_to`.

    Args:
        maps: the extractor of feature maps. If it is a `Proposer`, observations hold its proposals too.

    Attributes:
        box: the pixel box ``(4,)`` float64 in the middle of the window; its centre lies in the image.
        region: the square pixel box ``(4,)`` float64 that is observed; it may reach beyond the image.
        template: feature map of the target in the first frame, ``(C, TEMPLATE_CELLS, TEMPLATE_CELLS)`` float32.
        target: the true box inside the template's region, relative to it, ``(4,)`` float32.
        offset: how far the extractor's proposals are off on this target, ``(4,)``; None if it makes none.
    """

    def __init__(self, maps: MapExtractor) -> None:
        self.maps = maps
        self._proposer = maps if isinstance(maps, Proposer) else None

    def start(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Take the template, and centre the window on the target.

        Args:
            frame: ``(height, width, 3)`` uint8 RGB.
            box: the true pixel box ``(4,)`` in this frame.
        """
        # One colour for all frames, so that pixels beyond the image look alike in template and search region.
        self.fill = regions.mean_colour(frame)
        box = np.asarray(box, dtype=np.float64)
        template_region = regions.around(box, 1.0)
        self.template = self.maps(regions.crop(frame, template_region, TEMPLATE, self.fill))
        self.target = np.clip(regions.to_region(box, template_region), 0, 1).astype(np.float32)
        search_region = regions.around(box, CONTEXT)
        self._first_side = search_region[2]
        self.offset = None
        if self._proposer:
            # The true box is known here: what the proposals miss it by corrects all later ones.
            search = self.maps(regions.crop(frame, search_region, SEARCH, self.fill))
            proposed = self._proposer.propose(self.template, search)
            self.offset = proposals.offset(proposed, regions.to_region(box, search_region))
        self.centre_on(box, (frame.shape[1], frame.shape[0]))

    def centre_on(self, box: np.ndarray, size: bx.Size) -> None:
        """Centre the window on a pixel box ``(4,)``, brought back to the image of ``size = (width, height)``."""
        self.box = regions.within(np.asarray(box, dtype=np.float64), size)
        self.region = regions.around(self.box, CONTEXT)

    def move_to(self, action: np.ndarray, size: bx.Size) -> np.ndarray:
        """Centre the window on a predicted box.

        Args:
            action: the box ``cx, cy, w, h`` relative to the region observed last, ``(4,)``; clipped to [0, 1].
            size: width and height of the frame, in pixels.

        Returns:
            The predicted pixel box ``(4,)`` float64, brought back to the image (`regions.within`).
        """
        self.centre_on(regions.from_region(np.asarray(action, dtype=np.float64).clip(0, 1), self.region), size)
        return self.box.copy()

    def observe(self, frame: np.ndarray) -> Observation:
        """The observation of ``OTBTrackSearch-v0`` in a frame ``(height, width, 3)`` uint8 RGB."""
        search = self.maps(regions.crop(frame, self.region, SEARCH, self.fill))
        observation = {
            "search": search,
            # Copies, because callers may keep or change what they observed.
            "template": self.template.copy(),
            "target": self.target.copy(),
            "location": np.clip(regions.to_region(self.box, self.region), 0, 1).astype(np.float32),
            # The region's scale is lost in the resized crop; policies that track sizes need it.
            "zoom": np.array([self.region[2] / self._first_side], dtype=np.float32),
        }
        if self._proposer:
            assert self.offset is not None
            proposed = self._proposer.propose(self.template, search)
            observation["proposals"] = proposals.corrected(proposed, self.offset)
        return observation


class WindowTracker:
    """A policy of ``OTBTrackSearch-v0`` as a tracker on raw frames.

    Args:
        policy: chooses an action for each observation.
        maps: the extractor that the policy was trained with.
    """

    def __init__(self, policy: Policy, maps: MapExtractor) -> None:
        self.policy, self.window = policy, SearchWindow(maps)

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the target's pixel box ``(4,)``."""
        self.window.start(frame, box)
        # The policy's memory begins with this frame; its action is not needed, because the box is known.
        _, self.state = self.policy.act(self.window.observe(frame), None)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The predicted pixel box ``(4,)`` in the next frame; its centre lies in the image."""
        action, self.state = self.policy.act(self.window.observe(frame), self.state)
        return self.window.move_to(action, (frame.shape[1], frame.shape[0]))
