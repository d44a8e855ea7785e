"""The configuration of a run of train/sb3.py, and a preset for each algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from tracking_env.errors import InputError
from train.flags import RunFlags, from_flags
from train.schedule import between

Algo = Literal["ppo", "recurrent_ppo", "a2c", "sac", "td3"]


_UPDATES = frozenset({"batch", "passes"})
USED: dict[Algo, frozenset[str]] = {
    "ppo": _UPDATES | {"clip_norm", "value_weight"},
    "recurrent_ppo": _UPDATES | {"clip_norm", "value_weight"},
    "a2c": frozenset({"clip_norm", "value_weight"}),
    "sac": _UPDATES | {"buffer", "random_steps"},
    "td3": _UPDATES | {"buffer", "random_steps"},
}
"""Which of the fields of `LearnConfig` that may be None an algorithm has a use for."""


@dataclass(frozen=True)
class PolicyConfig:
    """The policy: `agents.sb3.policy_options`."""

    hidden: int = 256
    """width of the layer on the features and of the one after it, which of recurrent_ppo is an LSTM"""
    sigma: float = 0.01
    """the paper's: standard deviation of what is tried, in relative box units (SB3's range is twice as wide, and so is
    its number); learned from there by ppo, recurrent_ppo and a2c, held on average by sac, fixed for td3"""

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InputError(f"--hidden is {self.hidden}; give a number of neurons >= 1")
        if not 0 < self.sigma < 1:
            raise InputError(f"--sigma is {self.sigma}; give a number between 0 and 1")


@dataclass(frozen=True)
class LearnConfig:
    """How it learns. What an algorithm has no use for is None, and stays so."""

    envs: int = 32
    """environments that are stepped at once"""
    steps: int = 10
    """steps of each between two updates"""
    lr: float = 3e-4
    """learning rate at the beginning"""
    lr_end: float = 3e-5
    """and at the end; exponential in between"""
    # The action never changes what comes next, so that a step's own reward is all that it earns: any other discount
    # adds the noise of later steps and nothing else. (REINFORCE's --returns step says the same.)
    gamma: float = 0.0
    """discount; sac and td3 keep no next observations and need 0"""
    clip_norm: float | None = None
    """largest norm of the gradient (ppo, recurrent_ppo, a2c)"""
    batch: int | None = None
    """steps per gradient (all but a2c, which takes all there are)"""
    passes: int | None = None
    """over what was collected (ppo, recurrent_ppo); gradients per update (sac, td3)"""
    value_weight: float | None = None
    """of the value's loss (ppo, recurrent_ppo, a2c)"""
    buffer: int | None = None
    """steps that are kept (sac, td3)"""
    random_steps: int | None = None
    """steps of random boxes before any learning (sac, td3)"""

    def __post_init__(self) -> None:
        counts = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("envs", "steps", "batch", "passes", "buffer"):
            if counts[name] is not None and counts[name] < 1:
                raise InputError(f"{_flag(name)} is {counts[name]}; give a number >= 1")
        for name in ("lr", "lr_end", "clip_norm"):
            if counts[name] is not None and not counts[name] > 0:
                raise InputError(f"{_flag(name)} is {counts[name]}; give a number > 0")
        for name in ("value_weight", "random_steps"):
            if counts[name] is not None and counts[name] < 0:
                raise InputError(f"{_flag(name)} is {counts[name]}; give a number >= 0")
        if not 0 <= self.gamma <= 1:
            raise InputError(f"--gamma is {self.gamma}; give a discount from 0 to 1")
        if self.batch == 1 and self.buffer is None:
            raise InputError("--batch is 1; give at least 2: advantages are compared within a batch")
        if self.buffer is not None and self.buffer < self.envs:
            raise InputError(f"--buffer is {self.buffer}; give at least one step for each of the {self.envs} --envs")


