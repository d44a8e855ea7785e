"""What a tracker is, and running one over a sequence."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.features.base import Extractor, extract

RETURNED = "the tracker's update(frame) returned"


class Tracker(Protocol):
    """Follows one target, frame by frame.

    Frames are ``(height, width, 3)`` uint8 RGB. Boxes are pixel boxes ``x, y, w, h``; the top-left pixel is 1, 1.

    A tracker that estimates its own error also has an attribute ``spread``: the standard deviation ``(4,)`` in pixels
    of the last box's centre x, centre y, width and height.

    A tracker that scores its boxes has an attribute ``confidence``: the last box's score, in [0, 1]. It may also have
    ``lost_below``: a confidence below which the target is probably lost.

    Example:
        A tracker that stands still::

            class Still:
                def init(self, frame, box):
                    self.box = box

                def update(self, frame):
                    return self.box
    """

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, where the target's box ``(4,)`` is given."""

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The target's box ``(4,)`` in the next frame."""


class Policy(Protocol):
    """An agent for one of the environments. It keeps no state: its recurrent state goes in and comes out of `act`."""

    def act(self, observation: dict[str, np.ndarray], state: Any) -> tuple[np.ndarray, Any]:
        """Decide one frame.

        Args:
            observation: of the environment.
            state: what the last call returned; None in an episode's first frame.

        Returns:
            The action ``(4,)`` and the next state.
        """


@dataclass(frozen=True)
class Trajectory:
    """A tracker's run over a sequence of T frames.

    Attributes:
        boxes: pixel boxes ``(T, 4)``; the first is the one that the tracker started on.
        seconds: how long each frame took, ``(T,)``, decoding included; NaN where no frame was looked at.
    """

    boxes: np.ndarray
    seconds: np.ndarray

    @property
    def fps(self) -> float:
        """Frames per second, decoding included."""
        return len(self.seconds) / float(self.seconds.sum())


class Step(NamedTuple):
    """One frame of a run."""

    frame: np.ndarray
    """``(height, width, 3)`` uint8 RGB"""
    box: np.ndarray
    """the pixel box in it, ``(4,)``"""
    seconds: float
    """how long the frame took, decoding included"""
    confidence: float
    """see `confidence_of`; in the first frame 1, or NaN"""
    lost: bool | None
    """whether the tracker takes the target to be lost; None of a tracker that does not tell"""


@dataclass(frozen=True)
class Runner:
    """A tracker ready to run.

    Attributes:
        id: identifies the tracker, its weights included.
        track: runs it over a sequence, from the sequence's first box.
        tracker: the tracker itself; None for a baseline, which looks at no frame.
    """

    id: str
    track: Callable[[Sequence], Trajectory]
    tracker: Tracker | None = None

    def live(self) -> Tracker:
        """The tracker, for frames whose ground truth is unknown.

        Raises:
            InputError: it is a baseline.
        """
        if self.tracker is None:
            raise InputError(
                f"{self.id} looks at no frame, or reads the ground truth; give a tracker, such as mil or search"
            )
        return self.tracker


class TrackerFactory(Protocol):
    """Makes a tracker by name; a value that can be sent to another process."""

    @property
    def name(self) -> str:
        """The tracker's name."""

    @property
    def reads_truth(self) -> bool:
        """Whether the tracker reads more ground truth than the first box."""

    def make(self, seed: int = 0) -> Runner:
        """The tracker, ready to run."""


class PolicyTracker:
    """A policy of ``OTBTrack-v0`` as a tracker. It gets the observations that the environment would give it.

    Args:
        policy: the policy.
        extractor: of the features that the policy was trained on.
    """

    def __init__(self, policy: Policy, extractor: Extractor) -> None:
        self.policy = policy
        self.extractor = extractor

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the target's pixel box ``(4,)``."""
        size = frame.shape[1], frame.shape[0]
        location = bx.clip_box(bx.to_relative(np.asarray(box, dtype=np.float64), size)).astype(np.float32)
        _, self.state = self.policy.act(self._observe(frame, location), None)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The policy's pixel box ``(4,)`` in the next frame, clipped to the image."""
        action, self.state = self.policy.act(self._observe(frame, np.zeros(4, np.float32)), self.state)
        return bx.to_pixels(bx.clip_box(action.astype(np.float64)), (frame.shape[1], frame.shape[0]))

    def _observe(self, frame: np.ndarray, location: np.ndarray) -> dict[str, np.ndarray]:
        return {"features": extract(self.extractor, [frame])[0], "location": location}


