"""What the vector environments share: seeds, resets and autoresets, infos, and the order of a step."""

from collections.abc import Sequence as Many
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tracking_env.boxes import Array
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.base import (
    NO_TRUTH,
    RewardSwitch,
    TrackEnv,
    as_boxes,
    describe_numbers,
    draw_frame,
    measure,
    refuse_unknown,
    warn_without_render_mode,
)
from tracking_env.envs.clips import ChosenClips
from tracking_env.envs.vector.episodes import Episodes
from tracking_env.envs.vector.frame_table import FrameTable
from tracking_env.envs.vector.infos import batch_info, batch_info_of, final_info
from tracking_env.errors import InputError


class TrackVectorEnv(RewardSwitch, VectorEnv[Any, np.ndarray, np.ndarray]):
    """``num_envs`` times a single environment. ``gym.make_vec`` makes it.

    Observations, rewards, ends and infos are those of as many single environments in a ``SyncVectorEnv``, bit for bit.

    A subclass overrides `observation` and `predicted_boxes`, and what else depends on the actions.

    Args:
        num_envs: N.
        autoreset_mode: what follows the end of an episode. ``NextStep``: the next step starts a new episode and ignores
            the action. ``SameStep``: the step that ends the episode also starts a new one; its info holds ``final_obs``
            and ``final_info``. ``Disabled``: call ``reset(options={"reset_mask": mask})``, where ``mask`` is a ``(N,)``
            bool array of the environments to reset.
        render_mode: ``rgb_array`` or None.
        arguments: those of the single environment.

    ``reset(seed=s)`` seeds environment ``i`` with ``s + i``; a list gives each its own. The property ``reward`` (or
    ``set_attr``) switches the reward of all environments.

    Raises:
        InputError: an argument is unknown or out of range.
    """

    single: type[TrackEnv]

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
        refuse_unknown(arguments, TrackVectorEnv, self.single)
        env: Any = self.single(render_mode=render_mode, **arguments)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = env.metadata | {"autoreset_mode": self.autoreset_mode}
        self.reward = env.reward
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, num_envs)
        self.action_space = batch_space(env.action_space, num_envs)
        self._env = env
        self._table = FrameTable(env.episode_clips())
        self._everyone = np.arange(num_envs)
        self._episodes = Episodes(num_envs)
        self._prediction = np.zeros((num_envs, 4))

    def start_episodes(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Prepare the clips' first frames for `look`. An error here leaves all episodes as they are."""

    def look(self, environments: np.ndarray) -> None:
        """Observe the current frames of some environments, which are those of `frames_now`."""

    def observation(self) -> Any:
        """The observation of all environments in their current frames, as new arrays ``(N, ...)``."""
        raise NotImplementedError

    def predicted_boxes(self, actions: np.ndarray, acting: np.ndarray) -> tuple[Array, Array]:
        """The boxes that actions stand for, as tuples of components ``(N,)``: relative to the image, and in pixels.

        Args:
            actions: ``(A, N)`` float64, the components first.
            acting: which environments act, ``(N,)`` bool; of the others the boxes do not matter.
        """
        raise NotImplementedError

    def costs(self) -> Array:
        """What is subtracted from the rewards of the frames observed last, ``(N,)``."""
        return 0.0

    def lost(self, measures: dict[str, np.ndarray], acting: np.ndarray) -> np.ndarray:
        """Which episodes terminate by these measures of the frames acted on, ``(N,)`` bool."""
        return np.zeros(self.num_envs, bool)

    def frame_info(self) -> dict[str, np.ndarray]:
        """`base.frame_info` of the frames observed last, as new arrays ``(N, ...)``."""
        return {
            "dataset": self._table.datasets[self._episodes.number],
            "sequence": self._table.names[self._episodes.number],
            "frame": self._episodes.frame.copy(),
            "truth": self._table.truth[self._rows()],
        }

    def observation_info(self) -> dict[str, np.ndarray]:
        """The part of ``info`` that belongs to the observation, as new arrays ``(N, ...)``."""
        return {}

    @property
    def sequences(self) -> dict[str, Sequence]:
        """The sequences that episodes are drawn from, by name."""
        return self._env.episode_clips().sequences

    @property  # type: ignore[misc]  # as SyncVectorEnv has it
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each environment's generator; empty before the first `reset`."""
        return tuple(self._episodes.generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed of each generator."""
        return tuple(self._episodes.seeds)

    def reset(
        self, *, seed: int | Many[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every environment, or in those of ``options["reset_mask"]``.

        Args:
            seed: see the class; with None the generators go on as they are.
            options: those of the single environment, the same for all environments; and ``reset_mask``.

        Returns:
            Observations ``(N, ...)``, and the infos of the environments that were reset.

        Raises:
            InputError: an option is unknown, names a sequence, start or length that does not exist, or the mask is
                wrong. Then all episodes go on as they were.
            gymnasium.error.ResetNeeded: the mask leaves out an environment that was never reset.
        """
        clip_options = dict(options or {})
        mask = self._episodes.check_mask(clip_options.pop("reset_mask", None))
        environments = np.flatnonzero(mask)
        self._episodes.seed(seed, environments)
        self._begin_episodes(environments, clip_options)
        self.look(environments)
        return self.observation(), batch_info_of(self.frame_info() | self.observation_info(), mask)

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take the actions for the frames observed last, and observe the next frames.

        Args:
            actions: ``(N, A)``. The action of an environment that only starts a new episode in this step is ignored.

        Returns:
            Observations ``(N, ...)``, rewards ``(N,)`` float64, terminated and truncated ``(N,)`` bool, and info: for
            each key of the single environment's an array ``(N, ...)``, and under ``_key`` which environments have it.

        Raises:
            InputError: an action is not as many finite numbers as the action space has. Then no environment has
                stepped.
            gymnasium.error.ResetNeeded: there is no episode, or one is over and autoreset is disabled.
        """
        self._episodes.check_begun()
        over = self._episodes.over  # these episodes ended in the step before: now they only start anew
        any_over = bool(over.any())
        if any_over and self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            indices = np.flatnonzero(over).tolist()
            raise gym.error.ResetNeeded(f"the episodes of environments {indices} are over; reset them by reset_mask")
        checked = self._check_actions(actions, over)

        info, acting = self.frame_info(), ~over
        measures = self._measure(*self.predicted_boxes(checked, acting), info["truth"])
        reward = measures[f"reward_{self._reward}"] - self.costs()
        reward[over] = 0.0

        # Episodes that are over stay where they are until they begin anew below.
        self._episodes.frame = self._episodes.frame + acting
        terminated = self.lost(measures, acting)
        truncated = self._episodes.over & acting & ~terminated
        self._episodes.stop[terminated] = self._episodes.frame[terminated]

        starting = over if any_over else None  # the environments that start a new episode in this step
        last_info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and (ended := terminated | truncated).any():
            # The last observation of an episode is in its final info, so it is made as well as that of the next one.
            self.look(self._everyone)
            starting = ended
            last_info = final_info(self.observation(), info | measures | self.observation_info(), ended)
            self._begin_episodes(np.flatnonzero(ended), {})
            self.look(np.flatnonzero(ended))
        else:
            if any_over:
                self._begin_episodes(np.flatnonzero(over), {})
            self.look(self._everyone)

        if starting is None:
            infos = batch_info(info | measures | self.observation_info(), np.ones(self.num_envs, bool))
        else:
            first_info = self.frame_info()
            for key, value in first_info.items():  # into new arrays: final_info holds the others
                value[~starting] = info[key][~starting]
            infos = batch_info(first_info | self.observation_info(), np.ones(self.num_envs, bool))
            infos |= batch_info_of(measures, ~starting) | last_info
        return self.observation(), reward, terminated, truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The picture of each environment, ``(height, width, 3)`` uint8 RGB; see `TrackEnv.render`.

        Raises:
            gymnasium.error.ResetNeeded: there are no episodes yet.
        """
        if self.render_mode is None:
            warn_without_render_mode()
            return None
        self._episodes.check_begun()
        pictures = []
        for index in range(self.num_envs):
            frame = int(self._episodes.frame[index])
            prediction = None if frame == self._episodes.start[index] else self._prediction[index]
            pictures.append(draw_frame(self._table.sequences[self._episodes.number[index]], frame, prediction))
        return tuple(pictures)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of the single environment, ``num_envs`` times."""
        return (getattr(self if hasattr(self, name) else self._env, name),) * self.num_envs

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each environment: ``render``, or any other that `get_attr` returns."""
        if name == "render":
            return self.render() or (None,) * self.num_envs
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

    def _begin_episodes(self, environments: np.ndarray, options: dict[str, Any]) -> None:
        """Choose a clip for each of the environments; on an error all stay where they are."""
        clips = self._episodes.choose(self._env.episode_clips(), environments, options)
        self.start_episodes(environments, clips)
        self._episodes.begin(environments, clips)

    def _check_actions(self, actions: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """The actions by components, ``(A, N)`` float64; those of the ignored environments may be anything."""
        # Components first and contiguous, as in the table.
        checked = as_boxes(actions, self.action_space.shape or ()).T.astype(np.float64, order="C")
        # One sum tells whether all are finite; which are not is looked for only then.
        if not np.isfinite(checked.sum()):
            wrong = np.flatnonzero(~np.isfinite(checked).all(axis=0) & ~ignored)
            if len(wrong):
                raise InputError(
                    f"the action must be {describe_numbers(len(checked))}, "
                    f"got {checked[:, wrong[0]]} for environment {wrong[0]}"
                )
        return checked

    def _rows(self) -> np.ndarray:
        """The rows of the frames observed last, ``(N,)``; after a split's last frame, that one again."""
        return self._table.rows(self._episodes.number, self._episodes.frame)

    def _measure(self, relative: Array, pixels: Array, truth: np.ndarray) -> dict[str, np.ndarray]:
        """``prediction`` and the measures of `base.measure`, for boxes by components and true boxes ``(N, 4)``."""
        rows = self._rows()
        measures = measure(relative, pixels, tuple(self._table.relative.take(rows, axis=1)), tuple(truth.T))
        if not self._table.all_annotated:
            annotated = self._table.annotated[rows]
            measures = {key: np.where(annotated, value, NO_TRUTH[key]) for key, value in measures.items()}
        self._prediction = np.array(pixels).T
        return {"prediction": self._prediction.copy()} | measures
