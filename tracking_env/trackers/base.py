"""Trackers on raw frames, and running one over a sequence."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.features.extractors import Extractor


class Tracker(Protocol):
    """What follows one target, frame by frame. Frames are ``(height, width, 3)`` uint8 RGB, boxes pixel boxes.

    One that knows how sure it is has, besides, an attribute ``spread``: the deviation ``(4,)`` of the box said last, of
    its centre x, centre y, width and height, in pixels.
    """

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, where the target's box ``(4,)`` is given."""

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The target's box ``(4,)`` in the next frame."""


class Policy(Protocol):
    """An agent for ``OTBTrack-v0``; its recurrent state is a value, None before the first frame."""

    def act(self, observation: dict[str, np.ndarray], state: Any) -> tuple[np.ndarray, Any]:
        """One observation of the environment -> the action ``(4,)`` and the next state."""


@dataclass(frozen=True)
class Trajectory:
    """A run: pixel boxes ``(T, 4)``, the first as given, and the seconds ``(T,)`` that each frame took."""

    boxes: np.ndarray
    seconds: np.ndarray

    @property
    def fps(self) -> float:
        """Frames per second, decoding included."""
        return len(self.seconds) / float(self.seconds.sum())


class Step(NamedTuple):
    """One frame of a run: the frame, the pixel box ``(4,)`` in it, and the seconds it took, decoding included."""

    frame: np.ndarray
    box: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Runner:
    """A tracker ready to run.

    Attributes:
        id: tells it from others.
        track: from a sequence, on whose first box it starts, to the run.
        tracker: what looks at frames; None for a line, which does not.
    """

    id: str
    track: Callable[[Sequence], Trajectory]
    tracker: Tracker | None = None

    def live(self) -> Tracker:
        """The tracker, for frames of which nothing is known.

        Raises:
            InputError: there is none.
        """
        if self.tracker is None:
            raise InputError(f"{self.id} looks at no frame, or reads the truth; give a tracker, such as mil or drlt")
        return self.tracker


class TrackerFactory(Protocol):
    """What makes a tracker by name; a value that can be sent to another process."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def reads_truth(self) -> bool:
        """Whether it reads more of the truth than the first box."""

    def make(self, seed: int = 0) -> Runner:
        """The tracker, ready to run."""


class PolicyTracker:
    """A policy of ``OTBTrack-v0`` as a tracker on raw frames: it is given what the environment would show it."""

    def __init__(self, policy: Policy, extractor: Extractor) -> None:
        self.policy = policy
        self.extractor = extractor

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame."""
        size = frame.shape[1], frame.shape[0]
        location = bx.clip(bx.to_relative(np.asarray(box, dtype=np.float64), size)).astype(np.float32)
        _, self.state = self.policy.act(self._observe(frame, location), None)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The policy's box, clipped to the image."""
        action, self.state = self.policy.act(self._observe(frame, np.zeros(4, np.float32)), self.state)
        return bx.to_pixels(bx.clip(action.astype(np.float64)), (frame.shape[1], frame.shape[0]))

    def _observe(self, frame: np.ndarray, location: np.ndarray) -> dict[str, np.ndarray]:
        return {"features": self.extractor(frame[None])[0], "location": location}


def follow(tracker: Tracker, frames: Iterable[np.ndarray], box: np.ndarray) -> Iterator[Step]:
    """Start a tracker anew on the first frame, where the target's pixel box is given, and follow it through the others.

    A frame is asked for when its step is, so that frames may come from a camera.
    """
    start = time.perf_counter()
    for index, frame in enumerate(frames):
        found = np.empty(4)
        if index == 0:
            tracker.init(frame, box)
            found[:] = box
        else:
            found[:] = tracker.update(frame)
        yield Step(frame, found, time.perf_counter() - start)
        start = time.perf_counter()


def run(tracker: Tracker, sequence: Sequence, frames: int | None = None) -> Trajectory:
    """One-pass evaluation (OPE): start on the true first box, then see no truth again.

    Args:
        tracker: is started anew.
        sequence: its frames are decoded one by one, in the time that is measured.
        frames: stop after so many; by default at the end.
    """
    count = len(sequence) if frames is None else min(frames, len(sequence))
    boxes, seconds = np.empty((count, 4)), np.empty(count)
    decoded = (sequence.frames[index] for index in range(count))
    for index, step in enumerate(follow(tracker, decoded, sequence.boxes[0])):
        boxes[index], seconds[index] = step.box, step.seconds
    return Trajectory(boxes, seconds)