def follow(tracker: Tracker, frames: Iterable[np.ndarray], box: np.ndarray) -> Iterator[Step]:
    """Start a tracker on the first frame and follow the target through the others.

    A frame is taken only when its step is asked for, so that frames may come from a camera. The tracker gets copies: it
    may draw in them.

    Args:
        tracker: started anew.
        frames: ``(height, width, 3)`` uint8 RGB each.
        box: the target's pixel box ``(4,)`` in the first frame.
    """
    start = time.perf_counter()
    for index, frame in enumerate(frames):
        if index == 0:
            result = np.array(box, dtype=np.float64)
            tracker.init(frame.copy(), result.copy())
        else:
            result = four_numbers(tracker.update(frame.copy()), RETURNED)
        seconds = time.perf_counter() - start
        confidence = confidence_of(tracker, result)
        if index == 0 and not np.isnan(confidence):
            confidence = 1.0  # the first box was given
        limit = getattr(tracker, "lost_below", None)
        lost = None
        if limit is not None and not np.isnan(confidence):
            lost = confidence < _one_number(limit, "the tracker's lost_below is")
        yield Step(frame, result, seconds, confidence, lost)
        # The clock starts again only now: the caller's own work between two frames is not the tracker's.
        start = time.perf_counter()


def four_numbers(value: Any, source: str) -> np.ndarray:
    """A copy ``(4,)`` float64 of what a tracker gave, since the tracker may change its own array later.

    Args:
        value: anything.
        source: what the error message begins with, such as `RETURNED`.

    Raises:
        InputError: it is not four numbers.
    """
    box = _numbers(value)
    if box.shape != (4,):
        raise InputError(f"{source} {_shorten(value)}, wanted four numbers x, y, w, h")
    return box


def _one_number(value: Any, source: str) -> float:
    number = _numbers(value)
    if number.shape != ():
        raise InputError(f"{source} {_shorten(value)}, wanted a number")
    return float(number)


def _numbers(value: Any) -> np.ndarray:
    """The numbers in a value as a new float64 array, or an empty array if it is anything else."""
    try:
        array = np.array(value)
    except Exception:  # whatever another library's type does when it is converted
        return np.empty(0)
    # NumPy would take texts, dates and complex numbers for numbers, too.
    return array.astype(np.float64) if array.dtype.kind in "iuf" else np.empty(0)


def _shorten(value: Any) -> str:
    return " ".join(repr(value).split())[:80]


def confidence_of(tracker: Tracker, box: np.ndarray) -> float:
    """A tracker's confidence in its last box ``(4,)``, in [0, 1]; NaN of a tracker that tells nothing.

    That is its ``confidence``; or of one that has a ``spread``, the overlap (IoU) of the box with the box one deviation
    away in all four numbers.
    """
    spread = getattr(tracker, "spread", None)
    if not hasattr(tracker, "confidence") and spread is not None:
        deviation = four_numbers(spread, "the tracker's spread is")
        return float(bx.iou(box, bx.top_left(bx.centre(box) + deviation)))
    return _one_number(getattr(tracker, "confidence", np.nan), "the tracker's confidence is")


def run(tracker: Tracker, sequence: Sequence, frames: int | None = None) -> Trajectory:
    """Run a tracker over a sequence by OTB's one-pass evaluation: it gets the ground truth once, in the first frame.

    Args:
        tracker: started anew.
        sequence: its frames are decoded one by one, within the time that is measured.
        frames: stop after so many; by default at the end.

    Raises:
        InputError: the first frame has no box.
    """
    count = len(sequence) if frames is None else min(frames, len(sequence))
    boxes, seconds = np.empty((count, 4)), np.empty(count)
    decoded = (sequence.frames[index] for index in range(count))
    for index, step in enumerate(follow(tracker, decoded, sequence.first_box)):
        boxes[index], seconds[index] = step.box, step.seconds
    return Trajectory(boxes, seconds)
