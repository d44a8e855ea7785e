"""Search windows: the square region around the last predicted box, and what a closed-loop agent observes of it.

`OTBTrackSearch-v0`, its vector environment and `WindowTracker` share them, so an agent is evaluated on the same
observations that it was trained on.
"""

from collections.abc import Sequence as Many
from typing import NamedTuple

import numpy as np

from tracking_env.features.maps import SEARCH, TEMPLATE, MapExtractor, Proposer
from tracking_env.search import proposals, regions
from tracking_env.search.parallel import run_parallel
from tracking_env.trackers.base import Policy

CONTEXT = SEARCH / TEMPLATE
"""Context of the search region, where the template's is 1: a cell covers equally many pixels in both."""
# The networks' stride is 16 pixels. Inputs have one pixel less than a multiple of it, so that they have a middle pixel.
CELLS, TEMPLATE_CELLS = (SEARCH + 1) // 16, (TEMPLATE + 1) // 16
"""Cells per side of the feature map of the search region, and of the template."""
Observation = dict[str, np.ndarray]
Targets = Many[int] | np.ndarray
"""Indices of some of N targets."""


class Target(NamedTuple):
    """What is known of a target from the first frame."""

    fill: tuple[float, float, float]
    """the colour of pixels beyond the image: one for all frames, so that template and search region look alike there"""
    template: np.ndarray
    """feature map of the target and its surroundings, ``(C, TEMPLATE_CELLS, TEMPLATE_CELLS)`` float32"""
    box: np.ndarray
    """the true box relative to the template's region, ``(4,)`` float32"""
    side: float
    """side of the search region around the true box, in pixels"""
    offset: np.ndarray
    """how far the extractor's proposals are off, ``(4,)``; zeros if it makes none"""


