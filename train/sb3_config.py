"""The configuration of train/sb3.py, and a preset for each algorithm."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal, cast, get_args

from tracking_env.errors import InputError
from train.run.data import DataConfig
from train.run.flags import RunFlags, parse_flags, value_of
from train.run.schedule import interpolate

Algo = Literal["ppo", "recurrent_ppo", "a2c", "sac", "td3"]
Environment = Literal["OTBTrack-v0", "OTBTrackSearch-v0", "OTBTrackExperts-v0"]


_UPDATES = frozenset({"batch", "passes"})
USED: dict[Algo, frozenset[str]] = {
    "ppo": _UPDATES | {"clip_norm", "value_weight"},
    "recurrent_ppo": _UPDATES | {"clip_norm", "value_weight"},
    "a2c": frozenset({"clip_norm", "value_weight"}),
    "sac": _UPDATES | {"buffer", "random_steps"},
    "td3": _UPDATES | {"buffer", "random_steps"},
}
"""The optional fields of `LearnConfig` that each algorithm uses."""


@dataclass(frozen=True)
class PolicyConfig:
    """Options of the policy, see `agents.sb3.policy_options`."""

    hidden: int = 256
    """neurons of the layer on the features and of the next one, which is an LSTM in recurrent_ppo"""
    sigma: float = 0.1
    """standard deviation of exploration at the beginning, in relative box units; sac holds it on average. In the closed
    loops it is in units of actions, which lie in [-1, 1]"""
    sigma_end: float | None = None
    """standard deviation at the end; exponential in between. None: ppo, recurrent_ppo and a2c learn it, from sigma on;
    for sac and td3 it stays"""

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InputError(f"--hidden is {self.hidden}; give a number of neurons >= 1")
        if not 0 < self.sigma < 1:
            raise InputError(f"--sigma is {self.sigma}; give a number between 0 and 1")
        if self.sigma_end is not None and not 0 < self.sigma_end < 1:
            raise InputError(f"--sigma-end is {self.sigma_end}; give a number between 0 and 1, or None")


@dataclass(frozen=True)
class LearnConfig:
    """Options of learning. Options that the algorithm does not use are None."""

    envs: int = 32
    """number of parallel environments"""
    steps: int = 10
    """steps of each environment between two updates"""
    lr: float = 3e-4
    """learning rate at the beginning"""
    lr_end: float = 3e-5
    """learning rate at the end; exponential in between"""
    # Actions do not affect later observations, so a larger discount would only add the noise of later rewards (as
    # REINFORCE's --returns step).
    gamma: float = 0.0
    """discount; in OTBTrack-v0 sac and td3 store no next observations and need 0"""
    reward_scale: float = 1.0
    """factor on rewards: the value is learned in these units, logs and reports are not"""
    clip_norm: float | None = None
    """largest norm of the gradient (ppo, recurrent_ppo, a2c)"""
    batch: int | None = None
    """steps per gradient (not a2c, which takes all collected steps)"""
    passes: int | None = None
    """passes over the collected steps (ppo, recurrent_ppo); gradients per update (sac, td3)"""
    value_weight: float | None = None
    """weight of the value's loss (ppo, recurrent_ppo, a2c)"""
    buffer: int | None = None
    """steps in the replay buffer (sac, td3)"""
    random_steps: int | None = None
    """steps with random boxes before learning starts (sac, td3)"""

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("envs", "steps", "batch", "passes", "buffer"):
            if values[name] is not None and values[name] < 1:
                raise InputError(f"{_flag(name)} is {values[name]}; give a number >= 1")
        for name in ("lr", "lr_end", "reward_scale", "clip_norm"):
            if values[name] is not None and not values[name] > 0:
                raise InputError(f"{_flag(name)} is {values[name]}; give a number > 0")
        for name in ("value_weight", "random_steps"):
            if values[name] is not None and values[name] < 0:
                raise InputError(f"{_flag(name)} is {values[name]}; give a number >= 0")
        if not 0 <= self.gamma <= 1:
            raise InputError(f"--gamma is {self.gamma}; give a discount from 0 to 1")
        if self.batch == 1 and self.buffer is None:
            raise InputError("--batch is 1; give at least 2: advantages are compared within a batch")
        if self.buffer is not None and self.buffer < self.envs:
            raise InputError(f"--buffer is {self.buffer}; give at least one step for each of the {self.envs} --envs")


