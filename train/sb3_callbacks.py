"""What train/sb3.py hangs into Stable-Baselines3's loop."""

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.replay import FrameReplayBuffer
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from train.run import Run


class RewardSchedule(BaseCallback):
    """The paper's: L1 first, then IoU. The switch comes between two updates.

    Args:
        l1_steps: environment steps on L1.
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


class RewardMeter(BaseCallback):
    """Logs both rewards of the boxes said, ``reward/l1`` and ``reward/iou``, as means since the last line."""

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        for name in REWARDS:
            self.logger.record_mean(f"reward/{name}", float(np.mean([info[f"reward_{name}"] for info in infos])))
        return True


class StopAsked(BaseCallback):
    """Ends learning at once where the run was asked to stop; what was collected since the last update is lost.

    Attributes:
        ended: that it did.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.ended = False

    def _on_step(self) -> bool:
        self.ended = self.run.stop_asked
        return not self.ended


class RunWriter(KVWriter):
    """Sends SB3's log into a run's, but for clocks and counters: what depends on the seed alone.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Append a line.

        Raises:
            InputError: a loss is not finite: the run has come to nothing.
        """
        scalars = {name: float(value) for name, value in key_values.items() if not name.startswith("time/")}
        bad = [name for name, value in scalars.items() if not np.isfinite(value)]
        if bad:
            raise InputError(
                f"{bad[0]} is not finite at step {step}; the checkpoints in {self.run.checkpoints} are good, try a "
                "smaller --lr"
            )
        if scalars:
            self.run.log(step, scalars)

    def close(self) -> None:
        """Nothing: the run closes its own log."""
