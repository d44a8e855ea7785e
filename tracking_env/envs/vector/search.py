"""Many episodes of OTBTrackSearch-v0 at once: crops and feature maps of all regions together, each core at another."""

from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Array
from tracking_env.envs.base import Observation
from tracking_env.envs.clips import ChosenClips
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.envs.vector.base import TrackVectorEnv
from tracking_env.features.maps import MapExtractor, make_maps
from tracking_env.search.window import SearchWindows


class OTBTrackSearchVectorEnv(TrackVectorEnv):
    """``num_envs`` times `OTBTrackSearchEnv` with one extractor of feature maps.

    Arguments are those of `TrackVectorEnv` and `OTBTrackSearchEnv`. Episodes that start on the same frame take their
    template once.

    Example:
        >>> envs = gym.make_vec("OTBTrackSearch-v0", num_envs=8, sequences="synthetic:0-7")
        >>> observation, info = envs.reset(seed=0)
        >>> observation["search"].shape
        (8, 15, 16, 16)
    """

    single = OTBTrackSearchEnv

    def __init__(self, *args: Any, features: str | MapExtractor = "cells", **arguments: Any) -> None:
        if isinstance(features, str):
            # Each core has a crop of its own.
            features = make_maps(features, arguments.pop("weights", None), threads=1)
        arguments["features"] = features
        super().__init__(*args, **arguments)
        self._windows = SearchWindows(self._env.maps, self.num_envs)
        self._misses = np.zeros(self.num_envs, np.intp)  # frames in a row without overlap
        self._observed: Observation = {}

    def start_episodes(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Take the templates, and centre the windows on the true boxes, or beside them."""
        pairs = list(zip(clips.number.tolist(), clips.start.tolist(), strict=True))
        template_frames = np.array(
            [self._env.template_frame(self._table.sequences[number], start) for number, start in pairs]
        )
        frames = self._table.decode(clips.number, template_frames)
        boxes = [self._table.sequences[number].boxes for number in clips.number]
        true_boxes = [box[frame] for box, frame in zip(boxes, template_frames, strict=True)]
        self._windows.start(environments, frames, true_boxes)
        first_boxes = [
            self._env.first_box(box[start], self._episodes.generators[index])
            for box, start, index in zip(boxes, clips.start, environments, strict=True)
        ]
        self._windows.centre_on(environments, np.stack(first_boxes), self._table.size.T[clips.number])
        self._misses[environments] = 0

    def look(self, environments: np.ndarray) -> None:
        """Observe the current frames around the last boxes."""
        frames = self._table.decode(self._episodes.number[environments], self._episodes.frame[environments])
        observed = self._windows.observe(environments, frames)
        if len(environments) < self.num_envs:
            whole = {name: values.copy() for name, values in self._observed.items()}
            for name, values in observed.items():
                whole[name][environments] = values
            observed = whole
        self._observed = observed

    def observation(self) -> Observation:
        """What was observed last."""
        return {name: values.copy() for name, values in self._observed.items()}

    def predicted_boxes(self, actions: np.ndarray, acting: np.ndarray) -> tuple[Array, Array]:
        """The predicted boxes; the windows move there."""
        sizes = self._table.size.take(self._episodes.number, axis=1)
        rows = np.flatnonzero(acting)
        pixels = np.ones((4, self.num_envs))
        pixels[:, rows] = self._windows.move_to(rows, actions.T[rows], sizes.T[rows]).T
        return bx.to_relative(tuple(pixels), tuple(sizes)), tuple(pixels)

    def lost(self, measures: dict[str, np.ndarray], acting: np.ndarray) -> np.ndarray:
        """Where the last ``lost_after`` frames with a true box had no overlap."""
        # Without a true box nobody knows whether the target is lost: such frames neither count nor start anew.
        known = acting & ~np.isnan(measures["centre_error"])
        missed = np.where(measures["iou"] > 0, 0, self._misses + 1)
        self._misses = np.where(known, missed, self._misses)
        if self._env.lost_after is None:
            return np.zeros(self.num_envs, bool)
        return acting & (self._misses >= self._env.lost_after)

    def frame_info(self) -> dict[str, np.ndarray]:
        """`base.frame_info`, and ``relative_truth``."""
        relative = self._table.relative.take(self._rows(), axis=1).T.astype(np.float32)
        return super().frame_info() | {"relative_truth": relative}

    def observation_info(self) -> dict[str, np.ndarray]:
        """``region`` and ``relative_region``, ``(N, 4)``."""
        regions = self._windows.regions.copy()
        sizes = tuple(self._table.size.take(self._episodes.number, axis=1))
        return {"region": regions, "relative_region": np.array(bx.to_relative(tuple(regions.T), sizes)).T}
