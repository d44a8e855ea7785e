"""Hard clips: parts of sequences, changed so that trackers lose the target.

Trackers seldom lose a target in a few videos. So a policy that puts lost trackers back has little to learn from, and a
test has little to measure. A hard clip adds one difficulty to frames that are otherwise as they were filmed.
"""

import zlib
from functools import cached_property
from typing import Literal, get_args

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets.augmentation.crop import AugmentedClip, CroppedFrames, hold_target
from tracking_env.datasets.sequence import Frames, SelectedFrames, Sequence, short_hash
from tracking_env.errors import InputError, suggest

Difficulty = Literal["occluder", "lookalike", "dropped", "jump"]
DIFFICULTIES: tuple[str, ...] = get_args(Difficulty)
PASSAGE = (15, 40)
"""Frames that an occluder or a lookalike takes to pass, at least and at most."""
OCCLUDER_SIZE = 1.2
"""Size of an occluder, relative to the target's."""
OCCLUDER_REACH, LOOKALIKE_REACH = 1.8, 4.0
"""How far from the target an occluder and a lookalike come and go, in the target's sizes."""
LOOKALIKE_DISTANCE = (0.5, 1.1)
"""How near to the target a lookalike passes, in the target's sizes."""
GAPS, GAP_LENGTH = 4, (4, 12)
"""Number of gaps among dropped frames, and the frames that are missing in each, at least and at most."""
JUMPS, JUMP_WINDOW = 3, 0.7
"""Number of jumps of the camera, and the size of its window, relative to the frame's."""


class PastedFrames:
    """Frames in which a patch of the first one passes over the image.

    Args:
        frames: the frames.
        part: their indices, in order; T of them.
        source: the pixel box in the first frame of the part that is the patch, 0-based.
        places: the pixel box onto which the patch is stretched in each frame, 0-based, ``(T, 4)``; zeros for none.
        elliptic: whether the patch is cut out as an ellipse with a soft edge, or as the whole rectangle.
    """

    def __init__(self, frames: Frames, part: range, source: np.ndarray, places: np.ndarray, elliptic: bool) -> None:
        self.frames, self.part, self.source, self.places, self.elliptic = frames, part, source, places, elliptic

    def __len__(self) -> int:
        return len(self.part)

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.frames.size

    @property
    def fingerprint(self) -> str:
        """Hash of the frames' own fingerprint, of the patch's source and of its path."""
        path = f"{self.source.tolist()} {self.places.tolist()} {self.elliptic}"
        return short_hash(f"{self.frames.fingerprint} {self.part} {path}")

    @cached_property
    def _patch(self) -> np.ndarray:
        left, top, width, height = np.round(self.source).astype(int)
        left, top = max(left, 0), max(top, 0)
        return self.frames[self.part[0]][top : top + max(height, 1), left : left + max(width, 1)].copy()

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB."""
        frame = self.frames[self.part[index]].copy()
        left, top, width, height = np.round(self.places[index]).astype(int)
        if min(width, height) < 1:
            return frame
        right, bottom = min(left + width, frame.shape[1]), min(top + height, frame.shape[0])
        if right <= max(left, 0) or bottom <= max(top, 0):
            return frame
        patch = cv2.resize(self._patch, (width, height), interpolation=cv2.INTER_AREA)
        opacity = _ellipse(width, height) if self.elliptic else np.ones((height, width))
        # What of the patch is inside the image.
        rows, columns = slice(max(-top, 0), bottom - top), slice(max(-left, 0), right - left)
        region = frame[max(top, 0) : bottom, max(left, 0) : right]
        share = opacity[rows, columns, None]
        region[:] = np.round(share * patch[rows, columns] + (1 - share) * region)
        return frame


def harden(sequence: Sequence, part: range, difficulty: Difficulty, copy: int = 0) -> AugmentedClip:
    """A part of a sequence with one difficulty added.

    * ``occluder``: a patch of the background passes over the target and hides it for some frames.
    * ``lookalike``: a picture of the target passes close by it.
    * ``dropped``: some frames in a row are missing, several times.
    * ``jump``: the camera jumps, so that the target leaves its place at once.

    Args:
        sequence: the sequence.
        part: the clip's frame indices; its first frame must have a true box.
        difficulty: which difficulty.
        copy: seeds the random choices: the same number gives the same clip, in every process.

    Returns:
        A sequence named after its source, the difficulty and the copy, such as ``Suv~occluder0``. Its boxes are the
        true ones, of a hidden target too.

    Raises:
        InputError: the difficulty is unknown, or the first frame has no true box.
    """
    if difficulty not in DIFFICULTIES:
        raise InputError(
            f"unknown difficulty {difficulty!r}{suggest(difficulty, DIFFICULTIES)}; give {', '.join(DIFFICULTIES)}"
        )
    if not len(part) or not sequence.annotated[part[0]]:
        raise InputError(f"{sequence.name}: a hard clip must begin with a true box")
    rng = np.random.default_rng([zlib.crc32(f"{sequence.name} {difficulty}".encode()), part.start, copy])
    boxes = sequence.boxes[part.start : part.stop]
    frames: Frames
    if difficulty == "dropped":
        remaining = _drop(len(part), rng)
        indices = (part.start + remaining).tolist()
        frames, boxes = SelectedFrames(sequence.frames, indices), boxes[remaining]
    elif difficulty == "jump":
        frames, boxes = _jump(sequence, part, boxes, rng)
    else:
        frames = _paste(sequence, part, boxes, difficulty, rng)
    name = f"{sequence.name}~{difficulty}{copy}"
    return AugmentedClip(name, frames, boxes, sequence.attributes, sequence.dataset)


def _drop(length: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of the frames that remain, sorted; the first one does."""
    dropped = np.zeros(length, bool)
    for _ in range(GAPS):
        gap = int(rng.integers(*GAP_LENGTH, endpoint=True))
        # A gap that took most of a short clip would leave nothing to track.
        if length > 3 * gap:
            start = int(rng.integers(1, length - gap))
            dropped[start : start + gap] = True
    return np.flatnonzero(~dropped)


