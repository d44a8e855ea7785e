"""Two trackers on one target, frame by frame, of which the truth is not known: what ``tracking-env demo`` shows."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.errors import InputError, reason
from tracking_env.trackers.base import Tracker, follow


@dataclass
class Duel:
    """What one tracker and its rival said, as it becomes known.

    Attributes:
        ours: pixel boxes ``(4,)``, one per frame.
        rival: the rival's.
        confidence: of our tracker, see `confidence`; NaN in the first frame, where the box is given.
        stopped: why it ended before the frames did; None where it did not.
    """

    ours: list[np.ndarray] = field(default_factory=list)
    rival: list[np.ndarray] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    stopped: str | None = None

    @property
    def overlap(self) -> np.ndarray:
        """How far the two agree: the overlap of their boxes, ``(T,)`` in [0, 1]."""
        overlaps: np.ndarray = bx.iou(np.array(self.ours), np.array(self.rival))
        return overlaps

    def run(
        self, tracker: Tracker, rival: Tracker, frames: Iterable[np.ndarray], box: np.ndarray, label: str = ""
    ) -> Iterator[np.ndarray]:
        """Follow the target with both, starting anew on its pixel box ``(4,)`` in the first frame.

        What ends it early is said in `stopped`.

        Args:
            tracker: ours.
            rival: the other one, an object of its own.
            frames: each ``(height, width, 3)`` uint8 RGB.
            box: the target.
            label: of what is drawn.

        Yields:
            Each frame with both boxes and our tracker's deviation, as `rendering.draw` draws them.

        Raises:
            InputError: not even the first frame could be tracked.
        """
        mine, others = itertools.tee(frames)
        try:
            for ours, theirs in zip(follow(tracker, mine, box), follow(rival, others, box), strict=True):
                said = getattr(tracker, "spread", None) if self.ours else None
                spread = None if said is None else np.array(said, dtype=np.float64)
                self.ours.append(ours.box)
                self.rival.append(theirs.box)
                self.confidence.append(confidence(ours.box, spread))
                boxes = {"rival": theirs.box, "agent": ours.box}
                yield rendering.draw(ours.frame, boxes, f"{label} {len(self.ours)}", spread)
        except Exception as error:  # of the frames, or of somebody's tracker
            self.stopped = reason(error)
            if not self.ours:
                raise InputError(f"nothing was tracked: {self.stopped}") from None


def confidence(box: np.ndarray, spread: np.ndarray | None) -> float:
    """How sure a tracker is: the overlap of its box with one that is a deviation away in all four numbers.

    Args:
        box: a pixel box ``(4,)``.
        spread: its deviation ``(4,)``, see `tracking_env.trackers.base.Tracker`; None of a tracker that says none.

    Returns:
        In [0, 1], 1 where it has no doubt; NaN without a deviation.
    """
    if spread is None:
        return float("nan")
    return float(bx.iou(box, bx.top_left(bx.centre(box) + spread)))
