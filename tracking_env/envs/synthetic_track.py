"""SyntheticTrack-v0: drawn sequences without end."""

from pathlib import Path
from typing import Any

from tracking_env.boxes import Size
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.base import TrackEnv, refuse
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import Extracted, Pictures, Sight, space_of
from tracking_env.features.extractors import Extractor, PixelExtractor, make_extractor

FIRST, LAST = 1_000_000, 2**31 - 1
"""Seeds of sequences: those below, which specifications such as ``synthetic:0-95`` name, stay unseen."""


class SyntheticTrackEnv(TrackEnv):
    """Tracking a drawn target: every episode shows another video, and no files are needed.

    ## Description
    As in OTBTrack-v0: one episode is a clip of a video with one target; at every step the agent sees the features of
    the current frame and says where the target is in it. But each episode's video is new, drawn from the environment's
    seed, so that there is nothing to learn by heart. What is drawn is described in `tracking_env.datasets.synthetic`.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the relative box ``cx, cy, w, h``, as in OTBTrack-v0.

    ## Observation Space
    ``Dict`` of:

    * ``features``: ``(D,)`` float32, the extractor's vector of the frame (clipped to float16's range); with
      ``features="pixels"`` the resized frame itself, ``(84, 84, 3)`` uint8 RGB;
    * ``location``: ``(4,)`` float32 in [0, 1]: the true relative box with the first frame, zeros after.

    ## Rewards
    ``l1`` (Eq. 2) or ``iou`` (Eq. 3), as in OTBTrack-v0. The target is in sight in every frame, or behind something.

    ## Starting State
    A sequence drawn with a seed of its own, at least `FIRST`, and a start frame drawn uniformly among those that leave
    a full clip. ``reset`` takes ``options`` with ``start`` and ``length``, as in OTBTrack-v0.

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never.

    ## Arguments
    * ``length``: frames of a sequence; ``size``: its width and height in pixels.
    * ``features``: an extractor's name (see `make_extractor`), or an `Extractor`; ``weights``: its weights file. Frames
      are extracted as they are shown and not stored.
    * ``reward``: ``l1`` or ``iou``.
    * ``clip_length``: frames per episode, or None for the whole sequence.
    * ``render_mode``: ``rgb_array`` or ``human``.

    ## Version History
    * v0: first version.
    """

    def __init__(
        self,
        length: int = 60,
        size: Size = (160, 120),
        features: str | Extractor = "grid",
        weights: str | Path | None = None,
        reward: str = "l1",
        clip_length: int | None = 10,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse(unknown, SyntheticTrackEnv)
        self._made_of = length, (size[0], size[1]), clip_length
        self._clips(FIRST)  # refuses what cannot be drawn
        self.extractor = make_extractor(features, weights) if isinstance(features, str) else features
        super().__init__(space_of(self.extractor), reward, render_mode)

    def clips_to_draw_from(self) -> Clips:
        """Those of one new sequence."""
        return self._clips(FIRST + int(self.np_random.random() * (LAST - FIRST)))

    def open(self, sequence: Sequence) -> Sight:
        """Features extracted on the way, or pictures."""
        if isinstance(self.extractor, PixelExtractor):
            return Pictures(self.extractor, sequence)
        return Extracted(self.extractor, sequence)

    def _clips(self, seed: int) -> Clips:
        length, size, clip_length = self._made_of
        return Clips([synthetic.generate(seed, length, size)], "all", clip_length)
