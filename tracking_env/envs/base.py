"""What all environments share: one episode follows one target through a clip, and each action is a box."""

import inspect
import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.boxes import Array
from tracking_env.datasets import loading
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs import rewards
from tracking_env.envs.clips import Clips
from tracking_env.envs.frame_observations import FrameObserver
from tracking_env.errors import InputError, UnknownArgumentError, suggest

Observation = dict[str, np.ndarray]
Box = tuple[float, ...]
"""One box as a tuple of four floats: in a single environment ten times as fast as an array of them."""
REWARD_TERMS = {f"reward_{name}": formula for name, formula in rewards.REWARDS.items()}
Sequences = str | Iterable[str | Sequence] | None
"""The argument ``sequences``, see `tracking_env.datasets.loading.load`."""
NO_TRUTH = {"iou": 0.0, "centre_error": math.nan} | dict.fromkeys(REWARD_TERMS, 0.0)
"""In place of `measure` in a frame without a true box."""


class RewardSwitch:
    """The property ``reward``: the name of the reward that `step` returns."""

    @property
    def reward(self) -> str:
        """``l1`` (Eq. 2) or ``iou`` (Eq. 3)."""
        return self._reward

    @reward.setter
    def reward(self, name: str) -> None:
        if name not in rewards.REWARDS:
            raise InputError(f"unknown reward {name!r}; choose one of {', '.join(rewards.REWARDS)}")
        self._reward = name


class TrackEnv(RewardSwitch, gym.Env[Any, np.ndarray]):
    """Base of the environments. A subclass says which clips there are, and what is observed of a frame.

    A subclass overrides `episode_clips`, and either `observer` (the observation depends on the frame alone) or
    `first_observation`, `next_observation` and `predicted_boxes` (it depends on the actions too).

    Args:
        observation_space: space of the observations.
        reward: ``l1`` or ``iou``.
        render_mode: ``rgb_array``, ``human`` or None.
        action_space: by default a box relative to the image.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 25}  # noqa: RUF012 (Gymnasium's convention)

    def __init__(
        self,
        observation_space: spaces.Space,
        reward: str,
        render_mode: str | None,
        action_space: spaces.Box | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise InputError(f"unknown render_mode {render_mode!r}; choose rgb_array, human or None")
        self.render_mode = render_mode
        self.reward = reward
        self.observation_space = observation_space
        self.action_space: spaces.Box = action_space or spaces.Box(0.0, 1.0, (4,), np.float32)
        self._sequence: Sequence | None = None
        self._clip = range(0)
        self._frame = 0  # the frame observed last, which the next action is for
        self._prediction: np.ndarray | None = None  # pixel box in the frame before it

    def episode_clips(self) -> Clips:
        """The clips that the next episode is drawn from."""
        raise NotImplementedError

    def observer(self, sequence: Sequence) -> FrameObserver:
        """Gives the features of a sequence's frames."""
        raise NotImplementedError

    def first_observation(self, sequence: Sequence, start: int) -> Any:
        """The observation of an episode's first frame: its features, and the true box."""
        observer = self.observer(sequence)
        features = observer.observe(start)
        self._observer = observer  # only now: if the features cannot be had, the episode before goes on
        return {"features": features, "location": bx.clip_box(sequence.relative[start])}

    def next_observation(self, frame: int) -> Any:
        """The observation of a later frame: its features, and zeros in place of the true box."""
        return {"features": self._observer.observe(frame), "location": np.zeros(4, np.float32)}

    def predicted_boxes(self, action: Box) -> tuple[Box, Box]:
        """The box that an action stands for, once relative to the image (for the rewards) and once in pixels."""
        assert self._sequence is not None
        return action, bx.to_pixels(bx.clip_box(action), self._sequence.size)

    @property
    def current_frame(self) -> np.ndarray:
        """The frame observed last, which the next action is for: ``(height, width, 3)`` uint8 RGB.

        Raises:
            gymnasium.error.ResetNeeded: there is no episode yet.
        """
        if self._sequence is None:
            raise gym.error.ResetNeeded("call reset() before current_frame")
        return self._sequence.frames[min(self._frame, self._last_frame)]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that does not exist.
        """
        super().reset(seed=seed)
        clips = self.episode_clips()
        numbers, starts, stops = clips.choose([self.np_random], options or {})
        sequence = clips.sequences[clips.names[int(numbers[0])]]
        start, stop = int(starts[0]), int(stops[0])
        observation = self.first_observation(sequence, start)
        # An error above leaves the episode before as it was; from here on the new one counts.
        self._sequence = sequence
        self._clip = range(start, stop)
        self._last_frame = sequence.part(clips.split).stop - 1
        self._frame = start
        self._prediction = None
        if self.render_mode == "human":
            self.render()
        return observation, frame_info(sequence, start)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take the action as the box in the frame observed last, and observe the next frame.

        Args:
            action: an element of the action space, ``(4,)`` for a box.

        Returns:
            Observation, reward, terminated (False), truncated, and info of the frame acted on.

        Raises:
            InputError: the action is not four finite numbers.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        if self._sequence is None or self._frame >= self._clip.stop:
            raise gym.error.ResetNeeded("call reset() first: there is no episode, or it is over")
        sequence, frame = self._sequence, self._frame
        box = as_boxes(action, self.action_space.shape).tolist()
        # One test for all: a NaN or infinity survives the sum, and float32 numbers cannot overflow a float64 sum.
        if not math.isfinite(sum(box)):
            raise InputError(f"the action must be {describe_numbers(len(box))}, got {action!r}")

        # Compare the predicted box with the true one. Rewards are of relative boxes, so that the image's size does not
        # matter; the centre error is in pixels.
        relative, pixels = self.predicted_boxes(tuple(box))
        info = frame_info(sequence, frame)
        self._prediction = info["prediction"] = np.array(pixels)
        if sequence.annotated[frame]:
            truth = tuple(sequence.relative[frame].tolist())
            info |= measure(relative, pixels, truth, tuple(info["truth"].tolist()))
        else:
            info |= NO_TRUTH
        reward = info[f"reward_{self._reward}"]

        self._frame = frame + 1
        if self.render_mode == "human":
            self.render()
        # After a split's last frame there is no next one: observations never show frames of another split.
        observation = self.next_observation(min(self._frame, self._last_frame))
        # The clip's end is a time limit, not a property of the task: truncated, never terminated.
        truncated = self._frame == self._clip.stop
        return observation, reward, False, truncated, info

    def render(self) -> np.ndarray | None:
        """The frame acted on last with the true box (green) and the predicted one (red).

        Returns:
            ``(height, width, 3)`` uint8 RGB; before the first action, the episode's first frame. None in ``human``
            mode, which shows the same picture in a window (with a warning where there is no display), and without a
            render mode, with a warning.

        Raises:
            gymnasium.error.ResetNeeded: there is no episode yet.
        """
        if self.render_mode is None:
            warn_without_render_mode()
            return None
        if self._sequence is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        picture = draw_frame(self._sequence, self._frame, self._prediction)
        if self.render_mode == "human":
            # On a server an episode goes on without a window, as Gymnasium's own environments do.
            if rendering.has_display():
                rendering.show(picture, fps=self.metadata["render_fps"])
            else:
                gym.logger.warn("there is no display for render_mode='human'; use render_mode='rgb_array'")
            return None
        return picture

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.render_mode == "human" and rendering.has_display():
            rendering.close_window()


def as_boxes(action: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An action, such as a box ``(4,)``, or a batch of them ``(N, 4)``, as float32.

    Raises:
        InputError: it has another shape, or is no array of numbers.
    """
    try:
        boxes = np.asarray(action, dtype=np.float32)
    except (TypeError, ValueError):
        boxes = np.empty(0, np.float32)
    if boxes.shape != shape:
        subject = "the action must be" if len(shape) == 1 else f"the actions must be {shape[0]} times"
        raise InputError(f"{subject} {describe_numbers(shape[-1])}, got {action!r}")
    return boxes


