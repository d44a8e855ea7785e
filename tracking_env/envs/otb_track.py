"""OTBTrack-v0: follow one target through a video, one box per frame."""

import warnings
from pathlib import Path
from typing import Any

from tracking_env.datasets import loading
from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.envs.base import TrackEnv, refuse
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import Pictures, Sight, Stored, space_of
from tracking_env.features.extractors import Extractor, PixelExtractor, make_extractor
from tracking_env.features.store import FeatureStore


class OTBTrackEnv(TrackEnv):
    """Visual object tracking as in *Deep Reinforcement Learning for Visual Object Tracking in Videos* (DRLT).

    ## Description
    One episode is a clip of a video with one target. At every step the agent sees the features of the current frame and
    says where the target is in that frame. The true box is given once, with the episode's first frame. What the agent
    says does not change what it sees next.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: a relative box ``cx, cy, w, h`` (centre and size over the image's width and height)
    for the frame just observed. Components outside [0, 1] are clipped, except in the ``l1`` reward, which measures the
    action as it came, so that it still says which way is back. Another shape or a NaN is an error.

    ## Observation Space
    ``Dict`` of:

    * ``features``: ``(D,)`` float32, the extractor's vector of the frame (values of float16 range); with
      ``features="pixels"`` the resized frame itself, ``(84, 84, 3)`` uint8 RGB (``pixels:ROWSxCOLUMNS``: another size);
    * ``location``: ``(4,)`` float32 in [0, 1], the paper's ``s_t``: the true relative box (clipped) with the first
      frame, zeros after.

    ## Rewards
    ``l1``: Eq. 2, ``-mean|l - g| - max|l - g|`` over the four components. ``iou``: Eq. 3, intersection over union. Both
    are 0 for a frame without a true box (the target is out of sight, or its place is not known), whatever is said. Set
    the property ``reward`` (``env.unwrapped.reward = "iou"``, or ``set_attr`` on vector envs) to switch while
    training; `tracking_env.envs.wrappers.RewardSchedule` does so after a number of steps.

    ## Starting State
    A sequence drawn uniformly, and a start frame drawn uniformly among those that have a true box and leave a full clip
    (the first with a true box, where none leaves one). ``reset`` takes
    ``options`` with any of ``sequence`` (a name), ``start`` (0-based frame of the whole video, inside the split) and
    ``length`` (frames; None for the rest of the split).

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never. The observation that comes with it
    is the frame after the clip, or once more the last frame where the split ends there.

    ## Info
    ``dataset``, ``sequence``, ``frame`` (0-based), ``truth`` (pixel box ``x, y, w, h``, 1-based; zeros where there is
    none) of the frame acted on; after a step also ``prediction`` (pixel box), ``iou``, ``centre_error`` (pixels; NaN
    without a true box), ``reward_l1``, ``reward_iou``.
    After ``reset`` they speak of the first frame. No observation ever holds a later frame's true box.

    ## Arguments
    * ``root``: folder of OTB sequences, or of another data set (see `tracking_env.datasets.loading.load`). Without it
      sequences are drawn (a warning says so).
    * ``sequences``: names, lists (``drlt30``, ``otb100``, ...) or ``synthetic:0-31``; or a list of `Sequence`. Those
      without a true box in the split are left out.
    * ``split``: ``train`` (first third of each video), ``unseen`` (the rest) or ``all``.
    * ``features``: an extractor's name (see `make_extractor`), or an `Extractor`; ``weights``: its weights file, by
      default downloaded; ``random``: none.
    * ``store``: folder of the feature store; by default in the user's cache folder. Missing features are extracted when
      a sequence is first met. Pixels are not stored.
    * ``reward``: ``l1`` or ``iou``.
    * ``clip_length``: frames per episode (the paper's T), or None for the whole split.
    * ``render_mode``: ``rgb_array`` or ``human``.

    ## Version History
    * v0: first version.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: str | list[Sequence] | None = None,
        split: Split = "train",
        features: str | Extractor = "grid",
        weights: str | Path | None = None,
        store: str | Path | None = None,
        reward: str = "l1",
        clip_length: int | None = 10,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse(unknown, OTBTrackEnv)
        if root is None and sequences is None:
            warnings.warn(
                f"no OTB folder given: OTBTrack-v0 runs on drawn sequences ({loading.EMBEDDED}). "
                "Give root='OTB' for real video, or sequences='synthetic:0-31' to mean it",
                stacklevel=2,
            )
        loaded = sequences if isinstance(sequences, list) else loading.load(root, sequences)
        self.clips = Clips(loaded, split, clip_length)
        extractor = make_extractor(features, weights) if isinstance(features, str) else features
        super().__init__(space_of(extractor), reward, render_mode)
        self.pixels = extractor if isinstance(extractor, PixelExtractor) else None
        if not self.pixels:
            self.store = FeatureStore(extractor, Path(store) if store else None)

    @property
    def sequences(self) -> dict[str, Sequence]:
        """Those that episodes are drawn from, by name."""
        return self.clips.sequences

    def clips_to_draw_from(self) -> Clips:
        """The same for every episode."""
        return self.clips

    def open(self, sequence: Sequence) -> Sight:
        """Features from the store, or pictures of the frames."""
        return Pictures(self.pixels, sequence) if self.pixels else Stored(self.store, sequence)
