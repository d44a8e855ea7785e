"""An adapter from Gymnasium's `VectorEnv` to the `VecEnv` that Stable-Baselines3 trains on.

SB3's own `DummyVecEnv` steps single environments one by one. This adapter takes the result of ``gym.make_vec``, which
may step all environments at once. Both give the same steps.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RescaleAction
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from tracking_env.envs import FlatObservation, SymmetricAction
from tracking_env.errors import InputError


class SB3VecEnv(VecEnv):
    """The adapter; ``infos`` get SB3's ``terminal_observation`` and ``TimeLimit.truncated``.

    Args:
        env: environments that reset in the step that ends an episode (``AutoresetMode.SAME_STEP``), as SB3 expects.
        mark_truncated: whether ``TimeLimit.truncated`` can be True. SB3 then calls the value function for each end of
            an episode, one by one, and multiplies the result by gamma: a waste where gamma is 0.

    Raises:
        InputError: they reset in another step.
    """

    def __init__(self, env: VectorEnv, mark_truncated: bool = True) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise InputError(f"SB3 needs environments that reset in the same step; got {mode}, give SAME_STEP")
        self.env, self.mark_truncated = env, mark_truncated
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Reset all environments, with the seeds and options that were set since the last reset."""
        options = self._options[0]
        if any(other != options for other in self._options):
            raise InputError("a vector environment takes one set of reset options; give all its environments the same")
        seeds: Any = list(self._seeds)  # Gymnasium also takes a list of seeds
        observations, infos = self.env.reset(seed=seeds, options=dict(options) or None)
        self.reset_infos = _rows(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Store the actions ``(N, ...)`` for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step; returns observations, rewards ``(N,)`` float32, dones ``(N,)`` bool, and an info per environment."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        rows = _rows(infos, self.num_envs)
        for index in np.flatnonzero(dones):
            # Gymnasium's info of a finished environment is of the next episode; SB3 expects that of the last one.
            info = rows[index]
            rows[index] = info.pop("final_info") | {"terminal_observation": info.pop("final_obs")}
            self.reset_infos[index] = info
        for row, is_truncated, is_terminated in zip(rows, truncated.tolist(), terminated.tolist(), strict=True):
            row["TimeLimit.truncated"] = self.mark_truncated and is_truncated and not is_terminated
        return observations, rewards.astype(np.float32), dones, rows

    def close(self) -> None:
        """Close the environments."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A picture of each environment, if ``render_mode`` is ``rgb_array``."""
        pictures: Any = self.env.render()
        return pictures or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each environment, or that of the vector environment, repeated."""
        inner: Any = self.env.unwrapped
        # Gymnasium's vector environments hold one environment each; that of this project is a single object.
        if hasattr(inner, "get_attr"):
            values = list(inner.get_attr(attr_name))
        else:
            values = [getattr(inner, attr_name)] * self.num_envs
        return [values[index] for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of all environments, such as ``reward``."""
        inner: Any = self.env.unwrapped
        self._check_all(indices)
        if hasattr(inner, "set_attr"):
            inner.set_attr(attr_name, value)
        else:
            setattr(inner, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of all environments."""
        inner: Any = self.env.unwrapped
        self._check_all(indices)
        return list(inner.call(method_name, *args, **kwargs))

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """False for each: a vector environment does not show the wrappers of its environments."""
        return [False for _ in self._get_indices(indices)]

    def _check_all(self, indices: VecEnvIndices) -> None:
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise InputError("a vector environment is changed as a whole; leave indices out")


def make(num_envs: int, id: str = "OTBTrack-v0", mark_truncated: bool = True, **kwargs: Any) -> SB3VecEnv:
    """Environments for SB3, with actions in [-1, 1], the range that its policies expect, instead of [0, 1].

    Args:
        num_envs: number of environments.
        id: a registered id.
        mark_truncated: see `SB3VecEnv`.
        kwargs: the environment's arguments.
    """
    mode: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    if not gym.spec(id).vector_entry_point:
        mode = {"vector_kwargs": mode}  # Gymnasium passes the other keywords to the environments
    env = gym.make_vec(id, num_envs=num_envs, **mode, **kwargs)
    high = np.ones(env.single_action_space.shape or (), np.float32)
    return SB3VecEnv(RescaleAction(env, -high, high), mark_truncated)


def make_flat(num_envs: int, id: str, **kwargs: Any) -> SB3VecEnv:
    """Environments for SB3 with flat observations and actions in [-1, 1]; arguments as of `make`."""
    env = gym.make_vec(
        id,
        num_envs=num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        wrappers=(SymmetricAction, FlatObservation),
        **kwargs,
    )
    return SB3VecEnv(env)


class ScaledReward(VecEnvWrapper):
    """Rewards times a constant; ``infos`` stay as they are.

    Args:
        venv: the environments.
        scale: the factor.
    """

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self.scale = scale

    def reset(self) -> Any:
        """As the environments' own."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """As the environments' own, with scaled rewards."""
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, self.scale * rewards, dones, infos


def _rows(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """One dictionary per environment, from a vector environment's infos, which are arrays with masks."""
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, values in infos.items():
        # This key is the mask that tells which environments have a value of the other key.
        if key.startswith("_") and key[1:] in infos:
            continue
        indices: Iterable[int] = np.flatnonzero(infos[f"_{key}"]).tolist() if f"_{key}" in infos else range(count)
        by_row = _rows(values, count) if isinstance(values, dict) else values
        for index in indices:
            rows[index][key] = by_row[index]
    return rows
