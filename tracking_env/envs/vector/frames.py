"""Many episodes of OTBTrack-v0 at once, stepped as arrays."""

from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Array
from tracking_env.envs.base import Observation
from tracking_env.envs.clips import ChosenClips
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.envs.otb_track_pixels import OTBTrackPixelsEnv
from tracking_env.envs.vector.base import TrackVectorEnv
from tracking_env.envs.vector.frame_table import FeatureTable


class OTBTrackVectorEnv(TrackVectorEnv):
    """``num_envs`` times `OTBTrackEnv`, stepped by array operations; ``gym.make_vec("OTBTrack-v0")`` makes it.

    The features of every frame observed so far stay in memory, in the observation's type (4 D bytes a frame). So a
    step gathers them in one operation. For data sets larger than memory, or where frames must be decoded or extracted
    all the time, use processes: ``gym.make_vec(..., vectorization_mode="async")``.

    Arguments are those of `TrackVectorEnv` and `OTBTrackEnv`.

    Example:
        >>> envs = gym.make_vec("OTBTrack-v0", num_envs=8, sequences="synthetic:0-31")
        >>> observation, info = envs.reset(seed=0)
        >>> observation["location"].shape
        (8, 4)
    """

    single: type[OTBTrackEnv] = OTBTrackEnv

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        self._features = FeatureTable(self._env, self._table)

    def start_episodes(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Fill in the features of the clips' frames."""
        self._features.fill(clips)

    def observation(self) -> Observation:
        """Features gathered from the table; the true boxes where an episode starts, else zeros."""
        rows = self._rows()
        location = np.zeros((self.num_envs, 4), np.float32)
        starting = np.flatnonzero(self._episodes.frame == self._episodes.start)
        location[starting] = bx.clip_box(self._table.relative[:, rows[starting]]).T
        return {"features": np.take(self._features.rows, rows, axis=0), "location": location}

    def predicted_boxes(self, actions: np.ndarray, acting: np.ndarray) -> tuple[Array, Array]:
        """The actions, and their pixel boxes, clipped to the image."""
        relative = tuple(actions)
        sizes = tuple(self._table.size.take(self._episodes.number, axis=1))
        return relative, bx.to_pixels(bx.clip_box(relative), sizes)


class OTBTrackPixelsVectorEnv(OTBTrackVectorEnv):
    """``num_envs`` times `OTBTrackPixelsEnv`, as `OTBTrackVectorEnv`."""

    single = OTBTrackPixelsEnv
