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

if "OTBTrack-v0" not in _gym.registry:
    _gym.register(id="OTBTrack-v0", entry_point="tracking_env.env:OTBTrackEnv")