class SearchWindows:
    """Square regions that follow N targets: each frame is observed around the last predicted boxes.

    Call `start` with the first frames; then, for each frame, `observe` and `move_to`.

    Args:
        maps: the extractor of feature maps. If it is a `Proposer`, observations hold its proposals too.
        count: N.

    Attributes:
        boxes: the pixel boxes ``(N, 4)`` float64 in the middle of the windows; their centres lie in the images.
        regions: the square pixel boxes ``(N, 4)`` float64 that are observed; they may reach beyond the images.
    """

    def __init__(self, maps: MapExtractor, count: int = 1) -> None:
        self.maps = maps
        self._proposer = maps if isinstance(maps, Proposer) else None
        self.boxes, self.regions = np.ones((2, count, 4))
        self._fill = [(0.0, 0.0, 0.0)] * count
        self._templates = np.zeros((count, maps.channels, TEMPLATE_CELLS, TEMPLATE_CELLS), np.float32)
        self._targets = np.zeros((count, 4), np.float32)
        self._first_sides = np.ones((count, 1))
        self._offsets = np.zeros((count, 4))

    def start(self, targets: Targets, frames: Many[np.ndarray], boxes: Many[np.ndarray]) -> None:
        """Take the templates, and centre the windows on the targets.

        Args:
            targets: their indices, M of them.
            frames: one for each, ``(height, width, 3)`` uint8 RGB.
            boxes: the true pixel box ``(4,)`` in each frame.
        """
        true_boxes = [np.asarray(box, dtype=np.float64) for box in boxes]
        # Episodes of one clip begin alike: take their template once.
        keys = [(id(frame), box.tobytes()) for frame, box in zip(frames, true_boxes, strict=True)]
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        remembered = run_parallel(lambda index: self._remember(frames[index], true_boxes[index]), first.values())
        by_key = dict(zip(first, remembered, strict=True))
        for target, key in zip(targets, keys, strict=True):
            known = by_key[key]
            self._fill[target], self._templates[target], self._targets[target] = known[:3]
            self._first_sides[target], self._offsets[target] = known[3:]
        sizes = np.array([(frame.shape[1], frame.shape[0]) for frame in frames])
        self.centre_on(targets, np.stack(true_boxes), sizes)

    def centre_on(self, targets: Targets, boxes: np.ndarray, sizes: np.ndarray) -> None:
        """Centre windows on pixel boxes ``(M, 4)``, brought back to images of these widths and heights ``(M, 2)``."""
        self.boxes[targets] = regions.within(np.asarray(boxes, dtype=np.float64), sizes)
        self.regions[targets] = regions.around(self.boxes[targets], CONTEXT)

    def move_to(self, targets: Targets, actions: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Centre windows on predicted boxes.

        Args:
            targets: their indices, M of them.
            actions: the boxes ``cx, cy, w, h`` relative to the regions observed last, ``(M, 4)``; clipped to [0, 1].
            sizes: width and height of each frame, in pixels, ``(M, 2)``.

        Returns:
            The predicted pixel boxes ``(M, 4)`` float64, brought back to the images (`regions.within`).
        """
        inside = np.asarray(actions, dtype=np.float64).clip(0, 1)
        self.centre_on(targets, regions.from_region(inside, self.regions[targets]), sizes)
        return self.boxes[targets]

    def observe(self, targets: Targets, frames: Many[np.ndarray]) -> Observation:
        """The observations of ``OTBTrackSearch-v0``, new arrays ``(M, ...)``, in frames ``(height, width, 3)``."""
        chosen, count = np.asarray(targets, np.intp), len(targets)
        search = np.empty((count, self.maps.channels, CELLS, CELLS), np.float32)
        proposed = np.empty((count, 5, CELLS, CELLS), np.float32)

        def look(row: int) -> None:
            target = targets[row]
            crop = regions.crop(frames[row], self.regions[target], SEARCH, self._fill[target])
            search[row] = self.maps(crop)
            if self._proposer:
                proposed[row] = self._proposer.propose(self._templates[target], search[row])

        run_parallel(look, range(count))
        around = self.regions[chosen]
        observation = {
            "search": search,
            "template": self._templates[chosen],
            "target": self._targets[chosen],
            "location": np.clip(regions.to_region(self.boxes[chosen], around), 0, 1).astype(np.float32),
            # The region's scale is lost in the resized crop; policies that track sizes need it.
            "zoom": (around[:, 2:3] / self._first_sides[chosen]).astype(np.float32),
        }
        if self._proposer:
            observation["proposals"] = proposals.corrected(proposed, self._offsets[chosen])
        return observation

    def _remember(self, frame: np.ndarray, box: np.ndarray) -> Target:
        fill = regions.mean_colour(frame)
        template_region, search_region = regions.around(box, 1.0), regions.around(box, CONTEXT)
        template = self.maps(regions.crop(frame, template_region, TEMPLATE, fill))
        relative = np.clip(regions.to_region(box, template_region), 0, 1).astype(np.float32)
        offset = np.zeros(4)
        if self._proposer:
            # The true box is known here: what the proposals miss it by corrects all later ones.
            proposed = self._proposer.propose(template, self.maps(regions.crop(frame, search_region, SEARCH, fill)))
            offset = proposals.offset(proposed, regions.to_region(box, search_region))
        return Target(fill, template, relative, search_region[2], offset)


class WindowTracker:
    """A policy of ``OTBTrackSearch-v0`` as a tracker on raw frames.

    Args:
        policy: chooses an action for each observation.
        maps: the extractor that the policy was trained with.
    """

    def __init__(self, policy: Policy, maps: MapExtractor) -> None:
        self.policy, self.windows = policy, SearchWindows(maps)

    @property
    def region(self) -> np.ndarray:
        """The square pixel box ``(4,)`` that is observed next."""
        return self.windows.regions[0].copy()

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the target's pixel box ``(4,)``."""
        self.windows.start([0], [frame], [box])
        # The policy's memory begins with this frame; its action is not needed, because the box is known.
        _, self.state = self.policy.act(self.observe(frame), None)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The predicted pixel box ``(4,)`` in the next frame; its centre lies in the image."""
        action, self.state = self.policy.act(self.observe(frame), self.state)
        return self.move_to(action, frame)

    def observe(self, frame: np.ndarray) -> Observation:
        """The observation of a frame around the last box."""
        return {name: values[0] for name, values in self.windows.observe([0], [frame]).items()}

    def move_to(self, action: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """The pixel box ``(4,)`` of an action for a frame; the window moves there."""
        return self.windows.move_to([0], action[None], np.array([[frame.shape[1], frame.shape[0]]]))[0]
