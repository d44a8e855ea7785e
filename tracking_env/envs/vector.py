"""Many episodes of OTBTrack-v0 at once, stepped as arrays."""

from collections.abc import Sequence as Many
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tracking_env import boxes as bx
from tracking_env.envs.base import NO_TRUTH, Observation, RewardSwitch, as_boxes, draw_frame, measure, refuse_unknown
from tracking_env.envs.frame_table import FrameTable
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.envs.otb_track_pixels import OTBTrackPixelsEnv
from tracking_env.errors import InputError


class OTBTrackVectorEnv(RewardSwitch, VectorEnv[Observation, np.ndarray, np.ndarray]):
    """``num_envs`` times `OTBTrackEnv`, stepped by array operations; ``gym.make_vec("OTBTrack-v0")`` makes it.

    Observations, rewards, ends and infos are those of as many single environments in a ``SyncVectorEnv``, bit for bit.
    The features of every frame observed so far stay in memory, in the observation's type (4 D bytes a frame). So a
    step gathers them in one operation. For data sets larger than memory, or where frames must be decoded or extracted
    all the time, use processes: ``gym.make_vec(..., vectorization_mode="async")``.

    Args:
        num_envs: N.
        autoreset_mode: what follows the end of an episode. ``NextStep``: the next step starts a new episode and ignores
            the action. ``SameStep``: the step that ends the episode also starts a new one; its info holds ``final_obs``
            and ``final_info``. ``Disabled``: call ``reset(options={"reset_mask": mask})``, where ``mask`` is a ``(N,)``
            bool array of the environments to reset.
        render_mode: ``rgb_array`` or None.
        arguments: those of `OTBTrackEnv`.

    ``reset(seed=s)`` seeds environment ``i`` with ``s + i``; a list gives each its own. The property ``reward`` (or
    ``set_attr``) switches the reward of all environments.

    Raises:
        InputError: an argument is unknown or out of range.

    Example:
        >>> envs = gym.make_vec("OTBTrack-v0", num_envs=8, sequences="synthetic:0-31")
        >>> observation, info = envs.reset(seed=0)
        >>> observation["location"].shape
        (8, 4)
    """

    single: type[OTBTrackEnv] = OTBTrackEnv

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs is {num_envs}; give a number of environments >= 1")
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            known = ", ".join(mode.value for mode in AutoresetMode)
            raise InputError(f"unknown autoreset_mode {autoreset_mode!r}; choose one of {known}") from None
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode is {render_mode!r}; many environments have rgb_array, or None")
        refuse_unknown(arguments, type(self), self.single)
        env = self.single(render_mode=render_mode, **arguments)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = env.metadata | {"autoreset_mode": self.autoreset_mode}
        self.reward = env.reward
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, num_envs)
        self.action_space = batch_space(env.action_space, num_envs)
        self._env = env
        self._table = FrameTable(env)
        self._generators: list[np.random.Generator] = []
        self._seeds: list[int | None] = []
        # Of each environment: its sequence, its clip's first frame and end, and the frame observed last.
        self._number, self._start, self._stop, self._frame = np.zeros((4, num_envs), np.intp)
        self._location = np.zeros((num_envs, 4), np.float32)
        self._prediction = np.zeros((num_envs, 4))

    @property
    def sequences(self) -> dict[str, Any]:
        """The sequences that episodes are drawn from, by name."""
        return self._env.sequences

    @property  # type: ignore[misc]  # as SyncVectorEnv has it
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each environment's generator; empty before the first `reset`."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed of each generator."""
        return tuple(self._seeds)

    def reset(
        self, *, seed: int | Many[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every environment, or in those of ``options["reset_mask"]``.

        Args:
            seed: see the class; with None the generators go on as they are.
            options: those of `OTBTrackEnv`, the same for all environments; and ``reset_mask``.

        Returns:
            Observations ``(N, ...)``, and info as of `step`.

        Raises:
            InputError: an option or a seed is out of range.
            gymnasium.error.ResetNeeded: the mask leaves out an environment that was never reset.
        """
        clip_options = dict(options or {})
        mask = self._check_mask(clip_options.pop("reset_mask", None))
        environments = np.flatnonzero(mask)
        self._seed(seed, environments)
        self._begin_episodes(environments, clip_options)
        return self._observe(), _batch_info_of(self._frame_info(), mask)

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take the actions as the boxes in the frames observed last, and observe the next frames.

        Args:
            actions: ``(N, 4)``. The action of an environment that only starts a new episode in this step is ignored.

        Returns:
            Observations ``(N, ...)``, rewards ``(N,)`` float64, terminated and truncated ``(N,)`` bool, and info: for
            each key of the single environment's an array ``(N, ...)``, and under ``_key`` which environments have it.

        Raises:
            InputError: an action is not four finite numbers. Then no environment has stepped.
            gymnasium.error.ResetNeeded: there is no episode, or one is over and autoreset is disabled.
        """
        self._check_begun()
        over = self._frame == self._stop  # these episodes ended in the step before: now they only start anew
        any_over = bool(over.any())
        if any_over and self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            ended = np.flatnonzero(over).tolist()
            raise gym.error.ResetNeeded(f"the episodes of environments {ended} are over; reset them by reset_mask")
        boxes = self._check_actions(actions, over)

        info = self._frame_info()
        measures = self._measure(boxes, info["truth"])
        reward = measures[f"reward_{self._reward}"].copy()

        # Episodes that are over stay where they are until they begin anew below.
        self._frame = self._frame + ~over
        self._location = np.zeros((self.num_envs, 4), np.float32)
        truncated = (self._frame == self._stop) & ~over

        starting = over if any_over else None  # the environments that start a new episode in this step
        final_info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and truncated.any():
            starting, final_info = truncated, self._final_info(info | measures, truncated)
        if starting is None:
            infos = _batch_info(info | measures, np.ones(self.num_envs, bool))
        else:
            reward[over] = 0.0
            self._begin_episodes(np.flatnonzero(starting), {})
            first_info = self._frame_info()
            for key, value in first_info.items():  # into new arrays: final_info holds the others
                value[~starting] = info[key][~starting]
            infos = _batch_info(first_info, np.ones(self.num_envs, bool))
            infos |= _batch_info_of(measures, ~starting) | final_info
        return self._observe(), reward, np.zeros(self.num_envs, bool), truncated, infos

    def render(self) -> tuple[np.ndarray, ...]:
        """The picture of each environment, ``(height, width, 3)`` uint8 RGB; see `OTBTrackEnv.render`.

        Raises:
            gymnasium.error.ResetNeeded: there are no episodes yet.
        """
        self._check_begun()
        pictures = []
        for index in range(self.num_envs):
            frame = int(self._frame[index])
            prediction = None if frame == self._start[index] else self._prediction[index]
            pictures.append(draw_frame(self._table.sequences[self._number[index]], frame, prediction))
        return tuple(pictures)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of the single environment, ``num_envs`` times."""
        return (getattr(self if hasattr(self, name) else self._env, name),) * self.num_envs

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each environment: ``render``, or any other that `get_attr` returns."""
        if name == "render":
            return self.render()
        return tuple(value(*args, **kwargs) if callable(value) else value for value in self.get_attr(name))

    def set_attr(self, name: str, values: Any) -> None:
        """Set ``reward``, the only attribute that can be set, to one value for all environments.

        Raises:
            InputError: it is another attribute, or there are several values.
        """
        different = set(values) if isinstance(values, list | tuple) else {values}
        if name != "reward" or len(different) != 1:
            raise InputError(f"cannot set {name} to {values!r}; set reward, to one reward for all environments")
        self.reward = different.pop()

    def _check_mask(self, mask: Any) -> np.ndarray:
        """The environments to reset, ``(N,)`` bool; all of them if ``mask`` is None."""
        if mask is None:
            return np.ones(self.num_envs, bool)
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.num_envs,):
            raise InputError(f"reset_mask is {mask!r}; give a NumPy array of {self.num_envs} bool")
        if not mask.any():
            raise InputError("reset_mask names no environment; give at least one True")
        if not mask.all():
            self._check_begun()
        return mask

    def _seed(self, seed: int | Many[int | None] | None, environments: np.ndarray) -> None:
        """Give the environments new generators; without a seed only those that have none."""
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + index for index in range(self.num_envs)]
        elif len(seed) == self.num_envs:
            seeds = list(seed)
        else:
            raise InputError(f"got {len(seed)} seeds for {self.num_envs} environments; give one each, or one number")
        # The first reset makes all generators; those without a seed from the system's randomness.
        if not self._generators:
            pairs = [seeding.np_random(number) for number in seeds]
            self._generators = [generator for generator, _ in pairs]
            self._seeds = [number for _, number in pairs]
            return
        for index in environments.tolist():
            if seeds[index] is not None:
                self._generators[index], self._seeds[index] = seeding.np_random(seeds[index])

    def _begin_episodes(self, environments: np.ndarray, options: dict[str, Any]) -> None:
        """Start an episode in each of the environments; on an error all stay where they are."""
        generators = [self._generators[index] for index in environments.tolist()]
        # These two can raise errors, so the fields change only after them.
        clips = self._env.clips.choose(generators, options)
        self._table.fill(clips)
        first_boxes = self._table.relative[:, self._table.rows(clips.number, clips.start)]
        location = self._location.copy()  # the array before belongs to the caller
        location[environments] = bx.clip_box(first_boxes).T
        self._location = location
        self._number[environments] = clips.number
        self._start[environments] = clips.start
        self._stop[environments] = clips.stop
        self._frame[environments] = clips.start

    def _check_begun(self) -> None:
        if not self._generators or not self._stop.all():
            raise gym.error.ResetNeeded("call reset() first: there are no episodes")

    def _check_actions(self, actions: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """The actions by components, ``(4, N)`` float64; those of the ignored environments may be anything."""
        # Components first and contiguous, as in the table.
        boxes = as_boxes(actions, (self.num_envs, 4)).T.astype(np.float64, order="C")
        # One sum tells whether all are finite; which are not is looked for only then.
        if not np.isfinite(boxes.sum()):
            wrong = np.flatnonzero(~np.isfinite(boxes).all(axis=0) & ~ignored)
            if len(wrong):
                raise InputError(
                    "the action must be four finite numbers cx, cy, w, h, "
                    f"got {boxes[:, wrong[0]]} for environment {wrong[0]}"
                )
        return boxes

    def _rows(self) -> np.ndarray:
        """The rows of the frames observed last, ``(N,)``; after a split's last frame, that one again."""
        return self._table.rows(self._number, self._frame)

    def _observe(self) -> Observation:
        return {"features": np.take(self._table.features, self._rows(), axis=0), "location": self._location}

    def _frame_info(self) -> dict[str, np.ndarray]:
        """`base.frame_info` of the frames observed last, as arrays."""
        return {
            "dataset": self._table.datasets[self._number],
            "sequence": self._table.names[self._number],
            "frame": self._frame.copy(),
            "truth": self._table.truth[self._rows()],
        }

    def _measure(self, boxes: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
        """``prediction`` and the measures of `base.measure`, for actions ``(4, N)`` and true pixel boxes ``(N, 4)``."""
        rows = self._rows()
        relative = tuple(boxes)
        pixels = bx.to_pixels(bx.clip_box(relative), tuple(self._table.size.take(self._number, axis=1)))
        measures = measure(relative, pixels, tuple(self._table.relative.take(rows, axis=1)), tuple(truth.T))
        if not self._table.all_annotated:
            annotated = self._table.annotated[rows]
            measures = {key: np.where(annotated, value, NO_TRUTH[key]) for key, value in measures.items()}
        self._prediction = np.array(pixels).T
        return {"prediction": self._prediction.copy()} | measures

    def _final_info(self, info: dict[str, np.ndarray], ended: np.ndarray) -> dict[str, Any]:
        """``final_obs`` and ``final_info`` of the episodes that ended: the step itself returns the new episodes'."""
        observation = self._observe()
        final_observations = np.full(self.num_envs, None, object)
        # Gymnasium expects a dict per environment here, not a dict of batches.
        for index in np.flatnonzero(ended).tolist():
            final_observations[index] = {key: value[index] for key, value in observation.items()}
        return {
            "final_obs": final_observations,
            "_final_obs": ended,
            "final_info": _batch_info_of(info, ended),
            "_final_info": ended,
        }


def _batch_info(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Gymnasium's batched info: each array, and as ``_key`` which environments have it."""
    return values | {f"_{key}": mask for key in values}


def _batch_info_of(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """The batched info of the environments in the mask, blank for the others; empty if the mask is."""
    if not mask.any():
        return {}
    copies = {key: value.copy() for key, value in values.items()}
    for value in copies.values():
        value[~mask] = None if value.dtype == object else 0
    return _batch_info(copies, mask)


class OTBTrackPixelsVectorEnv(OTBTrackVectorEnv):
    """``num_envs`` times `OTBTrackPixelsEnv`, as `OTBTrackVectorEnv`."""

    single = OTBTrackPixelsEnv
