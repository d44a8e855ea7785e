"""The observation of a frame, for environments in which it depends on the frame alone. All classes here pickle."""

from typing import Protocol

import numpy as np
from gymnasium import spaces

from tracking_env.datasets.sequence import Sequence
from tracking_env.features.base import Extractor, extract
from tracking_env.features.extractors import PixelExtractor
from tracking_env.features.store import FEATURE_LIMIT, FeatureStore


class FrameObserver(Protocol):
    """Gives the observation ``features`` of each frame of one sequence."""

    def observe(self, frame: int) -> np.ndarray:
        """A new array for frame ``frame`` (0-based), in the space ``features`` of `observation_space`."""


class StoredFeatures:
    """Features from a store, which extracts the sequence first if it is missing."""

    def __init__(self, store: FeatureStore, sequence: Sequence) -> None:
        self._rows = np.asarray(store[sequence])  # a view of the memory map: a plain array is indexed faster

    def observe(self, frame: int) -> np.ndarray:
        """``(D,)`` float32."""
        # Stores hold float16. The conversion also copies, so that callers may change the array.
        return self._rows[frame].astype(np.float32)


class ResizedFrames:
    """The frames themselves, resized."""

    def __init__(self, extractor: PixelExtractor, sequence: Sequence) -> None:
        self._extractor, self._frames = extractor, sequence.frames

    def observe(self, frame: int) -> np.ndarray:
        """``(rows, columns, 3)`` uint8 RGB."""
        return self._extractor.prepare(self._frames[frame])


class ExtractedFeatures:
    """Features extracted when a frame is observed, and not stored."""

    def __init__(self, extractor: Extractor, sequence: Sequence) -> None:
        self._extractor, self._frames = extractor, sequence.frames

    def observe(self, frame: int) -> np.ndarray:
        """``(D,)`` float32, clipped to the range that a store could hold."""
        return extract(self._extractor, [self._frames[frame]])[0].clip(-FEATURE_LIMIT, FEATURE_LIMIT)


def observation_space(extractor: Extractor) -> spaces.Dict:
    """The space of the observations ``features`` (a vector, or a picture for `PixelExtractor`) and ``location``."""
    features: spaces.Box
    if isinstance(extractor, PixelExtractor):
        features = spaces.Box(0, 255, extractor.shape, np.uint8)
    else:
        features = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, (extractor.dim,), np.float32)
    return spaces.Dict({"features": features, "location": spaces.Box(0.0, 1.0, (4,), np.float32)})
