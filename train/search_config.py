"""The configuration of a run of train/search.py, and its presets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from agents.pointing import PointingConfig
from agents.returns import Returns
from tracking_env.errors import InputError
from train.data import DataConfig
from train.flags import RunFlags, from_flags
from train.schedule import between

PresetName = Literal["demo", "small"]


@dataclass(frozen=True)
class WarmConfig:
    """The supervised warm start on single crops."""

    warm_steps: int = 2000
    """updates; 0: none"""
    crops: int = 8
    """crops cut of every training frame, once"""
    pretended: int = 0
    """things per training frame that are no target, cut all the same: for tracking in other videos than these"""
    pretended_share: float = 0.5
    """of a batch, where there are any"""
    stretch: float = 0.45
    """deviation of the logarithms by which half of the crops are stretched, sideways and upright: so that shapes are
    learned to be seen, and not to be remembered"""
    blind_share: float = 0.5
    """of a batch, where the network must do with how alike things are, and not see what they are"""
    warm_batch: int = 64
    """crops per update"""
    warm_lr: float = 3e-3
    """rate of Adam (with decoupled weight decay): up from a tenth, then down to nothing, as half a cosine each"""
    warm_clip_norm: float = 5.0
    """largest norm of the gradient"""

    def rate(self, done: int) -> float:
        """The learning rate of an update."""
        rise = 0.3 * self.warm_steps
        share = done / rise if done < rise else 1 - (done - rise) / (self.warm_steps - rise)
        return self.warm_lr * max(0.5 - 0.5 * math.cos(math.pi * share), 0.1 if done < rise else 0.0)

    def __post_init__(self) -> None:
        if min(self.warm_steps, self.crops, self.pretended) < 0 or self.warm_batch < 1:
            raise InputError("--warm-steps, --crops and --pretended count from 0, --warm-batch from 1")
        if self.warm_steps and not self.crops + self.pretended:
            raise InputError("there is nothing to start on; give --crops or --pretended, or --warm-steps 0")
        if not 0 <= self.stretch <= 1:
            raise InputError(f"--stretch is {self.stretch}; give a number from 0 to 1")
        if not (0 <= self.pretended_share <= 1 and 0 <= self.blind_share <= 1 and self.warm_lr > 0):
            raise InputError("give --pretended-share and --blind-share from 0 to 1, and --warm-lr > 0")


@dataclass(frozen=True)
class LoopConfig:
    """Training in the loop: what the agent says decides what it sees next."""

    tune: Literal["all", "last"] = "last"
    """what learns in the loop: all weights, or the last layers and what steers size and memory. What all of them learn
    of a few videos they do not carry to others"""
    learner: Literal["reinforce", "supervised"] = "reinforce"
    """compare the returns of sampled episodes; or, as a control, the gradient of the reward of each step's mean"""
    l1_updates: int = 20
    """updates on the L1 reward (Eq. 2)"""
    iou_updates: int = 100
    """and then on IoU (Eq. 3)"""
    clips: int = 6
    """different clips per update"""
    episodes: int = 4
    """N, episodes sampled of each clip; their mean return is the baseline"""
    steps: int = 20
    """T, frames of a clip"""
    sigma: float = 0.003
    """standard deviation of the policy, relative to the region. What is said moves the region, so noise adds up: with
    the paper's 0.01 the loop that is learned in is not the one that is tested"""
    returns: Returns = "to_go"
    """return of a step: its own reward, or the sum of rewards from it to the end of the clip"""
    gamma: float = 0.95
    """discount of to_go"""
    jitter: float = 0.1
    """how far the first look is off, over the target's size"""
    lr: float = 1e-3
    """of Adam"""
    lr_end: float = 1e-4
    """in the last update, exponentially"""
    clip_norm: float = 10.0
    """largest norm of the gradient"""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise InputError(f"episodes is {self.episodes}; give at least 2: one alone is its own baseline")
        if min(self.steps, self.clips) < 1 or min(self.l1_updates, self.iou_updates) < 0:
            raise InputError("--steps and --clips count from 1, --l1-updates and --iou-updates from 0")
        if not (self.sigma > 0 and 0 <= self.gamma <= 1 and min(self.lr, self.lr_end, self.clip_norm) > 0):
            raise InputError("give --sigma, --lr, --lr-end and --clip-norm > 0, and --gamma from 0 to 1")

    @property
    def updates(self) -> int:
        """Of both rewards."""
        return self.l1_updates + self.iou_updates

    def reward(self, update: int) -> str:
        """Which reward an update learns from."""
        return "l1" if update < self.l1_updates else "iou"

    def rate(self, update: int) -> float:
        """The learning rate of an update."""
        return between(self.lr, self.lr_end, update / max(1, self.updates - 1))


@dataclass(frozen=True)
class SearchConfig(RunFlags):
    """One run of train/search.py."""

    preset: PresetName = "demo"
    """where the defaults come from"""
    network: PointingConfig = field(default_factory=PointingConfig)
    warm: WarmConfig = field(default_factory=WarmConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    start: str | None = None
    """folder of a run whose warm start is taken, in place of an own one; of several seeds: that of the same seed"""
    checkpoint_every: int = 100
    """updates between checkpoints"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checkpoint_every < 1:
            raise InputError(f"--checkpoint-every is {self.checkpoint_every}; give a number of updates >= 1")


PRESETS: dict[PresetName, SearchConfig] = {
    # A few minutes on two CPU cores with nothing but the installed packages.
    "demo": SearchConfig(
        data=DataConfig(features="cells"),
        network=PointingConfig(width=32),
        warm=WarmConfig(warm_steps=600, crops=1),
        loop=LoopConfig(l1_updates=10, iou_updates=50),
    ),
    # Real video on two CPU cores.
    "small": SearchConfig(preset="small", data=DataConfig(features="nanotrack-head")),
}


def parse(argv: Sequence[str] | None = None) -> SearchConfig:
    """The configuration that command-line flags ask for: a preset, and what is changed in it.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train the closed-loop agent: a supervised warm start, then REINFORCE in the loop; test it, report."
    config = from_flags(argv, "preset", PRESETS, "train/search.py", description)
    return replace(config, out=config.out if config.out != f"runs/{config.preset}" else f"runs/search-{config.preset}")
