"""OTBTrackSearch-v0: follow one target, looking where one last pointed."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env.datasets import loading
from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.envs.base import Observation, TrackEnv, refuse
from tracking_env.envs.clips import Clips
from tracking_env.errors import InputError
from tracking_env.features.maps import MapExtractor, Proposer, make_maps
from tracking_env.features.store import FEATURE_LIMIT
from tracking_env.search.window import CELLS, TEMPLATE_CELLS, Gaze


class OTBTrackSearchEnv(TrackEnv):
    """Visual object tracking as a closed loop: what the agent says decides what it sees next.

    ## Description
    As ``OTBTrack-v0``: one episode is a clip of a video with one target, at every step the agent says where the target
    is in the current frame, and its true box is given once, with the first frame. But the agent sees a square region
    around the box that it pointed at last, four times as wide as a square target, and nothing beyond. Who points beside
    the target looks beside it, and may lose it; who recovers is rewarded later. Reward, info,
    splits and data are those of ``OTBTrack-v0``.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the box ``cx, cy, w, h`` relative to the region just seen (corner 0, side 1).
    Components outside [0, 1] are clipped; then the box is brought back to the image: its centre inside, its sides
    from 4 pixels to the image's. Another shape or a NaN is an error.

    ## Observation Space
    ``Dict`` of float32 arrays:

    * ``search``: ``(C, 16, 16)``, the feature map of the region in the current frame;
    * ``template``: ``(C, 8, 8)``, that of the target and its surroundings in the first frame, always the same;
    * ``target``: ``(4,)``, the true box in it, relative to it, always the same;
    * ``location``: ``(4,)``, the box last pointed at, relative to the region: its centre is in the middle. In the first
      frame it is the true box;
    * ``zoom``: ``(1,)``, the region's side over the first one's;
    * ``proposals``, with features that have them (``nanotrack-head``): ``(5, 16, 16)``, the score and the box ``cx, cy,
      w, h``, relative to the region, that a pretrained network sees in each cell, corrected by how far it is off on the
      target in the first frame.

    ## Rewards
    As ``OTBTrack-v0``, of the box pointed at, relative to the image: ``l1`` (Eq. 2) or ``iou`` (Eq. 3).

    ## Starting State
    As ``OTBTrack-v0``, with the same ``options``. With ``jitter`` the first region and the first location are those of
    a box beside the true one; the template is always that of the true box.

    ## Episode End
    ``truncated`` after the clip's last frame. ``terminated`` where ``lost_after`` is given, once so many frames in a
    row with a true box had no overlap with the agent's.

    ## Info
    As ``OTBTrack-v0``; and ``region``, the pixel box of the region that the observation shows.

    ## Arguments
    * ``root``, ``sequences``, ``split``, ``reward``, ``render_mode``: as ``OTBTrack-v0``.
    * ``features``: ``cells`` (no weights), ``nanotrack`` or ``nanotrack-head``, or a `MapExtractor`; ``weights``:
      the folder of nanotrack's files. Maps depend on where the agent looks and are not stored.
    * ``template``: ``clip``, taken from the clip's first frame, or ``video``, from the video's first frame with a true
      box (with the clip's first frame the true box is given all the same).
    * ``jitter``: how far the first look is off, as a deviation over the target's size; 0: not at all.
    * ``lost_after``: frames without overlap that end the episode; None: it goes on to the end.
    * ``clip_length``: None, the whole split, by default.

    ## Version History
    * v0: first version.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: str | list[Sequence] | None = None,
        split: Split = "train",
        features: str | MapExtractor = "cells",
        weights: str | Path | None = None,
        reward: str = "iou",
        clip_length: int | None = None,
        render_mode: str | None = None,
        template: str = "clip",
        jitter: float = 0.0,
        lost_after: int | None = None,
        **unknown: Any,
    ) -> None:
        refuse(unknown, OTBTrackSearchEnv)
        if template not in ("clip", "video"):
            raise InputError(f"unknown template {template!r}; choose clip or video")
        if not 0 <= jitter <= 1:
            raise InputError(f"jitter is {jitter}; give a number from 0 to 1")
        if lost_after is not None and lost_after < 1:
            raise InputError(f"lost_after is {lost_after}; give a number of frames >= 1, or None")
        loaded = sequences if isinstance(sequences, list) else loading.load(root, sequences)
        self.clips = Clips(loaded, split, clip_length)
        self.maps = make_maps(features, weights) if isinstance(features, str) else features
        super().__init__(_space(self.maps), reward, render_mode)
        self.template, self.jitter, self.lost_after = template, jitter, lost_after
        self.gaze = Gaze(self.maps)

    @property
    def size(self) -> bx.Size:
        """Width and height of the episode's frames, in pixels."""
        assert self._sequence is not None
        return self._sequence.size

    def clips_to_draw_from(self) -> Clips:
        """The same for every episode."""
        return self.clips

    def begin(self, sequence: Sequence, start: int) -> Observation:
        """Take the template, and look around the true box or beside it."""
        origin = int(np.flatnonzero(sequence.annotated)[0]) if self.template == "video" else start
        frame, first = sequence.frames[start], sequence.boxes[start]
        self.gaze.start(frame if origin == start else sequence.frames[origin], sequence.boxes[origin])
        if self.jitter:
            shift, growth = self.np_random.normal(0, self.jitter, 2), np.exp(self.np_random.normal(0, self.jitter))
            middle = bx.centre(first)[:2] + shift * np.sqrt(first[2] * first[3])
            first = bx.top_left(np.concatenate([middle, first[2:] * growth]))
        self.gaze.move(first, sequence.size)
        self._misses = 0
        return self.gaze.look(frame)

    def look(self, frame: int) -> Observation:
        """What is to be seen around the box last pointed at."""
        assert self._sequence is not None
        return self.gaze.look(self._sequence.frames[frame])

    def pointed(self, action: tuple[float, ...]) -> tuple[float, ...]:
        """The box in the image, which is looked around next."""
        box = self.gaze.point(np.array(action), self.size)
        return tuple(bx.to_relative(box, self.size).tolist())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that is not there.
        """
        observation, info = super().reset(seed=seed, options=options)
        return observation, info | {"region": self.gaze.region}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take the box for the frame last observed, and look around it in the next one.

        Raises:
            InputError: the action is not four finite numbers.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        observation, reward, lost, over, info = super().step(action)
        known = not np.isnan(info["centre_error"])
        if known:
            self._misses = 0 if info["iou"] > 0 else self._misses + 1
        if self.lost_after is not None and self._misses >= self.lost_after:
            lost, over, self._clip = True, False, range(self._clip.start, self._frame)
        return observation, reward, lost, over, info | {"region": self.gaze.region}


def _space(maps: MapExtractor) -> spaces.Dict:
    def box(low: float, high: float, *shape: int) -> spaces.Box:
        return spaces.Box(low, high, shape, np.float32)

    known: dict[str, spaces.Space] = {
        "search": box(-FEATURE_LIMIT, FEATURE_LIMIT, maps.channels, CELLS, CELLS),
        "template": box(-FEATURE_LIMIT, FEATURE_LIMIT, maps.channels, TEMPLATE_CELLS, TEMPLATE_CELLS),
        "target": box(0, 1, 4),
        "location": box(0, 1, 4),
        "zoom": box(0, FEATURE_LIMIT, 1),
    }
    if isinstance(maps, Proposer):
        known["proposals"] = box(-FEATURE_LIMIT, FEATURE_LIMIT, 5, CELLS, CELLS)
    return spaces.Dict(known)
