"""What the environments share: an episode over one clip, step by step."""

import inspect
import math
from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.boxes import Array, Size
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs import rewards
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import Sight
from tracking_env.errors import InputError, UnknownArgumentError, nearest

Observation = dict[str, np.ndarray]
TERMS = {f"reward_{name}": formula for name, formula in rewards.REWARDS.items()}
UNKNOWN = {"iou": 0.0, "centre_error": math.nan} | dict.fromkeys(TERMS, 0.0)
"""What `judge` measures where there is no true box."""


class RewardSwitch:
    """The property that says which reward `step` returns."""

    @property
    def reward(self) -> str:
        """Which reward `step` returns: ``l1`` (Eq. 2) or ``iou`` (Eq. 3)."""
        return self._reward

    @reward.setter
    def reward(self, name: str) -> None:
        if name not in rewards.REWARDS:
            raise InputError(f"unknown reward {name!r}; choose one of {', '.join(rewards.REWARDS)}")
        self._reward = name


class TrackEnv(RewardSwitch, gym.Env[Observation, np.ndarray]):
    """An environment whose subclass says which clips there are and what is seen of a frame.

    Args:
        observed: space of the observations.
        reward: ``l1`` or ``iou``.
        render_mode: ``rgb_array``, ``human`` or None.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 25}  # noqa: RUF012 (Gymnasium's convention)

    def __init__(self, observed: spaces.Dict, reward: str, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise InputError(f"unknown render_mode {render_mode!r}; choose rgb_array, human or None")
        self.render_mode = render_mode
        self.reward = reward
        self.observation_space = observed  # type: ignore[assignment]  # spaces.Dict is typed by Any
        self.action_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self._sequence: Sequence | None = None
        self._clip = range(0)
        self._frame = 0  # the frame last observed
        self._prediction: np.ndarray | None = None  # pixel box for the frame before it

    def clips_to_draw_from(self) -> Clips:
        """The clips that the next episode is drawn from."""
        raise NotImplementedError

    def open(self, sequence: Sequence) -> Sight:
        """The features of a sequence's frames."""
        raise NotImplementedError

    def begin(self, sequence: Sequence, start: int) -> Observation:
        """The first observation of an episode: the features of the frame, and the true box."""
        see = self.open(sequence)
        features = see[start]  # may fail, and then the episode before goes on
        self._see = see
        return {"features": features, "location": bx.clip(sequence.relative[start])}

    def look(self, frame: int) -> Observation:
        """A later observation: the features of the frame."""
        return {"features": self._see[frame], "location": np.zeros(4, np.float32)}

    def pointed(self, action: tuple[float, ...]) -> tuple[float, ...]:
        """The box relative to the image that an action stands for."""
        return action

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that is not there.
        """
        super().reset(seed=seed)
        clips = self.clips_to_draw_from()
        (number,), (start,), (stop,) = (one.tolist() for one in clips.choose([self.np_random], options or {}))
        sequence = clips.sequences[clips.names[number]]
        observation = self.begin(sequence, start)
        self._last = sequence.part(clips.split).stop - 1
        self._sequence, self._clip, self._frame = sequence, range(start, stop), start
        self._prediction = None
        if self.render_mode == "human":
            self.render()
        return observation, describe(sequence, start)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take the box for the frame last observed, and show the next one.

        Raises:
            InputError: the action is not four finite numbers.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        frame, sequence = self._frame, self._sequence
        if sequence is None or frame >= self._clip.stop:
            raise gym.error.ResetNeeded("call reset() first: there is no episode, or it is over")
        box = numbers(action, (4,)).tolist()
        if not math.isfinite(sum(box)):
            raise InputError(f"the action must be four finite numbers cx, cy, w, h, got {action!r}")
        info = describe(sequence, frame)
        prediction, measured = judge(
            self.pointed(tuple(box)),
            tuple(sequence.relative[frame].tolist()),
            tuple(info["truth"].tolist()),
            sequence.size,
        )
        self._prediction = info["prediction"] = np.array(prediction)
        info |= measured if sequence.annotated[frame] else UNKNOWN
        self._frame = frame + 1
        if self.render_mode == "human":
            self.render()
        observation = self.look(min(frame + 1, self._last))
        over = frame + 1 == self._clip.stop
        return observation, info[f"reward_{self._reward}"], False, over, info

    def render(self) -> np.ndarray | None:
        """The frame last acted on with the true box (green) and the agent's (red), ``(height, width, 3)`` uint8 RGB.

        Before the first action it is the first frame. In ``human`` mode it goes to a window instead.
        """
        if self._sequence is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        shown = picture(self._sequence, self._frame, self._prediction)
        if self.render_mode == "human":
            rendering.show(shown, fps=self.metadata["render_fps"])
            return None
        return shown

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.render_mode == "human":
            rendering.close()


def numbers(action: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An action, or a batch of them, as float32 of this shape.

    Raises:
        InputError: it has another shape, or is no array of numbers.
    """
    try:
        box = np.asarray(action, dtype=np.float32)
    except (TypeError, ValueError):
        box = np.empty(0, np.float32)
    if box.shape != shape:
        what = "the action must be" if len(shape) == 1 else f"the actions must be {shape[0]} times"
        raise InputError(f"{what} four finite numbers cx, cy, w, h, got {action!r}")
    return box


def judge(box: Array, relative: Array, truth: Array, size: Size | Array) -> tuple[Array, dict[str, Array]]:
    """Measure actions against true boxes, all tuples of components: floats, or arrays ``(n,)``.

    Args:
        box: relative, as the agent gave it.
        relative: the true one.
        truth: the same in pixels.
        size: width and height of the frame.

    Returns:
        The box in pixels, clipped to the image, and the measures by their names in an info.
    """
    prediction = bx.to_pixels(bx.clip(box), size)
    terms = {name: formula(box, relative) for name, formula in TERMS.items()}
    return prediction, {"iou": terms["reward_iou"], "centre_error": bx.centre_error(prediction, truth)} | terms


def describe(sequence: Sequence, frame: int) -> dict[str, Any]:
    """What every info says of a frame."""
    return {
        "dataset": sequence.dataset,
        "sequence": sequence.name,
        "frame": frame,
        "truth": sequence.boxes[frame].copy(),
    }


def picture(sequence: Sequence, frame: int, prediction: np.ndarray | None) -> np.ndarray:
    """The frame before the one last observed, with the box that was said for it; without one, the frame observed."""
    acted = frame if prediction is None else frame - 1
    drawn = {"truth": sequence.boxes[acted]} | ({} if prediction is None else {"agent": prediction})
    return rendering.draw(sequence.frames[acted], drawn)


def refuse(words: Iterable[str], *constructors: type) -> None:
    """Refuse a keyword that no constructor has, and name the nearest one that there is.

    Raises:
        UnknownArgumentError: there is such a keyword.
    """
    each = [one for of in constructors for one in inspect.signature(of).parameters.values()]
    known = list(dict.fromkeys(one.name for one in each if one.kind is not one.VAR_KEYWORD))
    for word in words:
        if word not in known:
            # As Python's own message begins: some libraries read it to learn what they may leave out.
            raise UnknownArgumentError(
                f"unexpected keyword argument {word!r}{nearest(word, known)}; the arguments are {', '.join(known)}"
            )