@dataclass(frozen=True)
class SB3Config(RunFlags):
    """All options of train/sb3.py."""

    algo: Algo = "ppo"
    """algorithm; its preset gives the defaults"""
    env: Environment = "OTBTrack-v0"
    """environment; a closed loop has other defaults, and flat observations. There features are cells or nanotrack, and
    among experts their names with commas between them"""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    env_steps: int = 200_000
    """budget of environment steps, each an action with its reward; rounded up to whole updates"""
    l1_share: float = 0.6
    """share of the budget on the L1 reward (Eq. 2), first; then IoU (Eq. 3). 0.6 is the paper's 300 of 500 epochs"""
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
            is_used, value = name in USED[self.algo], getattr(self.learn, name)
            if is_used != (value is not None):
                change = "give a number" if is_used else "leave it out"
                raise InputError(f"{_flag(name)} is {value}, with --algo {self.algo}; {change}")
        update, batch = self.learn.envs * self.learn.steps, self.learn.batch
        if batch is not None and self.learn.buffer is None and update % min(batch, update):
            raise InputError(f"--batch is {batch}; give a divisor of an update's {update} steps (--envs times --steps)")
        if self.learn.buffer is not None:
            if self.env == "OTBTrack-v0" and self.learn.gamma:
                raise InputError(
                    f"--gamma is {self.learn.gamma}, but in {self.env} {self.algo} stores no next observations; "
                    "leave it 0"
                )
            if self.env != "OTBTrack-v0" and 0 < self.l1_share < 1:
                raise InputError(
                    f"--l1-share is {self.l1_share}, but in {self.env} {self.algo} learns from old steps, which keep "
                    "their reward; give 0 (IoU) or 1 (L1)"
                )
        if self.data.features.split(":")[0] == "pixels":
            raise InputError("train/sb3.py needs a feature vector, not pixels; give another extractor with --features")

    def rate(self, steps: int) -> float:
        """The learning rate after this number of environment steps."""
        return interpolate(self.learn.lr, self.learn.lr_end, min(1.0, steps / self.env_steps))

    def sigma(self, steps: int) -> float:
        """The standard deviation of exploration after this number of environment steps, unless it is learned."""
        policy = self.policy
        return interpolate(policy.sigma, policy.sigma_end or policy.sigma, min(1.0, steps / self.env_steps))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


# Exploration of the on-policy algorithms. Wide at first: boxes must differ for rewards to tell which is better, and
# with a small sigma each step of the mean is a large change of the policy. Narrow at the end: most of OTB's targets are
# narrower than 0.2.
_POLICY = PolicyConfig(sigma=0.1, sigma_end=0.03)

_ON_POLICY = LearnConfig(
    # One update per clip of each environment, like REINFORCE's update per batch of windows.
    envs=64,
    steps=10,
    # With a thousand features or more, each Adam step moves the whole layer: at 5e-4 approx_kl comes near 0.2.
    lr=4e-4,
    lr_end=4e-5,
    # Both rewards spread by about 0.1, less than what a step of Adam changes the value by: unscaled, the value follows
    # its own noise (explained variance below 0), and advantages are mostly that noise.
    reward_scale=10.0,
    # Scaled rewards are as large as normalised advantages. The layer on the features is shared, and should above all
    # fit the policy.
    value_weight=0.1,
    # The log-probability's gradient is up to 33 times that of a policy with sigma 1: SB3's 0.5 would make nearly every
    # step one of fixed length; REINFORCE's presets take 10.
    clip_norm=10.0,
    batch=320,
    passes=4,
)

_OFF_POLICY = LearnConfig(
    # A gradient costs as much as some hundred environment steps, so few environments are enough.
    envs=16,
    steps=1,
    # With a thousand features or more, 3e-4 saturates tanh within the first gradients.
    lr=1e-4,
    lr_end=1e-5,
    batch=256,
    # The critic has to learn from rewards alone where each target is, which takes more than ten thousand gradients.
    # Until then the actor is worse than an untrained one.
    passes=4,
    # At D = 7500, 20,000 steps are 300 MB. That keeps the random steps until the critic has learned from them.
    buffer=20_000,
    # Before the critic has learned, the actor would exploit its errors and explore nothing else.
    random_steps=10_000,
)

