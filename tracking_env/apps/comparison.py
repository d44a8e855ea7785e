"""Compare two trackers on one target, frame by frame, without ground truth: the work behind ``tracking-env demo``."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.errors import InputError, describe
from tracking_env.trackers.base import Tracker, follow, four_numbers


@dataclass
class Comparison:
    """The boxes of two trackers on the same frames. `run` adds one entry per frame.

    Attributes:
        ours: pixel boxes ``(4,)`` of the first tracker.
        rival: pixel boxes ``(4,)`` of the second tracker.
        confidence: of the first tracker, see `trackers.base.Step`.
        stopped: why tracking stopped early; None if it reached the last frame.

    Example:
        >>> comparison = Comparison()
        >>> for picture in comparison.run(tracker, rival, source.frames, box):
        ...     write(picture)
        >>> comparison.overlap.mean()
    """

    ours: list[np.ndarray] = field(default_factory=list)
    rival: list[np.ndarray] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    stopped: str | None = None

    @property
    def overlap(self) -> np.ndarray:
        """The overlap (IoU) of the two trackers' boxes in each frame, ``(T,)`` in [0, 1]."""
        overlaps: np.ndarray = bx.iou(np.array(self.ours), np.array(self.rival))
        return overlaps

    def run(
        self, tracker: Tracker, rival: Tracker, frames: Iterable[np.ndarray], box: np.ndarray, label: str = ""
    ) -> Iterator[np.ndarray]:
        """Track the target with both trackers.

        An error after the first frame ends the iteration and sets `stopped`.

        Args:
            tracker: the first tracker.
            rival: the second tracker; not the same object.
            frames: ``(height, width, 3)`` uint8 RGB each.
            box: the target's pixel box ``(4,)`` in the first frame.
            label: caption of the pictures; the frame's number follows it.

        Yields:
            Each frame as `rendering.draw` draws it: both boxes, and the first tracker's deviation if it has one.

        Raises:
            InputError: tracking failed on the first frame.
        """
        # The trackers take turns, so `tee` keeps one frame at a time.
        our_frames, rival_frames = itertools.tee(frames)
        try:
            for ours, theirs in zip(follow(tracker, our_frames, box), follow(rival, rival_frames, box), strict=True):
                # In the first frame a tracker has predicted nothing; its `spread` would be that of an earlier run.
                deviation = getattr(tracker, "spread", None) if self.ours else None
                spread = None if deviation is None else four_numbers(deviation, "the tracker's spread is")
                self.ours.append(ours.box)
                self.rival.append(theirs.box)
                self.confidence.append(ours.confidence)
                boxes = {"rival": theirs.box, "agent": ours.box}
                yield rendering.draw(ours.frame, boxes, f"{label} {len(self.ours)}", spread)
        except Exception as error:  # The frames may be damaged, and users bring their own trackers.
            self.stopped = describe(error)
            if not self.ours:
                raise InputError(f"nothing was tracked: {self.stopped}") from None
