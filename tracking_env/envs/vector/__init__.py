"""Vector environments: many episodes at once, equal to as many single environments."""

from tracking_env.envs.vector.base import TrackVectorEnv
from tracking_env.envs.vector.experts import OTBTrackExpertsVectorEnv
from tracking_env.envs.vector.frames import OTBTrackPixelsVectorEnv, OTBTrackVectorEnv
from tracking_env.envs.vector.search import OTBTrackSearchVectorEnv

__all__ = [
    "OTBTrackExpertsVectorEnv",
    "OTBTrackPixelsVectorEnv",
    "OTBTrackSearchVectorEnv",
    "OTBTrackVectorEnv",
    "TrackVectorEnv",
]
