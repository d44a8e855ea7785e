"""OTBTrackSearch-v0: a closed loop, in which the agent observes the surroundings of its own last box."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.envs.base import Box, Observation, Sequences, TrackEnv, load_sequences, refuse_unknown
from tracking_env.envs.clips import Clips
from tracking_env.errors import InputError
from tracking_env.features.maps import MapExtractor, Proposer, make_maps
from tracking_env.features.store import FEATURE_LIMIT
from tracking_env.search.window import CELLS, TEMPLATE_CELLS, SearchWindows


class OTBTrackSearchEnv(TrackEnv):
    """Visual object tracking as a closed loop: the agent's box decides what it observes next.

    ## Description
    As in ``OTBTrack-v0``, one episode is a clip of a video with one target. At every step the agent answers with the
    target's box in the current frame; the true box is given once, with the first frame. But here the agent observes
    only a square region around its own last box, about four times as wide as a square target. A box beside the target
    moves the region beside it, and the target may be lost; a good box is rewarded later too. So actions change later
    observations, and a discount near 1 makes sense. Data, splits and rewards are those of ``OTBTrack-v0``.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the target's box ``cx, cy, w, h`` relative to the region just observed, whose corner
    is 0 and whose side is 1. Components outside [0, 1] are clipped; then the box is brought back to the image: its
    centre inside, its sides from 4 pixels to the image's. Another shape or a NaN is an error.

    ## Observation Space
    ``Dict`` of float32 arrays:

    * ``search``: ``(C, 16, 16)``, the feature map of the region in the current frame;
    * ``template``: ``(C, 8, 8)``, the feature map of the target and its surroundings in the first frame;
    * ``target``: ``(4,)``, the true box in the template, relative to it;
    * ``location``: ``(4,)``, the last predicted box relative to the region; its centre is in the middle. In the first
      frame it is the true box;
    * ``zoom``: ``(1,)``, the region's side over the first region's;
    * ``proposals``, only with features that have them (``nanotrack-head``): ``(5, 16, 16)``, for each cell the score
      and the box ``cx, cy, w, h`` (relative to the region) that a pretrained network proposes, corrected by its error
      in the first frame.

    ``template`` and ``target`` are the same in all observations of an episode.

    ## Rewards
    ``l1`` (Eq. 2) or ``iou`` (Eq. 3), as in ``OTBTrack-v0``, of the predicted box relative to the image.

    ## Starting State
    A clip drawn as in ``OTBTrack-v0``, with the same ``options``. With ``jitter`` the first region lies around a box
    beside the true one; the template is always of the true box.

    ## Episode End
    ``truncated`` after the action for the clip's last frame. ``terminated`` only with ``lost_after``: once the
    predicted box had no overlap with the true one in so many frames in a row (frames without a true box not counted).

    ## Info
    As in ``OTBTrack-v0``, and:

    * ``region``: the pixel box of the region in the observation; ``relative_region``: the same relative to the image;
    * ``relative_truth``: ``truth`` relative to the image, ``(4,)`` float32.

    ## Arguments
    * ``root``, ``sequences``, ``split``, ``reward``, ``render_mode``: as in ``OTBTrack-v0``.
    * ``features``: ``cells`` (no weights), ``nanotrack`` or ``nanotrack-head``, or a `MapExtractor`. Feature maps
      depend on the agent's boxes and are not stored.
    * ``weights``: the folder of NanoTrack's files.
    * ``template``: ``clip``: taken from the clip's first frame; ``video``: from the video's first frame with a true
      box.
    * ``jitter``: standard deviation of the first region's error, over the target's size; 0 for none.
    * ``lost_after``: frames in a row without overlap that end the episode; None for never.
    * ``clip_length``: frames per episode; None, the default, for the whole split.

    ## Version History
    * v0: first version.
    """

    id = "OTBTrackSearch-v0"

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: Sequences = None,
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
        refuse_unknown(unknown, OTBTrackSearchEnv)
        if template not in ("clip", "video"):
            raise InputError(f"unknown template {template!r}; choose clip or video")
        if not 0 <= jitter <= 1:
            raise InputError(f"jitter is {jitter}; give a number from 0 to 1")
        if lost_after is not None and lost_after < 1:
            raise InputError(f"lost_after is {lost_after}; give a number of frames >= 1, or None")
        loaded = load_sequences(self.id, root, sequences)
        self.clips = Clips(loaded, split, clip_length)
        self.maps = make_maps(features, weights) if isinstance(features, str) else features
        super().__init__(_observation_space(self.maps), reward, render_mode)
        self.template, self.jitter, self.lost_after = template, jitter, lost_after
        self.windows = SearchWindows(self.maps)
        self._misses = 0  # frames in a row without overlap

    def episode_clips(self) -> Clips:
        """The clips that the next episode is drawn from: always the same."""
        return self.clips

    def first_observation(self, sequence: Sequence, start: int) -> Observation:
        """Take the template, and observe the first frame around the true box, or beside it."""
        frame, template_frame = sequence.frames[start], self.template_frame(sequence, start)
        first_frame = frame if template_frame == start else sequence.frames[template_frame]
        self.windows.start([0], [first_frame], [sequence.boxes[template_frame]])
        first_box = self.first_box(sequence.boxes[start], self.np_random)
        self.windows.centre_on([0], first_box[None], np.array([sequence.size]))
        return self._observe(frame)

    def template_frame(self, sequence: Sequence, start: int) -> int:
        """The frame that the template of a clip is taken from."""
        # A tracker takes its template from the video's first frame; `video` trains on the same, later in the video.
        return int(np.flatnonzero(sequence.annotated)[0]) if self.template == "video" else start

    def first_box(self, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The pixel box ``(4,)`` that the first region lies around: the true one, or with jitter one beside it."""
        if not self.jitter:
            return box
        # At test time the region is never exactly right; without jitter the agent would not learn to correct it.
        shift = rng.normal(0, self.jitter, 2)
        # Through exp, so that too large is as likely as too small by the same factor.
        growth = np.exp(rng.normal(0, self.jitter))
        # Relative to the target's size, so that large and small targets are missed alike.
        middle = bx.centre(box)[:2] + shift * np.sqrt(box[2] * box[3])
        return bx.top_left(np.concatenate([middle, box[2:] * growth]))

    def next_observation(self, frame: int) -> Observation:
        """The observation of a later frame around the box predicted last."""
        assert self._sequence is not None
        return self._observe(self._sequence.frames[frame])

    def predicted_boxes(self, action: Box) -> tuple[Box, Box]:
        """The predicted box relative to the image, and in pixels; the window moves there."""
        assert self._sequence is not None
        box = self.windows.move_to([0], np.array([action]), np.array([self._sequence.size]))[0]
        return tuple(bx.to_relative(box, self._sequence.size).tolist()), tuple(box.tolist())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that does not exist.
        """
        observation, info = super().reset(seed=seed, options=options)
        self._misses = 0
        return observation, info | self._relative_info(info["frame"])

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take the action as the box in the frame observed last, and observe the next frame around it.

        Args:
            action: ``cx, cy, w, h`` relative to the region, ``(4,)``.

        Returns:
            Observation, reward, terminated, truncated, and info of the frame acted on.

        Raises:
            InputError: the action is not four finite numbers.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        observation, reward, terminated, truncated, info = super().step(action)

        # Without a true box nobody knows whether the target is lost: such frames neither count nor start anew.
        if not np.isnan(info["centre_error"]):
            self._misses = 0 if info["iou"] > 0 else self._misses + 1
        if self.lost_after is not None and self._misses >= self.lost_after:
            terminated, truncated = True, False
            self._clip = range(self._clip.start, self._frame)  # the episode is over: another step is an error

        return observation, reward, terminated, truncated, info | self._relative_info(info["frame"])

    def _observe(self, frame: np.ndarray) -> Observation:
        return {name: values[0] for name, values in self.windows.observe([0], [frame]).items()}

    def _relative_info(self, frame: int) -> dict[str, np.ndarray]:
        """The part of ``info`` about the region, and the boxes relative to the image."""
        assert self._sequence is not None
        region = self.windows.regions[0].copy()
        return {
            "region": region,
            "relative_region": bx.to_relative(region, self._sequence.size),
            "relative_truth": self._sequence.relative[frame].copy(),
        }


def _observation_space(maps: MapExtractor) -> spaces.Dict:
    def box(low: float, high: float, *shape: int) -> spaces.Box:
        return spaces.Box(low, high, shape, np.float32)

    observed: dict[str, spaces.Space] = {
        "search": box(-FEATURE_LIMIT, FEATURE_LIMIT, maps.channels, CELLS, CELLS),
        "template": box(-FEATURE_LIMIT, FEATURE_LIMIT, maps.channels, TEMPLATE_CELLS, TEMPLATE_CELLS),
        "target": box(0, 1, 4),
        "location": box(0, 1, 4),
        # No tight bound: how far a region can grow depends on the image.
        "zoom": box(0, FEATURE_LIMIT, 1),
    }
    if isinstance(maps, Proposer):
        observed["proposals"] = box(-FEATURE_LIMIT, FEATURE_LIMIT, 5, CELLS, CELLS)
    return spaces.Dict(observed)
