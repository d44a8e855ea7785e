"""What an environment shows of a sequence's frames, one frame at a time; each pickles."""

from typing import Protocol

import numpy as np
from gymnasium import spaces

from tracking_env.datasets.sequence import Sequence
from tracking_env.features.extractors import Extractor, PixelExtractor
from tracking_env.features.store import FEATURE_LIMIT, FeatureStore


class Sight(Protocol):
    """The observation ``features`` of each frame of a sequence."""

    def __getitem__(self, frame: int) -> np.ndarray:
        """Of frame ``frame`` (0-based), a new array in the space of `space_of`."""


class Stored:
    """Rows of a feature store, which extracts the sequence where it is missing."""

    def __init__(self, store: FeatureStore, sequence: Sequence) -> None:
        self._rows = np.asarray(store[sequence])  # a view of the memory map: a plain array is indexed faster

    def __getitem__(self, frame: int) -> np.ndarray:
        """``(D,)`` float32."""
        return self._rows[frame].astype(np.float32)


class Pictures:
    """The frames themselves, resized."""

    def __init__(self, extractor: PixelExtractor, sequence: Sequence) -> None:
        self._extractor, self._frames = extractor, sequence.frames

    def __getitem__(self, frame: int) -> np.ndarray:
        """``(rows, columns, 3)`` uint8 RGB."""
        return self._extractor.prepare(self._frames[frame])


class Extracted:
    """Features extracted when they are asked for, and not kept."""

    def __init__(self, extractor: Extractor, sequence: Sequence) -> None:
        self._extractor, self._frames = extractor, sequence.frames

    def __getitem__(self, frame: int) -> np.ndarray:
        """``(D,)`` float32."""
        return self._extractor(self._frames[frame][None])[0].clip(-FEATURE_LIMIT, FEATURE_LIMIT)


def space_of(extractor: Extractor) -> spaces.Dict:
    """The space of observations: ``features``, vectors of float16 range or pictures, and ``location``, a box."""
    features: spaces.Box
    if isinstance(extractor, PixelExtractor):
        features = spaces.Box(0, 255, extractor.shape, np.uint8)
    else:
        features = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, (extractor.dim,), np.float32)
    return spaces.Dict({"features": features, "location": spaces.Box(0.0, 1.0, (4,), np.float32)})