@dataclass(frozen=True)
class SB3Config(RunFlags):
    """One run of train/sb3.py."""

    algo: Algo = "ppo"
    """which algorithm; its preset gives the defaults"""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    env_steps: int = 200_000
    """budget: boxes that are said and rewarded; rounded up to whole updates"""
    l1_share: float = 0.6
    """of the budget on the L1 reward (Eq. 2), first; then IoU (Eq. 3). The paper's 300 of 500 epochs"""
    clip_length: int = 10
    """T, frames of an episode"""
    evaluate_every: int = 20_000
    """environment steps between evaluations; each leaves a checkpoint"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("env_steps", "clip_length", "evaluate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{_flag(name)} is {getattr(self, name)}; give a number >= 1")
        if not 0 <= self.l1_share <= 1:
            raise InputError(f"--l1-share is {self.l1_share}; give a share from 0 to 1")
        for name in sorted(set().union(*USED.values())):
            used, given = name in USED[self.algo], getattr(self.learn, name)
            if used != (given is not None):
                change = "give a number" if used else "leave it out"
                raise InputError(f"{_flag(name)} is {given}, with --algo {self.algo}; {change}")
        update, batch = self.learn.envs * self.learn.steps, self.learn.batch
        if batch is not None and self.learn.buffer is None and update % min(batch, update):
            raise InputError(f"--batch is {batch}; give a divisor of an update's {update} steps (--envs times --steps)")
        if self.learn.buffer is not None and self.learn.gamma:
            raise InputError(f"--gamma is {self.learn.gamma}, but {self.algo} keeps no next observations; leave it 0")
        if self.data.features.split(":")[0] == "pixels":
            raise InputError("train/sb3.py learns from features; --features pixels needs a network of its own")

    def rate(self, steps: int) -> float:
        """The learning rate after so many environment steps; exponential."""
        return between(self.learn.lr, self.learn.lr_end, min(1.0, steps / self.env_steps))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


_ON_POLICY = LearnConfig(
    # One update per clip of each environment, as REINFORCE's one per batch of windows.
    steps=10,
    # With sigma = 0.01 the gradient of ln pi is a hundred times that of a policy with sigma 1: SB3's 0.5 would make
    # nearly every step one of fixed length; REINFORCE's presets take 10.
    clip_norm=10.0,
    # The value only compares; it shares the layer on the features, which the policy is to shape.
    value_weight=0.5,
)

_OFF_POLICY = LearnConfig(
    # A gradient costs as much as some hundred steps of the environment, so that environments are few.
    envs=16,
    steps=1,
    # With a thousand features and more, 3e-4 drives tanh into its flat ends within the first gradients.
    lr=1e-4,
    lr_end=1e-5,
    batch=256,
    # The critic has to learn from bare numbers where each target is: it takes hundreds of gradients to know a way.
    passes=4,
    # At D = 7500, 20,000 steps are 300 MB. They hold the random ones until the critic has learned from them.
    buffer=20_000,
    # Until it has, the actor runs wherever the critic errs, and what is tried then tells nothing of the rest.
    random_steps=10_000,
)

PRESETS: dict[Algo, SB3Config] = {
    # Each batch is seen four times: with so small a sigma a few steps of the mean already leave the clip range, and
    # further passes would have no gradient.
    "ppo": SB3Config(algo="ppo", learn=replace(_ON_POLICY, batch=160, passes=4)),
    # Whole clips in a batch; their order matters to the LSTM alone.
    "recurrent_ppo": SB3Config(algo="recurrent_ppo", learn=replace(_ON_POLICY, batch=160, passes=4)),
    # One gradient from each clip, then it is thrown away: the nearest to REINFORCE, with a learned baseline and one
    # sample a frame. What is seen once must give more gradients, so fewer environments make each; and RMSprop takes
    # a larger step than Adam for the same rate.
    "a2c": SB3Config(algo="a2c", learn=replace(_ON_POLICY, envs=8, lr=1e-4, lr_end=1e-5)),
    "sac": SB3Config(algo="sac", learn=_OFF_POLICY),
    # Its noise is all that shows its critic a slope: within 0.01 the reward changes by less than the critic errs.
    "td3": SB3Config(algo="td3", policy=PolicyConfig(sigma=0.05), learn=_OFF_POLICY),
}
"""Two CPU cores and a few hundred thousand steps are what these are made for."""


def parse(argv: Sequence[str] | None = None) -> SB3Config:
    """The configuration that command-line flags ask for: an algorithm's preset, and what is changed in it.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train an agent of Stable-Baselines3 or sb3-contrib, test it as train/reinforce.py does, and report."
    return from_flags(argv, "algo", PRESETS, "train/sb3.py", description)
