"""SyntheticTrack-v0: a new drawn sequence in every episode."""

from pathlib import Path
from typing import Any

from tracking_env.boxes import Size
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.base import TrackEnv, refuse_unknown
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import ExtractedFeatures, FrameObserver, ResizedFrames, observation_space
from tracking_env.features.base import Extractor
from tracking_env.features.extractors import PixelExtractor, make_extractor

FIRST, LAST = 1_000_000, 2**31 - 1
"""Seeds of the sequences. Smaller ones, which names such as ``synthetic:0-95`` use, are kept for tests."""


class SyntheticTrackEnv(TrackEnv):
    """Tracking a drawn target: every episode shows another video, and no files are needed.

    ## Description
    As in ``OTBTrack-v0``: one episode is a clip of a video with one target; at every step the agent observes the
    features of the current frame and answers with the target's box in it. Actions do not change later observations. But
    each episode's video is new, drawn from the environment's seed, so that no video can be learned by heart. Targets,
    backgrounds and motion are described in `tracking_env.datasets.synthetic`.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the relative box ``cx, cy, w, h``, as in ``OTBTrack-v0``.

    ## Observation Space
    ``Dict`` of:

    * ``features``: ``(D,)`` float32, the extractor's vector of the frame, clipped to float16's range. With
      ``features="pixels"``: the frame resized to ``(84, 84, 3)`` uint8 RGB.
    * ``location``: ``(4,)`` float32 in [0, 1]: the true relative box with the first frame, zeros after it.

    ## Rewards
    ``l1`` (Eq. 2) or ``iou`` (Eq. 3), as in ``OTBTrack-v0``. Every frame has a true box, also if the target is covered.

    ## Starting State
    A sequence drawn with a new seed of at least `FIRST`, then a start frame drawn uniformly among those that leave a
    full clip. ``reset`` takes ``options`` with ``start`` and ``length``, as in ``OTBTrack-v0``.

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never.

    ## Arguments
    * ``length``: frames of a sequence.
    * ``size``: its width and height in pixels.
    * ``features``: an extractor's name (see `make_extractor`), or an `Extractor`. Frames are extracted when they are
      observed, and not stored.
    * ``weights``: the extractor's weights file.
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
        refuse_unknown(unknown, SyntheticTrackEnv)
        self.length, self.size, self.clip_length = length, (size[0], size[1]), clip_length
        self._draw_clips(FIRST)  # raises now, and not at the first reset, if the arguments are out of range
        self.extractor = make_extractor(features, weights) if isinstance(features, str) else features
        super().__init__(observation_space(self.extractor), reward, render_mode)

    def episode_clips(self) -> Clips:
        """The clips of one new sequence."""
        # One number from the environment's generator, so that a seed repeats its sequences.
        return self._draw_clips(FIRST + int(self.np_random.random() * (LAST - FIRST)))

    def observer(self, sequence: Sequence) -> FrameObserver:
        """Extracts features frame by frame, or gives the resized frames."""
        if isinstance(self.extractor, PixelExtractor):
            return ResizedFrames(self.extractor, sequence)
        return ExtractedFeatures(self.extractor, sequence)

    def _draw_clips(self, seed: int) -> Clips:
        return Clips([synthetic.generate(seed, self.length, self.size)], "all", self.clip_length)
