"""Many episodes of OTBTrack-v0 at once, stepped as arrays."""

from collections.abc import Sequence as Many
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tracking_env import boxes as bx
from tracking_env.envs.base import UNKNOWN, Observation, RewardSwitch, judge, numbers, picture, refuse
from tracking_env.envs.clips import Chosen
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.envs.otb_track_pixels import OTBTrackPixelsEnv
from tracking_env.errors import InputError


class OTBTrackVectorEnv(RewardSwitch, VectorEnv[Observation, np.ndarray, np.ndarray]):
    """``num_envs`` times `OTBTrackEnv`, one array operation for all of them; what ``gym.make_vec`` takes by itself.

    Observations, rewards, ends and infos are those of as many single environments in a ``SyncVectorEnv``, to the bit.
    The features of every frame that was ever shown stay in memory, as the observation has them (4 D bytes a frame of
    the split, at most), so that a step gathers them in one go. For more than memory holds, or where frames must be
    decoded or extracted all the time, take processes: ``gym.make_vec(..., vectorization_mode="async")``.

    Args:
        num_envs: N.
        autoreset_mode: what follows an episode's end. ``NextStep``: the next step starts a new one and takes no action;
            ``SameStep``: the step that ends it does, and its info holds ``final_obs`` and ``final_info``; ``Disabled``:
            nothing, until ``reset(options={"reset_mask": ...})``, a ``(N,)`` bool array of the environments to reset.
        render_mode: ``rgb_array`` or None.
        arguments: those of `OTBTrackEnv`.

    ``reset(seed=s)`` seeds environment ``i`` with ``s + i``; a list gives each its own. ``reward`` switches the reward
    of all of them (``set_attr`` too).

    Raises:
        InputError: an argument is unknown or wrong.
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
        refuse(arguments, type(self), self.single)
        env = self.single(render_mode=render_mode, **arguments)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = env.metadata | {"autoreset_mode": self.autoreset_mode}
        self.reward = env.reward
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, num_envs)
        self.action_space = batch_space(env.action_space, num_envs)
        self._env = env
        self._tables()
        self._generators: list[np.random.Generator] = []
        self._seeds: list[int | None] = []
        # Of each environment: its sequence, its clip, the frame last observed, and what was seen and said of it.
        self._number, self._start, self._stop, self._frame = np.zeros((4, num_envs), np.intp)
        self._location = np.zeros((num_envs, 4), np.float32)
        self._prediction = np.zeros((num_envs, 4))

    def _tables(self) -> None:
        """The frames of all sequences' parts after each other, M rows."""
        clips = self._env.clips
        self._sequences = list(clips.sequences.values())
        parts = [one.part(clips.split) for one in self._sequences]
        ends = np.cumsum([len(part) for part in parts])
        self._row = ends - [part.stop for part in parts]  # of each sequence's frame 0, if that were in its part
        self._last = np.array([part.stop - 1 for part in parts])
        self._names = np.array([one.name for one in self._sequences], object)
        self._datasets = np.array([one.dataset for one in self._sequences], object)
        self._size = np.array([one.size for one in self._sequences], np.float64).T  # (2, K)
        inside = [slice(part.start, part.stop) for part in parts]
        both = list(zip(self._sequences, inside, strict=True))
        self._truth = np.concatenate([one.boxes[part] for one, part in both])  # (M, 4)
        self._relative = np.concatenate([one.relative[part] for one, part in both], dtype=np.float64).T.copy()  # (4, M)
        self._known = np.concatenate([one.annotated[part] for one, part in both])  # (M,)
        self._all_known = bool(self._known.all())
        space = self._env.observation_space["features"]  # type: ignore[index]
        self._features = np.empty((ends[-1], *space.shape), space.dtype)  # no memory is taken before it is filled
        self._filled = np.zeros(ends[-1], bool)
        self._shown = np.zeros(ends[-1], np.intp)  # from each row: up to where a clip was filled

    @property
    def sequences(self) -> dict[str, Any]:
        """Those that episodes are drawn from, by name."""
        return self._env.sequences

    @property  # type: ignore[misc]  # as SyncVectorEnv has it
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each environment's generator; there are none before the first `reset`."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """What each generator was seeded with."""
        return tuple(self._seeds)

    def reset(
        self, *, seed: int | Many[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every environment, or in those of ``options["reset_mask"]``.

        Args:
            seed: see the class; None goes on with the generators as they are.
            options: those of `OTBTrackEnv`, the same for all environments.

        Raises:
            InputError: an option or a seed cannot be used.
            gymnasium.error.ResetNeeded: the mask leaves out an environment that was never reset.
        """
        rest = dict(options or {})
        mask = self._mask(rest.pop("reset_mask", None))
        chosen = np.flatnonzero(mask)
        self._seed(seed, chosen)
        self._begin(chosen, rest)
        return self._observe(), _masked(self._describe(), mask)

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a box for each environment's frame last observed, and show the next ones.

        Args:
            actions: ``(N, 4)``. What an environment is told in the step that only resets it does not matter.

        Returns:
            Observations ``(N, ...)``, rewards ``(N,)`` float64, terminated and truncated ``(N,)`` bool, and infos: an
            array ``(N, ...)`` per key of the single environment's, and under ``_key`` which environments have it.

        Raises:
            InputError: an action is not four finite numbers. No environment has stepped then.
            gymnasium.error.ResetNeeded: there is no episode, or one is over and autoreset is disabled.
        """
        self._check_begun()
        over = self._frame == self._stop
        idle = bool(over.any())
        if idle and self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            ended = np.flatnonzero(over).tolist()
            raise gym.error.ResetNeeded(f"the episodes of environments {ended} are over; reset them by reset_mask")
        boxes = self._check(actions, over)
        info = self._describe()
        measured = self._judge(boxes, info["truth"])
        reward = measured[f"reward_{self._reward}"].copy()
        self._frame = self._frame + ~over
        self._location = np.zeros((self.num_envs, 4), np.float32)
        truncated = (self._frame == self._stop) & ~over
        fresh, final = (over, {}) if idle else (None, {})  # who starts a new episode in this step
        if self.autoreset_mode is AutoresetMode.SAME_STEP and truncated.any():
            fresh, final = truncated, self._final(info | measured, truncated)
        if fresh is None:
            infos = _batched(info | measured, np.ones(self.num_envs, bool))
        else:
            reward[over] = 0.0
            self._begin(np.flatnonzero(fresh), {})
            begun = self._describe()
            for key, value in begun.items():  # into new arrays: the final info has the others
                value[~fresh] = info[key][~fresh]
            infos = _batched(begun, np.ones(self.num_envs, bool)) | _masked(measured, ~fresh) | final
        return self._observe(), reward, np.zeros(self.num_envs, bool), truncated, infos

    def render(self) -> tuple[np.ndarray, ...]:
        """Of each environment what `OTBTrackEnv.render` gives as ``rgb_array``."""
        self._check_begun()
        return tuple(
            picture(self._sequences[number], frame, None if frame == start else box)
            for number, frame, start, box in zip(
                self._number.tolist(), self._frame.tolist(), self._start.tolist(), self._prediction, strict=True
            )
        )

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of the single environment, ``num_envs`` times."""
        return (getattr(self if hasattr(self, name) else self._env, name),) * self.num_envs

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """``render``: a picture of each environment; else as `get_attr`, what it gives called if it can be."""
        if name == "render":
            return self.render()
        found = self.get_attr(name)
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def set_attr(self, name: str, values: Any) -> None:
        """Set ``reward``; environments that step as one have one.

        Raises:
            InputError: it is another attribute, or they are given several values.
        """
        several = set(values) if isinstance(values, list | tuple) else {values}
        if name != "reward" or len(several) != 1:
            raise InputError(f"cannot set {name} to {values!r}; what can be set is one reward for all environments")
        self.reward = several.pop()

    def _mask(self, given: Any) -> np.ndarray:
        """Which environments to reset, ``(N,)`` bool."""
        if given is None:
            return np.ones(self.num_envs, bool)
        if not isinstance(given, np.ndarray) or given.dtype != bool or given.shape != (self.num_envs,):
            raise InputError(f"reset_mask is {given!r}; give a NumPy array of {self.num_envs} bool")
        if not given.any():
            raise InputError("reset_mask names no environment; give at least one True")
        if not given.all():
            self._check_begun()
        return given

    def _seed(self, seed: int | Many[int | None] | None, chosen: np.ndarray) -> None:
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + number for number in range(self.num_envs)]
        elif len(seed) == self.num_envs:
            seeds = list(seed)
        else:
            raise InputError(f"got {len(seed)} seeds for {self.num_envs} environments; give one each, or one number")
        if not self._generators:
            both = [seeding.np_random(one) for one in seeds]
            self._generators, self._seeds = [one for one, _ in both], [one for _, one in both]
            return
        for one in chosen.tolist():
            if seeds[one] is not None:
                self._generators[one], self._seeds[one] = seeding.np_random(seeds[one])

    def _begin(self, chosen: np.ndarray, options: dict[str, Any]) -> None:
        """Start an episode in the chosen environments; on an error they stay where they are."""
        clip = self._env.clips.choose([self._generators[one] for one in chosen.tolist()], options)
        first = self._row[clip.number] + clip.start
        self._fill(clip, first)
        location = self._location.copy()  # the one before is the caller's
        location[chosen] = bx.clip(self._relative[:, first]).T
        self._location = location
        self._number[chosen], self._start[chosen], self._stop[chosen] = clip
        self._frame[chosen] = clip.start

    def _fill(self, clip: Chosen, first: np.ndarray) -> None:
        """Keep what the frames of these clips show, and the one after."""
        after = first - clip.start + np.minimum(clip.stop, self._last[clip.number]) + 1
        for one in np.flatnonzero(self._shown[first] < after).tolist():
            number, row, end = clip.number[one], first[one], after[one]
            sight = self._env.open(self._sequences[number])
            for missing in row + np.flatnonzero(~self._filled[row:end]):
                self._features[missing] = sight[missing - self._row[number]]
                self._filled[missing] = True
            self._shown[row] = end

    def _check_begun(self) -> None:
        if not self._generators or not self._stop.all():
            raise gym.error.ResetNeeded("call reset() first: there are no episodes")

    def _check(self, actions: np.ndarray, over: np.ndarray) -> np.ndarray:
        """The actions as components, ``(4, N)`` float64."""
        boxes = numbers(actions, (self.num_envs, 4)).T.astype(np.float64, order="C")
        if not np.isfinite(boxes.sum()):
            wrong = np.flatnonzero(~np.isfinite(boxes).all(axis=0) & ~over)
            if len(wrong):
                got = f"{boxes[:, wrong[0]]} for environment {wrong[0]}"
                raise InputError(f"the action must be four finite numbers cx, cy, w, h, got {got}")
        return boxes

    def _rows(self) -> np.ndarray:
        """Of the frames last observed: after a split's last frame, that one once more."""
        return self._row[self._number] + np.minimum(self._frame, self._last[self._number])

    def _observe(self) -> Observation:
        return {"features": np.take(self._features, self._rows(), axis=0), "location": self._location}

    def _describe(self) -> dict[str, np.ndarray]:
        """`track_env.describe` of the frames last observed."""
        return {
            "dataset": self._datasets[self._number],
            "sequence": self._names[self._number],
            "frame": self._frame.copy(),
            "truth": self._truth[self._rows()],
        }

    def _judge(self, boxes: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
        rows = self._rows()
        relative, size = self._relative.take(rows, axis=1), self._size.take(self._number, axis=1)
        prediction, measured = judge(tuple(boxes), tuple(relative), tuple(truth.T), tuple(size))
        if not self._all_known:
            known = self._known[rows]
            measured = {key: np.where(known, value, UNKNOWN[key]) for key, value in measured.items()}
        self._prediction = np.array(prediction).T
        return {"prediction": self._prediction.copy()} | measured

    def _final(self, info: dict[str, np.ndarray], ended: np.ndarray) -> dict[str, Any]:
        """What ``SameStep`` tells of the episodes that ended, whose observations are no longer the step's."""
        observation = self._observe()
        last = np.full(self.num_envs, None, object)
        for one in np.flatnonzero(ended).tolist():
            last[one] = {key: value[one] for key, value in observation.items()}
        return {
            "final_obs": last,
            "_final_obs": ended,
            "final_info": _masked(info, ended),
            "_final_info": ended,
        }


def _masked(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Those of the environments in the mask, blank for the others; nothing where it is empty."""
    if not mask.any():
        return {}
    copies = {key: value.copy() for key, value in values.items()}
    for value in copies.values():
        value[~mask] = None if value.dtype == object else 0
    return _batched(copies, mask)


def _batched(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Gymnasium's batched info: each value, and as ``_key`` who has it."""
    return values | {f"_{key}": mask for key in values}


class OTBTrackPixelsVectorEnv(OTBTrackVectorEnv):
    """``num_envs`` times `OTBTrackPixelsEnv`, as `OTBTrackVectorEnv`."""

    single = OTBTrackPixelsEnv
