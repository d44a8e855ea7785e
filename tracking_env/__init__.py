"""Visual object tracking as a reinforcement-learning environment.

Importing this package registers the environment ids with Gymnasium::

    import gymnasium as gym
    import tracking_env

    env = gym.make("OTBTrack-v0", root="OTB", sequences="drlt30")

``gym.make("tracking_env:OTBTrack-v0")`` does both. No torch is imported.
"""

import gymnasium as _gym

from tracking_env.datasets import Sequence
from tracking_env.errors import InputError

__all__ = ["InputError", "Sequence"]
__version__ = "0.1.0"

for _id, _single, _vector in (
    ("OTBTrack-v0", "otb_track:OTBTrackEnv", "vector:OTBTrackVectorEnv"),
    ("OTBTrackPixels-v0", "otb_track_pixels:OTBTrackPixelsEnv", "vector:OTBTrackPixelsVectorEnv"),
    ("OTBTrackSearch-v0", "otb_track_search:OTBTrackSearchEnv", "vector:OTBTrackSearchVectorEnv"),
    ("OTBTrackExperts-v0", "otb_track_experts:OTBTrackExpertsEnv", "vector:OTBTrackExpertsVectorEnv"),
    ("SyntheticTrack-v0", "synthetic_track:SyntheticTrackEnv", None),  # each environment draws its own sequences
):
    if _id not in _gym.registry:
        _gym.register(
            _id, f"tracking_env.envs.{_single}", vector_entry_point=_vector and f"tracking_env.envs.{_vector}"
        )
