"""Callbacks of Stable-Baselines3's training loop in train/sb3.py."""

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.replay import FrameReplayBuffer
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from train.run_directory import RunDirectory


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
