"""The configuration of train/search.py, and its presets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.region_agent import RegionAgentConfig
from tracking_env.errors import InputError
from train.run.data import DataConfig
from train.run.flags import parse_flags
from train.run.loop_flags import LoopFlags, TwoStageFlags
from train.run.schedule import interpolate

PresetName = Literal["demo", "small"]


@dataclass(frozen=True)
class WarmConfig:
    """The supervised warm start on single crops."""

    warm_steps: int = 2000
    """number of updates; 0 for none"""
    crops: int = 8
    """crops per training frame, cut once"""
    pretended: int = 0
    """random boxes per training frame that are cut as if they were targets; they help to track in other videos"""
    pretended_share: float = 0.5
    """share of such crops in a batch, if there are any"""
    stretch: float = 0.45
    """deviation of the logarithm of width and height by which half of the crops are stretched; without it the agent
    memorises the targets' shapes"""
    blind_share: float = 0.5
    """share of a batch in which the network compares with the target but does not see the region's own features"""
    warm_batch: int = 64
    """crops per update"""
    warm_lr: float = 3e-3
    """highest learning rate of AdamW; it rises from a tenth of this and then falls to 0, both as half a cosine"""
    warm_clip_norm: float = 5.0
    """largest norm of the gradient"""

    def rate(self, done: int) -> float:
        """The learning rate after this number of updates."""
        rise = 0.3 * self.warm_steps
        share = done / rise if done < rise else 1 - (done - rise) / (self.warm_steps - rise)
        return self.warm_lr * max(0.5 - 0.5 * math.cos(math.pi * share), 0.1 if done < rise else 0.0)

    def __post_init__(self) -> None:
        if min(self.warm_steps, self.crops, self.pretended) < 0 or self.warm_batch < 1:
            raise InputError("--warm-steps, --crops and --pretended count from 0, --warm-batch from 1")
        if self.warm_steps and not self.crops + self.pretended:
            raise InputError("a warm start needs crops; give --crops or --pretended, or --warm-steps 0")
        if not 0 <= self.stretch <= 1:
            raise InputError(f"--stretch is {self.stretch}; give a number from 0 to 1")
        if not (0 <= self.pretended_share <= 1 and 0 <= self.blind_share <= 1 and self.warm_lr > 0):
            raise InputError("give --pretended-share and --blind-share from 0 to 1, and --warm-lr > 0")


@dataclass(frozen=True)
class LoopConfig(LoopFlags):
    """REINFORCE in the loop: each action moves the window of the next observation."""

    tune: Literal["all", "last"] = "last"
    """weights that learn in the loop: all, or those of the last layers, of size and of memory. All weights overfit when
    there are few videos"""
    learner: Literal["reinforce", "supervised"] = "reinforce"
    """REINFORCE; or, as a control, the gradient of the reward of each step's mean"""
    l1_updates: int = 20
    """updates on the L1 reward (Eq. 2)"""
    iou_updates: int = 100
    """updates on the IoU reward (Eq. 3), after them"""
    clips: int = 6
    steps: int = 20
    lr: float = 1e-3
    lr_end: float = 1e-4
    sigma: float = 0.003
    """standard deviation of the policy, relative to the region. Actions move the region, so noise accumulates: with the
    paper's 0.01 training episodes would differ too much from those at test time"""
    jitter: float = 0.1
    """standard deviation of the first region's error, over the target's size"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.l1_updates, self.iou_updates) < 0:
            raise InputError("--l1-updates and --iou-updates count from 0")

    @property
    def updates(self) -> int:
        """Number of updates on both rewards."""
        return self.l1_updates + self.iou_updates

    def reward(self, update: int) -> str:
        """The reward of an update: ``l1`` or ``iou``."""
        return "l1" if update < self.l1_updates else "iou"

    def rate(self, update: int) -> float:
        """The learning rate of an update."""
        return interpolate(self.lr, self.lr_end, update / max(1, self.updates - 1))


@dataclass(frozen=True)
class SearchConfig(TwoStageFlags):
    """All options of train/search.py."""

    preset: PresetName = "demo"
    """source of the defaults"""
    network: RegionAgentConfig = field(default_factory=RegionAgentConfig)
    warm: WarmConfig = field(default_factory=WarmConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)


PRESETS: dict[PresetName, SearchConfig] = {
    # A few minutes on two CPU cores with nothing but the installed packages.
    "demo": SearchConfig(
        data=DataConfig(features="cells"),
        network=RegionAgentConfig(width=32),
        warm=WarmConfig(warm_steps=600, crops=1),
        loop=LoopConfig(l1_updates=10, iou_updates=50),
    ),
    # Real video on two CPU cores.
    "small": SearchConfig(preset="small", data=DataConfig(features="nanotrack-head")),
}


def parse(args: Sequence[str] | None = None) -> SearchConfig:
    """The configuration for command-line flags: a preset, with the flags' values in place of its own.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train the closed-loop agent: a supervised warm start, then REINFORCE in the loop; test it, report."
    return parse_flags(args, "preset", PRESETS, "train/search.py", description, out="runs/search-")