def _jump(
    sequence: Sequence, part: range, boxes: np.ndarray, rng: np.random.Generator
) -> tuple[CroppedFrames, np.ndarray]:
    """The frames through a window that changes its place at random moments, and the boxes in them."""
    extent = np.array(sequence.size)
    window = np.round(extent * JUMP_WINDOW).astype(int)
    moments = np.sort(rng.integers(1, max(len(part), 2), size=JUMPS))
    stage = np.searchsorted(moments, np.arange(len(part)), side="right")
    path = (rng.uniform(size=(JUMPS + 1, 2)) * (extent - window))[stage]
    annotated = bx.annotated(boxes)[:, None]
    corners = bx.to_zero_based(boxes)
    origins = hold_target(path, corners, annotated, window, extent)
    moved = bx.to_one_based(corners - np.pad(origins, ((0, 0), (0, 2))))
    size = int(window[0]), int(window[1])
    return CroppedFrames(sequence.frames, part, origins, size, False), np.where(annotated, moved, 0)


def _paste(
    sequence: Sequence, part: range, boxes: np.ndarray, difficulty: Difficulty, rng: np.random.Generator
) -> PastedFrames:
    """The frames with an occluder or a lookalike that passes in the middle of the clip."""
    occluder = difficulty == "occluder"
    corners = bx.to_zero_based(boxes)
    length = int(rng.integers(*PASSAGE, endpoint=True))
    start = int(rng.integers(1, max(len(part) - length, 2)))
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    reach = OCCLUDER_REACH if occluder else LOOKALIKE_REACH
    distance = 0.0 if occluder else rng.uniform(*LOOKALIKE_DISTANCE) * rng.choice([-1, 1])
    places = np.zeros((len(part), 4))
    for step, index in enumerate(range(start, min(start + length, len(part)))):
        if boxes[index, 2] <= 0:
            continue
        sides = corners[index, 2:]
        offset = (reach * (2 * step / max(length - 1, 1) - 1)) * along + distance * across
        centre = corners[index, :2] + sides / 2 + offset * sides
        size = sides * (OCCLUDER_SIZE if occluder else 1.0)
        places[index] = [*(centre - size / 2), *size]
    source = corners[0]
    if occluder:
        # Background: a patch of the target's size, beside it.
        beside = corners[0, :2] + 1.5 * rng.choice([-1, 1], size=2) * corners[0, 2:]
        limit = np.maximum(np.array(sequence.size) - corners[0, 2:], 0)
        source = np.concatenate([np.clip(beside, 0, limit), corners[0, 2:]])
    return PastedFrames(sequence.frames, part, source, places, elliptic=not occluder)


def _ellipse(width: int, height: int) -> np.ndarray:
    """Opacity ``(height, width)`` in [0, 1] of an ellipse that fills the rectangle, with a soft edge."""
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(height) + 0.5) / height * 2 - 1
    radius = np.sqrt(x[None] ** 2 + y[:, None] ** 2)
    return np.clip((1 - radius) / 0.15, 0, 1)
