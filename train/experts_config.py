"""The configuration of train/experts.py, and its presets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.arbiter import ArbiterConfig
from tracking_env.errors import InputError, suggest
from tracking_env.search.ensemble.observation import PER_EXPERT, observation_names
from train.run.data import DataConfig
from train.run.flags import parse_flags
from train.run.loop_flags import LoopFlags, TwoStageFlags
from train.run.schedule import interpolate

PresetName = Literal["demo", "small"]


@dataclass(frozen=True)
class ExpertsData(DataConfig):
    """Training and test data, and the experts."""

    features: str = "grey,colour"
    """the experts, with commas between them: nanotrack-v3, fear-xs, vittrack; grey and colour need no files"""
    weights: str | None = None
    """folder of the experts' files; by default that of the downloads"""
    store: str | None = None
    """folder of stored runs; by default one for these experts in the user's cache folder"""

    @property
    def experts(self) -> list[str]:
        """The experts' names."""
        return [name.strip() for name in self.features.split(",")]


@dataclass(frozen=True)
class WarmConfig:
    """The supervised warm start on stored runs: the overlap of each expert's box is to be predicted."""

    warm_steps: int = 300
    """number of updates; 0 for none"""
    losses: int = 6
    """simulated losses per training sequence: runs in which one expert or all start beside the target"""
    loss_share: float = 0.5
    """share of a batch that is of such runs"""
    hard: int = 1
    """hard clips of each difficulty (occluder, lookalike, dropped frames, jump) per training sequence"""
    window: int = 60
    """frames of a window"""
    warm_batch: int = 16
    """windows per update"""
    warm_lr: float = 2e-3
    """highest learning rate of AdamW; it rises in the first tenth and then falls to 0 as half a cosine"""
    weight_decay: float = 0.1
    """decay of the weights, but not of the biases, by AdamW"""
    warm_clip_norm: float = 1.0
    """largest norm of the gradient"""
    choose_every: int = 25
    """updates between tests on the stored runs of the test sequences, if those are not learned from; the best weights
    are the warm start's result. 0: the last weights are"""
    imitation: float = 0.1
    """weight of imitating a hand-made rule of when to put an expert back; 0: resets are learned in the loop alone"""

    def __post_init__(self) -> None:
        if min(self.warm_steps, self.losses, self.hard, self.choose_every) < 0:
            raise InputError("--warm-steps, --losses, --hard and --choose-every count from 0")
        if min(self.window, self.warm_batch) < 1:
            raise InputError("--window and --warm-batch count from 1")
        if not 0 <= self.loss_share <= 1:
            raise InputError(f"--loss-share is {self.loss_share}; give a number from 0 to 1")
        if not (min(self.warm_lr, self.warm_clip_norm) > 0 and min(self.weight_decay, self.imitation) >= 0):
            raise InputError("give --warm-lr and --warm-clip-norm > 0, --weight-decay and --imitation >= 0")

    def rate(self, done: int) -> float:
        """The learning rate after this number of updates."""
        rise = min(1.0, 10 * (done + 1) / self.warm_steps)
        return self.warm_lr * rise * (0.5 + 0.5 * math.cos(math.pi * done / self.warm_steps))


@dataclass(frozen=True)
class LoopConfig(LoopFlags):
    """REINFORCE in the loop: resetting an expert changes its later search regions."""

    updates: int = 100
    """number of updates; 0 for none"""
    tune: Literal["all", "switches", "candidates"] = "all"
    """what the loop draws and learns: all of the policy; or only resets and pauses, which the supervised warm start
    cannot learn from rewards; or only whether to put the experts back on a candidate of a scan"""
    reward: Literal["l1", "iou"] = "iou"
    """the paper's Eq. 2 or Eq. 3"""
    cost: float = 0.0
    """reward per millisecond of an expert, such as 0.002; above 0 the agent also learns which experts to run"""
    lost_share: float = 0.5
    """share of the clips that begin with a simulated loss"""
    hard_share: float = 0.25
    """share of the clips that are hard ones, see --hard"""
    sigma: float = 0.05
    """standard deviation of trust and residual, with --tune all; resets and pauses are drawn by their probability"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.updates < 0:
            raise InputError("--updates counts from 0")
        if not (0 <= self.lost_share <= 1 and 0 <= self.hard_share <= 1 and 0 <= self.cost < math.inf):
            raise InputError("give --lost-share and --hard-share from 0 to 1, and --cost >= 0")

    def rate(self, update: int) -> float:
        """The learning rate of an update."""
        return interpolate(self.lr, self.lr_end, update / max(1, self.updates - 1))


@dataclass(frozen=True)
class ExpertsConfig(TwoStageFlags):
    """All options of train/experts.py."""

    preset: PresetName = "demo"
    """source of the defaults"""
    data: ExpertsData = field(default_factory=ExpertsData)
    network: ArbiterConfig = field(default_factory=ArbiterConfig)
    warm: WarmConfig = field(default_factory=WarmConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    ignore: str = ""
    """numbers of the observation that are hidden from the agent, with their running means: names with commas between
    them, such as first_likeness,recent_likeness"""
    test_hard: bool = True
    """test on a hard clip of each difficulty per test sequence too, if the test sequences are not trained on"""

    def ignored_numbers(self) -> list[int]:
        """The indices in the observation of the numbers in `ignore`.

        Raises:
            InputError: there is no such number.
        """
        ignored = [name.strip() for name in self.ignore.split(",") if name.strip()]
        for name in ignored:
            if name not in PER_EXPERT:
                raise InputError(
                    f"--ignore names {name!r}{suggest(name, PER_EXPERT)}; the numbers are {', '.join(PER_EXPERT)}"
                )
        numbers = [name for expert in self.data.experts for name in observation_names([expert])]
        # A name is "EXPERT NUMBER", or "EXPERT NUMBER, mean of 10".
        return [index for index, name in enumerate(numbers) if name.partition(" ")[2].partition(",")[0] in ignored]


PRESETS: dict[PresetName, ExpertsConfig] = {
    # Some minutes on two CPU cores with nothing but the installed packages.
    "demo": ExpertsConfig(),
    # Real video on two CPU cores. Likeness is measured with NanoTrack's network, which finds whatever NanoTrack follows
    # more alike than what another expert follows, lost or not.
    "small": ExpertsConfig(
        preset="small",
        data=ExpertsData(features="nanotrack-v3,fear-xs"),
        network=ArbiterConfig(width=32, hidden=16),
        ignore="first_likeness,recent_likeness",
    ),
}


def parse(args: Sequence[str] | None = None) -> ExpertsConfig:
    """The configuration for command-line flags: a preset, with the flags' values in place of its own.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train the agent that decides among experts: a supervised warm start, then REINFORCE; test it."
    return parse_flags(args, "preset", PRESETS, "train/experts.py", description, out="runs/experts-")
