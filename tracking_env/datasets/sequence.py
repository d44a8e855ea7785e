"""A tracking sequence: frames, ground-truth boxes, and the split into a training part and the rest."""

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence as Indices
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.errors import InputError

Split = Literal["train", "unseen", "all"]
SPLITS: tuple[str, ...] = get_args(Split)
NO_FIRST_BOX = "the first frame has no box; a tracker cannot start there"
"""Why such a sequence cannot be evaluated, in every layout and for every tracker."""
FARTHEST = 1e9
"""Largest coordinate of a box in pixels; a larger one is a mistake in a file."""


class Frames(Protocol):
    """Random access to the frames of one sequence. Nothing is read before it is asked for."""

    @property
    def size(self) -> Size:
        """Width and height in pixels."""

    @property
    def fingerprint(self) -> str:
        """Changes if the frames change; features are stored under it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB. Several threads may call it at once."""


def short_hash(content: str | bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text (in UTF-8) or of bytes."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


class ArrayFrames:
    """Frames held in memory.

    Args:
        array: ``(T, height, width, 3)`` uint8 RGB.

    Raises:
        InputError: the array has another shape or type.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8:
            raise InputError(f"frames must be (T, height, width, 3) uint8, got {array.shape} {array.dtype}")
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB, a view."""
        return self.array[index]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.array.shape[2], self.array.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pixels."""
        return short_hash(np.ascontiguousarray(self.array).tobytes())


class SelectedFrames:
    """The frames of a sequence at some indices, in their order.

    Args:
        frames: all frames.
        indices: 0-based indices of those to take, such as a range.
    """

    def __init__(self, frames: Frames, indices: Indices[int]) -> None:
        self.frames, self.indices = frames, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB."""
        return self.frames[self.indices[index]]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.frames.size

    @property
    def fingerprint(self) -> str:
        """Hash of the fingerprint of all frames, and of the indices."""
        return short_hash(f"{self.frames.fingerprint} {list(self.indices)}")


# eq=False: arrays have no single truth value, so sequences are compared and hashed by identity.
@dataclass(frozen=True, eq=False)
class Sequence:
    """One target in one video.

    Attributes:
        name: unique in its dataset, for example ``Jogging-2``.
        frames: T frames.
        boxes: ground-truth pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)`` float64, read-only. A frame without a true
            box has a row of zeros, as in OTB's files: the target is out of sight, or nobody annotated it (see
            `annotated`).
        attributes: the benchmark's difficulty tags, for example ``("OCC", "SV")``.
        dataset: ``otb``, ``synthetic`` or a name of `tracking_env.datasets.layouts.LAYOUTS`.
        anchors: frame indices of each run of VOT's multi-start protocol, in its order: from an anchor to the end, or
            back to the beginning. Empty for other data sets.
        polygons: corners ``x1, y1, ..., x4, y4`` of the true regions (1-based), ``(T, 8)``, zeros where there is no
            true box; None where the data set's own regions are upright boxes. `boxes` are those around the polygons.

    Raises:
        InputError: the boxes have another shape or are not as many as the frames, or one is far out of any image.

    Example::

        frames = np.zeros((3, 48, 64, 3), np.uint8)
        sequence = Sequence("black", ArrayFrames(frames), [[10, 12, 20, 16]] * 3)
        sequence.relative[0]  # cx, cy, w, h relative to the image
    """

    name: str
    frames: Frames
    boxes: np.ndarray
    attributes: tuple[str, ...] = ()
    dataset: str = "otb"
    anchors: tuple[range, ...] = ()
    polygons: np.ndarray | None = None

    def __post_init__(self) -> None:
        array = np.array(self.boxes, dtype=np.float64)  # a copy, so that nobody else can change it
        if array.ndim != 2 or array.shape[1] != 4 or len(array) == 0:
            raise InputError(f"{self.name}: boxes must be (T, 4) with T > 0, got {array.shape}")
        if len(self.frames) != len(array):
            raise InputError(f"{self.name}: {len(self.frames)} frames for {len(array)} boxes; give one box per frame")
        far = np.flatnonzero((np.abs(array) > FARTHEST).any(axis=1))
        if len(far):
            raise InputError(
                f"{self.name}: box {far[0] + 1} is {array[far[0]].tolist()}, far outside any image; "
                "correct the annotations"
            )
        array.flags.writeable = False
        # The way around `frozen`, used only while the object is made.
        object.__setattr__(self, "boxes", array)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> Size:
        """Width and height of the frames, in pixels."""
        return self.frames.size

    @property
    def first_box(self) -> np.ndarray:
        """The first frame's pixel box ``(4,)``, on which a tracker starts.

        Raises:
            InputError: the first frame has no box. An environment starts at the first frame that has one.
        """
        if not self.annotated[0]:
            raise InputError(f"{self.name}: {NO_FIRST_BOX}")
        return self.boxes[0]

    @property
    def seen(self) -> int:
        """Number of training frames, the first third of the video: ``floor(T / 3)``."""
        return len(self) // 3

    @cached_property
    def annotated(self) -> np.ndarray:
        """Which frames have a true box: ``(T,)`` bool, read-only."""
        array: Any = bx.annotated(self.boxes)
        array.flags.writeable = False
        return array

    @cached_property
    def relative(self) -> np.ndarray:
        """The boxes as relative boxes ``cx, cy, w, h``, zeros where there is none: ``(T, 4)`` float32, read-only."""
        # Converted, a row of zeros would have a centre beside the image, and no longer mean "no box".
        array: Any = np.where(self.annotated[:, None], bx.to_relative(self.boxes, self.size), 0).astype(np.float32)
        array.flags.writeable = False
        return array

    def part(self, split: Split) -> range:
        """Frame indices of a split: ``train`` is the first third, ``unseen`` the rest, ``all`` the whole video.

        Raises:
            InputError: the split has another name.
        """
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        return {"train": range(self.seen), "unseen": range(self.seen, len(self)), "all": range(len(self))}[split]

    def windows(self, split: Split, length: int) -> Iterator[range]:
        """Consecutive windows of ``length`` frames over a split; the last one may be shorter (Algorithm 1, line 4).

        Yields:
            Frame indices of each window.
        """
        part = self.part(split)
        for start in range(part.start, part.stop, length):
            yield range(start, min(start + length, part.stop))
