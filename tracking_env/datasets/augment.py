"""More clips from few: a moving, mirrored crop of a clip is another clip of the same target."""

import hashlib
import zlib

import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.sequence import Frames, Sequence

SCALES = (0.55, 1.0)
"""The crop's width and height over the frame's, the smallest and the largest."""


class CroppedFrames:
    """A window of fixed size that moves over other frames, mirrored or not.

    Args:
        frames: the frames looked at.
        part: which of them, in order.
        origins: the window's top-left pixel in each, ``(T, 2)`` integers, 0-based.
        size: the window's width and height.
        mirrored: left and right exchanged.
    """

    def __init__(self, frames: Frames, part: range, origins: np.ndarray, size: Size, mirrored: bool) -> None:
        self.frames, self.part, self.origins, self.size, self.mirrored = frames, part, origins, size, mirrored

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> np.ndarray:
        (x, y), (width, height) = self.origins[index], self.size
        window = self.frames[self.part[index]][y : y + height, x : x + width]
        return np.ascontiguousarray(window[:, ::-1] if self.mirrored else window)

    @property
    def fingerprint(self) -> str:
        """Hash of the frames' own and of the window's way."""
        way = f"{self.frames.fingerprint} {self.part} {self.origins.tolist()} {self.size} {self.mirrored}"
        return hashlib.sha256(way.encode()).hexdigest()[:16]


class Crop(Sequence):
    """A changed copy of a clip. All of it is open to training: it has no frame of the unseen rest."""

    @property
    def seen(self) -> int:
        """Number of frames: all."""
        return len(self)


def cropped(sequence: Sequence, part: range, copy: int) -> Crop:
    """A changed copy of a clip: seen through a window that moves steadily, and mirrored in half of the cases.

    The window keeps as much of the target inside as fits; boxes move (and mirror) with the pixels, none is resampled.
    Where there is no true box, the window goes its way, and the copy has none either.

    Args:
        sequence: where the clip comes from.
        part: the clip's frames.
        copy: number of the copy; the same number gives the same copy.

    Returns:
        A sequence of ``len(part)`` frames, named after its source and the copy, such as ``Suv~3``.
    """
    rng = np.random.default_rng([zlib.crc32(sequence.name.encode()), copy])
    extent = np.array(sequence.size)
    window = np.round(extent * rng.uniform(*SCALES)).astype(int)
    mirrored = bool(rng.integers(2))
    known = sequence.annotated[part.start : part.stop, None]
    boxes = sequence.boxes[part.start : part.stop] - [1, 1, 0, 0]
    start, end = rng.uniform(size=(2, 2)) * (extent - window)
    way = start + np.linspace(0, 1, len(part))[:, None] * (end - start)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    margins = np.minimum(boxes[:, 2:], window) / 2
    kept = np.where(known, np.clip(way, centres + margins - window, centres - margins), way)
    origins = np.clip(np.round(kept), 0, extent - window).astype(int)
    moved = boxes - np.pad(origins, ((0, 0), (0, 2)))
    if mirrored:
        moved[:, 0] = window[0] - moved[:, 0] - moved[:, 2]
    size = int(window[0]), int(window[1])
    frames = CroppedFrames(sequence.frames, part, origins, size, mirrored)
    one_based = np.where(known, moved + np.array([1, 1, 0, 0]), 0)
    return Crop(f"{sequence.name}~{copy}", frames, one_based, sequence.attributes, sequence.dataset)
