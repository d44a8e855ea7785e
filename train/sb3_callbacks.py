"""Callbacks of Stable-Baselines3's training loop in train/sb3.py."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.replay import FrameReplayBuffer
from agents.sb3 import set_sigma
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from train.run.directory import RunDirectory

logger = logging.getLogger(__name__)


class RewardSwitch(BaseCallback):
    """The paper's schedule of rewards, L1 and then IoU; it switches between two updates.

    Args:
        l1_steps: number of environment steps on L1.
    """

    def __init__(self, l1_steps: int) -> None:
        super().__init__()
        self.l1_steps = l1_steps

    def _on_rollout_start(self) -> None:
        reward = "l1" if self.num_timesteps < self.l1_steps else "iou"
        self.training_env.set_attr("reward", reward)
        if isinstance(self.model, OffPolicyAlgorithm) and isinstance(self.model.replay_buffer, FrameReplayBuffer):
            self.model.replay_buffer.reward = reward

    def _on_step(self) -> bool:
        return True


class SigmaSchedule(BaseCallback):
    """Sets the standard deviation of exploration before each update's steps.

    Args:
        sigma: the standard deviation in SB3's [-1, 1] after a number of environment steps.
    """

    def __init__(self, sigma: Callable[[int], float]) -> None:
        super().__init__()
        self.sigma = sigma

    def _on_rollout_start(self) -> None:
        set_sigma(self.model, self.sigma(self.num_timesteps))

    def _on_step(self) -> bool:
        return True


class UpdateCheck(BaseCallback):
    """Warns, once for each reason, of updates of an on-policy algorithm that are too large or lack a value function.

    Args:
        updates: number of updates of the whole run.
    """

    KL_LIMIT = 0.2
    """Largest ``approx_kl`` of an update after which the collected steps still tell about the policy."""
    UPDATES = 20
    """Number of updates in a row after which it is no accident."""
    VALUE_SHARE = 2 / 3
    """Share of the run in which the value must explain something: it lags behind while rewards rise or are switched."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        unexplained = max(self.UPDATES, math.ceil(self.VALUE_SHARE * updates))
        self.checks = [
            _Check(
                "train/approx_kl",
                lambda value: value > self.KL_LIMIT,
                self.UPDATES,
                f"approx_kl is above {self.KL_LIMIT}: each update leaves the policy that its steps tell about. Try a "
                "larger --sigma and --sigma-end, a smaller --lr, or fewer --passes",
            ),
            _Check(
                "train/explained_variance",
                lambda value: value <= 0,
                unexplained,
                "explained_variance is not above 0: the value explains nothing, and its errors are noise in the "
                "advantages. Try more --envs, a larger --value-weight, or a smaller --lr",
            ),
        ]

    def _on_rollout_start(self) -> None:
        # What the update before has logged; nothing right after an evaluation.
        for check in list(self.checks):
            value = self.logger.name_to_value.get(check.name)
            if value is None:
                continue
            check.count = check.count + 1 if check.is_bad(value) else 0
            if check.count == check.limit:
                logger.warning("in the last %d updates %s", check.limit, check.advice)
                self.checks.remove(check)

    def _on_step(self) -> bool:
        return True


@dataclass
class _Check:
    """A number that updates log, and how many of them in a row may be bad."""

    name: str
    is_bad: Callable[[float], bool]
    limit: int
    advice: str
    count: int = 0


class RewardLogger(BaseCallback):
    """Logs both rewards of the actions, ``reward/l1`` and ``reward/iou``, as means since the last line."""

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        for name in REWARDS:
            self.logger.record_mean(f"reward/{name}", float(np.mean([info[f"reward_{name}"] for info in infos])))
        return True


class StopOnRequest(BaseCallback):
    """Ends learning at once if the run is asked to stop; steps since the last update are lost.

    Attributes:
        stopped: whether it ended learning.
    """

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.run = run
        self.stopped = False

    def _on_step(self) -> bool:
        self.stopped = self.run.stop_requested
        return not self.stopped


class LogWriter(KVWriter):
    """Sends SB3's log to the run's. Of its times only ``time/fps`` is logged, and in TensorBoard alone.

    Args:
        run: the run's directory.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Append a line.

        Raises:
            InputError: a loss is not finite, so training cannot recover.
        """
        values = {name: float(value) for name, value in key_values.items()}
        clocks = {name: value for name, value in values.items() if name == "time/fps"}
        scalars = {name: value for name, value in values.items() if not name.startswith("time/")}
        bad = [name for name, value in scalars.items() if not np.isfinite(value)]
        if bad:
            raise InputError(
                f"{bad[0]} is not finite at step {step}; the checkpoints in {self.run.checkpoints} are good, try a "
                "smaller --lr"
            )
        if scalars:
            self.run.log(step, scalars, clocks)

    def close(self) -> None:
        """Nothing: the run closes its own log."""
