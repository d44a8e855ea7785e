"""The environments, one file per id, their vector versions, and the wrapper that switches rewards."""

from tracking_env.envs.env_trackers import as_tracker
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.otb_track_pixels import OTBTrackPixelsEnv
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.envs.rewards import REWARDS
from tracking_env.envs.synthetic_track import SyntheticTrackEnv
from tracking_env.envs.vector import (
    OTBTrackExpertsVectorEnv,
    OTBTrackPixelsVectorEnv,
    OTBTrackSearchVectorEnv,
    OTBTrackVectorEnv,
)
from tracking_env.envs.wrappers import FlatObservation, RewardSchedule, SymmetricAction

__all__ = [
    "REWARDS",
    "FlatObservation",
    "OTBTrackEnv",
    "OTBTrackExpertsEnv",
    "OTBTrackExpertsVectorEnv",
    "OTBTrackPixelsEnv",
    "OTBTrackPixelsVectorEnv",
    "OTBTrackSearchEnv",
    "OTBTrackSearchVectorEnv",
    "OTBTrackVectorEnv",
    "RewardSchedule",
    "SymmetricAction",
    "SyntheticTrackEnv",
    "as_tracker",
]
