"""Augmented training clips: a moving, mirrored crop of a clip is another clip of the same target."""

import zlib

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets.sequence import Frames, Sequence, short_hash

SCALES = (0.55, 1.0)
"""Smallest and largest width and height of the crop, relative to the frame's."""


class CroppedFrames:
    """Frames seen through a window of fixed size that moves from frame to frame.

    Args:
        frames: the frames to crop.
        part: their indices, in order; T of them.
        origins: the window's top-left pixel in each frame, ``(T, 2)`` integers, 0-based.
        size: the window's width and height in pixels.
        mirrored: whether left and right are exchanged.
    """

    def __init__(self, frames: Frames, part: range, origins: np.ndarray, size: Size, mirrored: bool) -> None:
        self.frames, self.part, self.origins, self.size, self.mirrored = frames, part, origins, size, mirrored

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8 RGB."""
        (x, y), (width, height) = self.origins[index], self.size
        window = self.frames[self.part[index]][y : y + height, x : x + width]
        return np.ascontiguousarray(window[:, ::-1] if self.mirrored else window)

    @property
    def fingerprint(self) -> str:
        """Hash of the frames' own fingerprint and of the window's path."""
        path = f"{self.frames.fingerprint} {self.part} {self.origins.tolist()} {self.size} {self.mirrored}"
        return short_hash(path)


class AugmentedClip(Sequence):
    """A changed copy of a training clip. All of its frames are for training."""

    @property
    def seen(self) -> int:
        """Number of training frames: all, since the copy has no frame of the rest of the video."""
        return len(self)


def augment_clip(sequence: Sequence, part: range, copy: int) -> AugmentedClip:
    """A changed copy of a clip: cropped by a window that moves steadily, and mirrored in half of the cases.

    The window covers as much of the target as fits. Boxes move and mirror with the pixels; no pixel is resampled. In
    frames without a true box the window keeps to its path, and the copy has no box either.

    Args:
        sequence: the sequence that the clip is a part of.
        part: the clip's frame indices.
        copy: number of the copy, which seeds its random choices: the same number gives the same copy.

    Returns:
        A sequence of ``len(part)`` frames, named after its source and the copy, such as ``Suv~3``.
    """
    # Not hash(name), which Python changes from process to process.
    rng = np.random.default_rng([zlib.crc32(sequence.name.encode()), copy])
    extent = np.array(sequence.size)
    window = np.round(extent * rng.uniform(*SCALES)).astype(int)
    mirrored = bool(rng.integers(2))
    annotated = sequence.annotated[part.start : part.stop, None]
    boxes = bx.to_zero_based(sequence.boxes[part.start : part.stop])
    # The window moves in a straight line between two random places.
    start, end = rng.uniform(size=(2, 2)) * (extent - window)
    path = start + np.linspace(0, 1, len(part))[:, None] * (end - start)
    origins = hold_target(path, boxes, annotated, window, extent)
    moved = boxes - np.pad(origins, ((0, 0), (0, 2)))
    if mirrored:
        moved[:, 0] = window[0] - moved[:, 0] - moved[:, 2]
    size = int(window[0]), int(window[1])
    frames = CroppedFrames(sequence.frames, part, origins, size, mirrored)
    new_boxes = np.where(annotated, bx.to_one_based(moved), 0)
    return AugmentedClip(f"{sequence.name}~{copy}", frames, new_boxes, sequence.attributes, sequence.dataset)


def hold_target(
    path: np.ndarray, boxes: np.ndarray, annotated: np.ndarray, window: np.ndarray, extent: np.ndarray
) -> np.ndarray:
    """A window's path, moved just enough to hold the target.

    Args:
        path: top-left pixels of the window, 0-based, ``(T, 2)``.
        boxes: the target's pixel boxes, 0-based, ``(T, 4)``.
        annotated: which frames have a box, ``(T, 1)`` bool; in the others the window keeps to its path.
        window: its width and height in pixels, ``(2,)`` integers.
        extent: width and height of the frames, ``(2,)``.

    Returns:
        Whole pixels ``(T, 2)``, such that the window is inside the frame.
    """
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    # A target larger than the window is centred in it.
    margins = np.minimum(boxes[:, 2:], window) / 2
    on_target = np.clip(path, centres + margins - window, centres - margins)
    # The frame's border comes last: the window stays inside, even if the target does not.
    return np.clip(np.round(np.where(annotated, on_target, path)), 0, extent - window).astype(int)
