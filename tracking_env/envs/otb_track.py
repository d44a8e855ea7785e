"""OTBTrack-v0: follow one target through a video, one box per frame."""

from pathlib import Path
from typing import Any

from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.envs.base import Sequences, TrackEnv, load_sequences, refuse_unknown
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import FrameObserver, ResizedFrames, StoredFeatures, observation_space
from tracking_env.features.base import Extractor
from tracking_env.features.extractors import PixelExtractor, make_extractor
from tracking_env.features.store import FeatureStore


class OTBTrackEnv(TrackEnv):
    """Visual object tracking as in *Deep Reinforcement Learning for Visual Object Tracking in Videos* (DRLT).

    ## Description
    One episode is a clip of a video with one target. At every step the agent observes the features of the current frame
    and answers with the target's box in that frame. The true box is given once, with the episode's first frame.

    Actions do not change later observations: the next frame is the same whatever the agent answers. Each reward depends
    on one action alone, so a discount of ``gamma=0`` is right. For a closed loop, in which the agent's own box decides
    what it observes next, see ``OTBTrackSearch-v0``.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the target's box ``cx, cy, w, h`` in the frame just observed, its centre and size over
    the image's width and height. Components outside [0, 1] are clipped. The ``l1`` reward alone is of the unclipped
    action, so that a box outside the image still earns more the nearer it comes. Another shape or a NaN is an error.

    ## Observation Space
    ``Dict`` of:

    * ``features``: ``(D,)`` float32, the extractor's vector of the frame, in float16's range. With
      ``features="pixels"``: the frame resized to ``(84, 84, 3)`` uint8 RGB; ``pixels:ROWSxCOLUMNS`` sets the size.
    * ``location``: ``(4,)`` float32 in [0, 1], the paper's ``s_t``: the true relative box (clipped) with the first
      frame, zeros after it.

    ## Rewards
    * ``l1``: Eq. 2, ``-mean|l - g| - max|l - g|`` over the four components of action ``l`` and true box ``g``.
    * ``iou``: Eq. 3, intersection over union.

    Both are 0 in a frame without a true box (the target is out of sight, or nobody annotated it). Set the property
    ``reward`` to switch while training: ``env.unwrapped.reward = "iou"``, or ``set_attr`` on vector environments.
    `RewardSchedule` switches after a number of steps.

    ## Starting State
    A sequence drawn uniformly, then a start frame drawn uniformly among those that have a true box and leave a full
    clip. If none leaves one, the first frame with a true box. ``reset`` takes ``options`` with any of ``sequence``
    (a name), ``start`` (0-based frame of the whole video, inside the split) and ``length`` (frames; None for the rest
    of the split).

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never. The observation returned with it is
    the frame after the clip, or the last frame again if the split ends there.

    ## Info
    Of the frame acted on (after ``reset``: of the first frame):

    * ``dataset``, ``sequence``, ``frame`` (0-based);
    * ``truth``: the true pixel box ``x, y, w, h`` (1-based), zeros if there is none;
    * after a step also ``prediction`` (the action as a pixel box, clipped to the image), ``iou``, ``centre_error``
      (pixels; NaN without a true box), ``reward_l1`` and ``reward_iou``.

    No observation ever holds the true box of a later frame.

    ## Arguments
    * ``root``: folder of OTB sequences, or of another data set (see `tracking_env.datasets.loading.load`). Without it
      sequences are drawn, with a warning.
    * ``sequences``: names, lists (``drlt30``, ``otb100``, ...) or ``synthetic:0-31``; or a list of names or of
      `Sequence` objects. Sequences without a true box in the split are left out.
    * ``split``: ``train`` (first third of each video), ``unseen`` (the rest) or ``all``.
    * ``features``: an extractor's name (see `make_extractor`), or an `Extractor`.
    * ``weights``: the extractor's weights file, by default downloaded; ``random`` for untrained weights.
    * ``store``: folder of the feature store, by default in the user's cache folder. Missing features are extracted when
      a sequence is first drawn. Pixels are not stored.
    * ``reward``: ``l1`` or ``iou``.
    * ``clip_length``: frames per episode (the paper's T), or None for the whole split.
    * ``render_mode``: ``rgb_array`` or ``human``.

    ## Version History
    * v0: first version.
    """

    id = "OTBTrack-v0"

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: Sequences = None,
        split: Split = "train",
        features: str | Extractor = "grid",
        weights: str | Path | None = None,
        store: str | Path | None = None,
        reward: str = "l1",
        clip_length: int | None = 10,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, OTBTrackEnv)
        loaded = load_sequences(self.id, root, sequences)
        self.clips = Clips(loaded, split, clip_length)
        self.extractor = extractor = make_extractor(features, weights) if isinstance(features, str) else features
        super().__init__(observation_space(extractor), reward, render_mode)
        self._observers: dict[str, FrameObserver] = {}
        # Resized frames are not stored: the sequence gives them again at any time.
        self.pixels = extractor if isinstance(extractor, PixelExtractor) else None
        if not self.pixels:
            self.store = FeatureStore(extractor, Path(store) if store else None)

    @property
    def sequences(self) -> dict[str, Sequence]:
        """The sequences that episodes are drawn from, by name."""
        return self.clips.sequences

    def episode_clips(self) -> Clips:
        """The clips that the next episode is drawn from: always the same."""
        return self.clips

    def observer(self, sequence: Sequence) -> FrameObserver:
        """Gives the features from the store, or the resized frames."""
        # Opening a file of the store takes longer than all the rest of a reset, so each is opened once.
        if sequence.name not in self._observers:
            self._observers[sequence.name] = (
                ResizedFrames(self.pixels, sequence) if self.pixels else StoredFeatures(self.store, sequence)
            )
        return self._observers[sequence.name]

    def __getstate__(self) -> dict[str, Any]:
        # Open files would be copied as a whole; the copy opens them again.
        return self.__dict__ | {"_observers": {}}