def describe_numbers(count: int) -> str:
    """What an action of so many numbers is, in words."""
    return "four finite numbers cx, cy, w, h" if count == 4 else f"{count} finite numbers"


def measure(relative: Array, pixels: Array, relative_truth: Array, truth: Array) -> dict[str, Array]:
    """Compare predicted boxes with true ones, each given relative to the image and in pixels.

    Args:
        relative: the predicted boxes relative to the image: a tuple of four floats, or of four arrays ``(n,)``.
        pixels: the same in pixels.
        relative_truth: the true boxes relative to the image.
        truth: the same in pixels.

    Returns:
        ``iou``, ``centre_error`` (pixels), ``reward_l1`` and ``reward_iou``, floats or ``(n,)``.
    """
    terms = {name: formula(relative, relative_truth) for name, formula in REWARD_TERMS.items()}
    return {"iou": terms["reward_iou"], "centre_error": bx.centre_error(pixels, truth)} | terms


def frame_info(sequence: Sequence, frame: int) -> dict[str, Any]:
    """The entries of ``info`` about a frame: ``dataset``, ``sequence``, ``frame`` and the true pixel box ``truth``."""
    return {
        "dataset": sequence.dataset,
        "sequence": sequence.name,
        "frame": frame,
        "truth": sequence.boxes[frame].copy(),
    }


def warn_without_render_mode() -> None:
    """Warn that `render` has nothing to return, as Gymnasium's own environments do."""
    gym.logger.warn("render() returns nothing without a render mode; make the environment with render_mode='rgb_array'")


def draw_frame(sequence: Sequence, frame: int, prediction: np.ndarray | None) -> np.ndarray:
    """The frame before ``frame`` with its true and its predicted box; ``frame`` itself if nothing was predicted yet.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    if prediction is None:
        return rendering.draw(sequence.frames[frame], {"truth": sequence.boxes[frame]})
    return rendering.draw(sequence.frames[frame - 1], {"truth": sequence.boxes[frame - 1], "agent": prediction})


def load_sequences(id: str, root: str | Path | None, sequences: Sequences) -> list[Sequence]:
    """The sequences of an environment; drawn ones, with a warning, if neither argument is given.

    Args:
        id: the environment's id, for the warning.
        root: folder of the sequences.
        sequences: names, or `Sequence` objects, see `tracking_env.datasets.loading.load`.

    Raises:
        InputError: a sequence cannot be loaded.
    """
    if root is None and sequences is None:
        warnings.warn(
            f"no folder given: {id} runs on drawn sequences ({loading.EMBEDDED}). "
            f"Give root='OTB' for real video, or sequences='{loading.EMBEDDED}' to mean it",
            stacklevel=3,  # the line that makes the environment
        )
    return loading.load(root, sequences)


def refuse_unknown(arguments: Iterable[str], *constructors: type) -> None:
    """Refuse keyword arguments that none of the constructors has, and name the nearest that exists.

    Raises:
        UnknownArgumentError: an argument is unknown.
    """
    known = []
    for constructor in constructors:
        for parameter in inspect.signature(constructor).parameters.values():
            if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in known:
                known.append(parameter.name)
    for name in arguments:
        if name not in known:
            # It begins as Python's own message: some libraries read it to learn which arguments to leave out.
            raise UnknownArgumentError(
                f"unexpected keyword argument {name!r}{suggest(name, known)}; the arguments are {', '.join(known)}"
            )
