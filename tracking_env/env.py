"""OTBTrack-v0: follow one target through a video, one box per frame."""

import difflib
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env import dataset, rendering, rewards
from tracking_env.errors import InputError
from tracking_env.features import Extractor, PixelExtractor, make_extractor
from tracking_env.sequence import Sequence, Split
from tracking_env.store import FEATURE_LIMIT, FeatureStore

Observation = dict[str, np.ndarray]
OPTIONS = ("sequence", "start", "length")


class OTBTrackEnv(gym.Env[Observation, np.ndarray]):
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
    the property ``reward`` (``env.unwrapped.reward = "iou"``, or ``set_attr`` on vector envs) to switch while training.

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
    * ``root``: folder of OTB sequences, or of another data set (see `tracking_env.dataset.load`). Without it sequences
      are drawn (a warning says so).
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

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 25}  # noqa: RUF012 (Gymnasium's convention)

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
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise InputError(f"unknown render_mode {render_mode!r}; choose rgb_array, human or None")
        if clip_length is not None and clip_length < 1:
            raise InputError(f"clip_length is {clip_length}; give a number of frames >= 1, or None for the whole split")
        if root is None and sequences is None:
            warnings.warn(
                f"no OTB folder given: OTBTrack-v0 runs on drawn sequences ({dataset.EMBEDDED}). "
                "Give root='OTB' for real video, or sequences='synthetic:0-31' to mean it",
                stacklevel=2,
            )
        loaded = sequences if isinstance(sequences, list) else dataset.load(root, sequences)
        self.sequences = {one.name: one for one in loaded if one.annotated[_slice(one.part(split))].any()}
        if len({one.name for one in loaded}) < len(loaded):
            twice = next(one.name for one in loaded if sum(other.name == one.name for other in loaded) > 1)
            raise InputError(f"two sequences are named {twice!r}; give each a name of its own")
        if not self.sequences:
            raise InputError(
                f"no sequence has a frame with a true box in the split {split!r}; "
                "give longer sequences or another split"
            )
        self.split: Split = split
        self.clip_length = clip_length
        self.render_mode = render_mode
        self.reward = reward
        extractor = make_extractor(features, weights) if isinstance(features, str) else features
        self.pixels = extractor if isinstance(extractor, PixelExtractor) else None
        seen: spaces.Box
        if self.pixels:
            seen = spaces.Box(0, 255, self.pixels.shape, np.uint8)
        else:
            self.store = FeatureStore(extractor, Path(store) if store else None)
            seen = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, (extractor.dim,), np.float32)
        self.observation_space = spaces.Dict(  # type: ignore[assignment]  # spaces.Dict is typed by Any
            {"features": seen, "location": spaces.Box(0.0, 1.0, (4,), np.float32)}
        )
        self.action_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self._sequence: Sequence | None = None
        self._clip = range(0)
        self._frame = 0  # the frame last observed
        self._prediction: np.ndarray | None = None  # relative box for the frame before it

    @property
    def reward(self) -> str:
        """Which reward `step` returns: ``l1`` (Eq. 2) or ``iou`` (Eq. 3)."""
        return self._reward

    @reward.setter
    def reward(self, name: str) -> None:
        if name not in rewards.REWARDS:
            raise InputError(f"unknown reward {name!r}; choose one of {', '.join(rewards.REWARDS)}")
        self._reward = name

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that is not there.
        """
        super().reset(seed=seed)
        sequence, clip = self._choose(options or {})
        if not self.pixels:
            self._features = self.store[sequence]  # may fail, and then the episode before goes on
        self._sequence, self._clip = sequence, clip
        self._frame = self._clip.start
        self._prediction = None
        if self.render_mode == "human":
            self.render()
        location = bx.clip(self._sequence.relative[self._frame])
        return self._observe(location), self._describe(self._frame)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take the box for the frame last observed, and show the next one.

        Raises:
            InputError: the action is not four finite numbers.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        if self._sequence is None or self._frame >= self._clip.stop:
            raise gym.error.ResetNeeded("call reset() first: there is no episode, or it is over")
        try:
            box = np.asarray(action, dtype=np.float32)
        except (TypeError, ValueError):
            box = np.empty(0, np.float32)
        if box.shape != (4,) or not np.isfinite(box).all():
            raise InputError(f"the action must be four finite numbers cx, cy, w, h, got {action!r}")
        frame, truth = self._frame, self._sequence.relative[self._frame]
        known = bool(self._sequence.annotated[frame])
        terms = {
            f"reward_{name}": float(formula(box, truth)) if known else 0.0 for name, formula in rewards.REWARDS.items()
        }
        self._prediction = bx.clip(box)
        info = self._describe(frame)
        info["prediction"] = bx.to_pixels(self._prediction.astype(np.float64), self._sequence.size)
        info["iou"] = terms["reward_iou"]
        info["centre_error"] = float(bx.centre_error(info["prediction"], info["truth"])) if known else np.nan
        info |= terms
        self._frame += 1
        if self.render_mode == "human":
            self.render()
        over = self._frame == self._clip.stop
        return self._observe(np.zeros(4, np.float32)), terms[f"reward_{self._reward}"], False, over, info

    def render(self) -> np.ndarray | None:
        """The frame last acted on with the true box (green) and the agent's (red), ``(height, width, 3)`` uint8 RGB.

        Before the first action it is the first frame. In ``human`` mode it goes to a window instead.
        """
        if self._sequence is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        frame = self._frame if self._prediction is None else self._frame - 1
        drawn = {"truth": self._sequence.boxes[frame]}
        if self._prediction is not None:
            drawn["agent"] = bx.to_pixels(self._prediction, self._sequence.size)
        picture = rendering.draw(self._sequence.frames[frame], drawn)
        if self.render_mode == "human":
            rendering.show(picture, fps=self.metadata["render_fps"])
            return None
        return picture

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.render_mode == "human":
            rendering.close()

    def _choose(self, options: dict[str, Any]) -> tuple[Sequence, range]:
        for key in options:
            if key not in OPTIONS:
                raise InputError(f"unknown reset option {key!r}{_nearest(key, OPTIONS)}; the options are {OPTIONS}")
            if key != "sequence" and not isinstance(options[key], int | np.integer | None):
                raise InputError(f"the option {key} is {options[key]!r}; give a whole number, or None")
        names = list(self.sequences)
        name = options.get("sequence")
        name = names[self.np_random.integers(len(names))] if name is None else name
        if name not in self.sequences:
            raise InputError(f"no sequence {name!r} in this environment{_nearest(name, names)}")
        sequence = self.sequences[name]
        part = sequence.part(self.split)
        length = options.get("length", self.clip_length)
        if length is not None and length < 1:
            raise InputError(f"the option length is {length}; give a number of frames >= 1, or None")
        length = len(part) if length is None else length
        start = options.get("start")
        if start is None:
            known = part.start + np.flatnonzero(sequence.annotated[_slice(part)])
            full = int((known <= part.stop - length).sum())
            start = int(known[self.np_random.integers(max(1, full))])
        if start not in part:
            raise InputError(f"start {start} is outside {name}'s {self.split!r} frames {part.start}..{part.stop - 1}")
        if not sequence.annotated[start]:
            raise InputError(f"{name} has no true box in frame {start} to start from; give another start")
        return sequence, range(start, min(start + length, part.stop))

    def _observe(self, location: np.ndarray) -> Observation:
        assert self._sequence is not None
        frame = min(self._frame, self._sequence.part(self.split).stop - 1)
        if self.pixels:
            return {"features": self.pixels.prepare(self._sequence.frames[frame]), "location": location}
        return {"features": self._features[frame].astype(np.float32), "location": location}

    def _describe(self, frame: int) -> dict[str, Any]:
        assert self._sequence is not None
        return {
            "dataset": self._sequence.dataset,
            "sequence": self._sequence.name,
            "frame": frame,
            "truth": self._sequence.boxes[frame].copy(),
        }


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


def _nearest(word: str, known: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""
