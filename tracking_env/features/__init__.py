"""Frozen feature extractors by name, and the store of their features.

::

    from tracking_env.features import FeatureStore, extract, make_extractor

    extractor = make_extractor("grid")
    features = extract(extractor, [frame])  # (1, 1536) float32
    stored = FeatureStore(extractor)[sequence]  # (T, 1536) float16

Importing this loads no torch; pretrained networks load it when they are made.
"""

from tracking_env.features.base import Extractor, extract
from tracking_env.features.extractors import EXTRACTORS, GridExtractor, PixelExtractor, make_extractor
from tracking_env.features.maps import MapExtractor, Proposer, make_maps
from tracking_env.features.store import FeatureStore

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "FeatureStore",
    "GridExtractor",
    "MapExtractor",
    "PixelExtractor",
    "Proposer",
    "extract",
    "make_extractor",
    "make_maps",
]
