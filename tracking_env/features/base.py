"""The extractor protocol: what turns frames into features."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np


class Extractor(Protocol):
    """Turns frames into feature vectors, in two steps: `prepare` each frame, then call it on a batch of them.

    It is frozen: a frame has the same features whenever they are computed. `extract` does both steps.
    """

    @property
    def id(self) -> str:
        """Names the network, its weights and its preprocessing. Equal ids give equal features, but for rounding."""

    @property
    def dim(self) -> int:
        """D, the length of a feature vector."""

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """Resize a frame ``(height, width, 3)`` uint8 RGB to the input size, which is the same for all frames.

        It may be called from several threads at once.
        """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Features ``(N, D)`` float32 of N prepared frames ``(N, rows, columns, 3)`` uint8 RGB."""


def extract(extractor: Extractor, frames: Iterable[np.ndarray]) -> np.ndarray:
    """Features of frames as they were read.

    Args:
        extractor: see `make_extractor`.
        frames: one or more frames ``(height, width, 3)`` uint8 RGB; their sizes may differ.

    Returns:
        ``(N, D)`` float32, one row per frame.

    Example::

        features = extract(make_extractor("grid"), [sequence.frames[0]])  # (1, 1536)
    """
    return extractor(np.stack([extractor.prepare(frame) for frame in frames]))


def check_prepared(frames: np.ndarray, size: tuple[int, int]) -> None:
    """Check that a batch of frames has an extractor's input size, ``(rows, columns)``.

    Raises:
        ValueError: it has another shape.
    """
    if frames.ndim != 4 or frames.shape[1:] != (*size, 3):
        raise ValueError(
            f"got frames of shape {frames.shape}, expected (N, {size[0]}, {size[1]}, 3); call prepare() on each frame, "
            "or use extract()"
        )
