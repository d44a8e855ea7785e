"""Flags of the scripts that train in two stages: a supervised warm start, then REINFORCE in the loop."""

from dataclasses import dataclass

from agents.returns import Returns
from tracking_env.errors import InputError
from train.run.flags import RunFlags


@dataclass(frozen=True)
class LoopFlags:
    """REINFORCE in the loop."""

    clips: int = 4
    """number of clips per update"""
    episodes: int = 4
    """N, episodes sampled of each clip; the baseline is their mean return"""
    steps: int = 40
    """T, frames of a clip"""
    returns: Returns = "to_go"
    """return of a step: its own reward, or the sum of rewards from it to the end of the clip"""
    gamma: float = 0.95
    """discount per step, with --returns to_go"""
    sigma: float = 0.05
    """standard deviation of the policy"""
    lr: float = 3e-4
    """learning rate of Adam in the first update"""
    lr_end: float = 3e-5
    """learning rate in the last update; exponential in between"""
    clip_norm: float = 10.0
    """largest norm of the gradient"""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise InputError(f"episodes is {self.episodes}; give at least 2, since the baseline averages over them")
        if min(self.steps, self.clips) < 1:
            raise InputError("--steps and --clips count from 1")
        if not (self.sigma > 0 and 0 <= self.gamma <= 1 and min(self.lr, self.lr_end, self.clip_norm) > 0):
            raise InputError("give --sigma, --lr, --lr-end and --clip-norm > 0, and --gamma from 0 to 1")


@dataclass(frozen=True)
class TwoStageFlags(RunFlags):
    """Options of a run of two stages."""

    start: str | None = None
    """folder of another run, whose warm start replaces an own one; with several seeds, that of the same seed"""
    checkpoint_every: int = 100
    """updates between checkpoints"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checkpoint_every < 1:
            raise InputError(f"--checkpoint-every is {self.checkpoint_every}; give a number of updates >= 1")