PRESETS: dict[Algo, SB3Config] = {
    "ppo": SB3Config(algo="ppo", policy=_POLICY, learn=_ON_POLICY),
    # Batches of whole clips, because the LSTM needs consecutive steps. Twice as many at once: its cost is per call.
    "recurrent_ppo": SB3Config(
        algo="recurrent_ppo", policy=_POLICY, learn=replace(_ON_POLICY, envs=128, lr=6e-4, lr_end=6e-5, batch=640)
    ),
    # A2C takes one gradient where PPO takes eight, so its updates are smaller and more frequent.
    "a2c": SB3Config(
        algo="a2c",
        policy=_POLICY,
        learn=replace(_ON_POLICY, envs=16, steps=5, lr=3e-4, lr_end=3e-5, batch=None, passes=None),
    ),
    # SAC explores by its random steps; with 0.1 its actor ended in a corner of the box.
    "sac": SB3Config(
        algo="sac", policy=PolicyConfig(sigma=0.01), learn=_OFF_POLICY, env_steps=100_000, evaluate_every=10_000
    ),
    # The critic learns a slope only from the noise: within 0.01 the reward changes by less than the critic errs.
    "td3": SB3Config(
        algo="td3", policy=PolicyConfig(sigma=0.05), learn=_OFF_POLICY, env_steps=100_000, evaluate_every=10_000
    ),
}
"""Presets for two CPU cores and a few hundred thousand steps."""


_LOOP = LearnConfig(
    envs=8,
    steps=128,
    # A box decides what is seen next, but an error shows within some frames.
    gamma=0.9,
    clip_norm=0.5,
    value_weight=0.5,
)


# Half a gradient per step, since SB3's own one per step takes longer than the steps themselves.
_OFF_POLICY_LOOP = LearnConfig(envs=8, steps=1, gamma=0.9, batch=256, passes=4, buffer=20_000, random_steps=2_000)


def _loop_preset(env: Environment, algo: Algo) -> SB3Config:
    """The defaults of an algorithm in a closed loop: SB3's own, with a shorter horizon and less noise."""
    learn: dict[str, LearnConfig] = {
        "ppo": replace(_LOOP, batch=128, passes=10),
        "recurrent_ppo": replace(_LOOP, batch=128, passes=10),
        # Fewer steps per gradient: A2C takes one gradient where PPO takes eighty.
        "a2c": replace(_LOOP, steps=8),
        "sac": _OFF_POLICY_LOOP,
        "td3": _OFF_POLICY_LOOP,
    }
    off_policy = learn[algo].buffer is not None
    return SB3Config(
        algo=algo,
        env=env,
        data=DataConfig(features="cells" if env == "OTBTrackSearch-v0" else "grey,colour"),
        # A critic compares the actions of the whole buffer, the random ones too, so less noise is enough.
        policy=PolicyConfig(hidden=64, sigma=0.1 if off_policy else 0.5, sigma_end=None),
        learn=learn[algo],
        env_steps=20_000 if off_policy else 50_000,
        # An untrained agent is near the target for some frames, so the overlap is not 0.
        l1_share=0.0,
        clip_length=20,
        evaluate_every=10_000,
    )


def presets_of(env: str) -> dict[Algo, SB3Config]:
    """The presets of an environment, by algorithm."""
    if env == "OTBTrack-v0":
        return PRESETS
    if env not in get_args(Environment):
        raise InputError(f"unknown env {env!r}; choose one of {', '.join(get_args(Environment))}")
    return {algo: _loop_preset(cast(Environment, env), algo) for algo in PRESETS}


def parse(args: Sequence[str] | None = None) -> SB3Config:
    """The configuration for command-line flags: an algorithm's preset, with the flags' values in place of its own.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train an agent of Stable-Baselines3 or sb3-contrib, test it as train/reinforce.py does, and report."
    args = list(sys.argv[1:] if args is None else args)
    # With --config the preset is not used, whichever it is.
    presets = presets_of(value_of("--env", args) or "OTBTrack-v0")
    return parse_flags(args, "algo", presets, "train/sb3.py", description)
