"""Visual object tracking as a reinforcement-learning environment.

Importing this package registers the environment ids with Gymnasium::

    import gymnasium as gym
    import tracking_env

    env = gym.make("OTBTrack-v0", root="OTB", sequences="drlt30")

``gym.make("tracking_env:OTBTrack-v0")`` does both. Nothing heavy is imported: no torch.
"""

import gymnasium as _gym

from tracking_env.errors import InputError
from tracking_env.sequence import Sequence

__all__ = ["InputError", "Sequence"]
__version__ = "0.1.0"

for _id, _entry_point in {
    "OTBTrack-v0": "tracking_env.env:OTBTrackEnv",
    "OTBTrackSearch-v0": "tracking_env.search:OTBTrackSearchEnv",
}.items():
    if _id not in _gym.registry:
        _gym.register(id=_id, entry_point=_entry_point)
