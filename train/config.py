"""The configuration of a run, and its presets."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, get_args

import tyro

from agents.drlt import DRLTConfig
from agents.reinforce import ReinforceConfig
from agents.windows import WindowConfig
from tracking_env.errors import InputError

PresetName = Literal["demo", "small", "paper"]


@dataclass(frozen=True)
class DataConfig:
    """What is trained and tested on, and what the agent sees of it."""

    root: str | None = None
    """folder of OTB sequences; without it sequences are drawn"""
    sequences: str = "available"
    """names or lists (drlt30, otb100, ..., available), or drawn ones (synthetic:0-95)"""
    test_sequences: str | None = None
    """other sequences to test on, then `sequences` are trained on as a whole; by default the paper's protocol: training
    on the first third of each of `sequences`, testing on all of it"""
    features: str = "grid"
    """extractor: grid (no weights) or yolo-nano-voc"""
    weights: str | None = None
    """weights file of the extractor"""
    store: str | None = None
    """folder of extracted features; by default in the user's cache folder"""


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, and how fast; the paper's numbers are the defaults (section 4.2)."""

    l1_epochs: int = 300
    """epochs on the L1 reward (Eq. 2), first"""
    iou_epochs: int = 200
    """epochs on the IoU reward (Eq. 3), after them"""
    lr: float = 1e-5
    """Adam's learning rate in the first epoch"""
    lr_end: float = 1e-6
    """and in the last; exponential in between"""
    clip_norm: float | None = None
    """largest norm of the gradient, longer ones are scaled down to it; none by default"""
    evaluate_every: int = 25
    """epochs between evaluations on the test sequences"""
    checkpoint_every: int = 25
    """epochs between checkpoints"""

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.l1_epochs + self.iou_epochs

    def reward(self, epoch: int) -> str:
        """The reward's name in an epoch (0-based)."""
        return "l1" if epoch < self.l1_epochs else "iou"

    def rate(self, epoch: int) -> float:
        """The learning rate in an epoch (0-based): ``lr * (lr_end / lr) ** (epoch / (epochs - 1))``."""
        return self.lr * (self.lr_end / self.lr) ** (epoch / max(1, self.epochs - 1))


@dataclass(frozen=True)
class RunConfig:
    """One run of train/reinforce.py."""

    preset: PresetName = "demo"
    """where the defaults come from"""
    data: DataConfig = field(default_factory=DataConfig)
    network: DRLTConfig = field(default_factory=DRLTConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    out: str | None = None
    """run directory; by default runs/ and the preset's name"""
    seed: int = 0
    """of the weights, the order and the policy's noise"""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    resume: bool = False
    """go on where the run in `out` stopped"""
    overwrite: bool = False
    """delete the run in `out` and start anew"""


CONTROL = ("out", "device", "resume", "overwrite")
"""Fields that may differ between a run and its continuation."""

PRESETS: dict[PresetName, RunConfig] = {
    # Minutes on two CPU cores with nothing but the installed packages.
    "demo": RunConfig(
        data=DataConfig(sequences="synthetic:0-127", test_sequences="synthetic:10000-10019"),
        network=DRLTConfig(observation=256, hidden=256),
        windows=WindowConfig(batch=32, order="shuffled"),
        schedule=ScheduleConfig(60, 40, lr=1e-3, lr_end=1e-4, clip_norm=10.0, evaluate_every=20),
    ),
    # Real video on two CPU cores. Larger steps than the paper's, since the network is ten times narrower.
    "small": RunConfig(
        preset="small",
        network=DRLTConfig(observation=512, hidden=512),
        windows=WindowConfig(batch=16, order="shuffled"),
        schedule=ScheduleConfig(lr=1e-4, lr_end=1e-5, clip_norm=10.0),
    ),
    # Section 4.2 to the letter: 220 million parameters.
    "paper": RunConfig(preset="paper", schedule=ScheduleConfig(checkpoint_every=5)),
}


def parse(argv: Sequence[str] | None = None) -> RunConfig:
    """The configuration that command-line flags ask for: a preset, and what is changed in it.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    flat = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    names = [one.partition("=")[2] if "=" in one else nxt for one, nxt in zip(given, [*given[1:], ""], strict=True)
             if one.split("=")[0] == "--preset"]  # fmt: skip
    preset = names[-1] if names else "demo"
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose one of {', '.join(get_args(PresetName))}")
    config, rest = tyro.cli(
        RunConfig,
        prog="train/reinforce.py",
        description="Train DRLT with REINFORCE, test it by OTB's one-pass evaluation, and write a report.",
        args=given,
        default=PRESETS[preset],
        return_unknown_args=True,
        config=flat,
    )
    if rest:
        flags = ["--" + name.replace("_", "-") for name in _names(RunConfig())]
        near = difflib.get_close_matches(rest[0], flags, n=1)
        raise InputError(f"unknown flag {rest[0]!r}{f', did you mean {near[0]}?' if near else ''}; see --help")
    _check(config)
    return replace(config, out=config.out or f"runs/{config.preset}")


def flat(config: Any) -> dict[str, Any]:
    """All fields of nested dataclasses by their own names, which are unique; for hyper-parameter tables."""
    found: dict[str, Any] = {}
    for one in fields(config):
        value = getattr(config, one.name)
        found |= flat(value) if is_dataclass(value) else {one.name: value}
    return found


def differences(config: RunConfig, saved: dict[str, Any]) -> list[str]:
    """What differs between a configuration and a saved run's ``asdict``, but for `CONTROL`: ``name: saved -> now``."""
    now = asdict(config)
    found = []
    for group, value in now.items():
        if group in CONTROL:
            continue
        pairs = value.items() if isinstance(value, dict) else [(group, value)]
        before = saved.get(group, {})
        for name, one in pairs:
            old = before.get(name) if isinstance(value, dict) else before
            if old != one:
                found.append(f"{name} {old} -> {one}")
    return found


def _names(config: Any) -> list[str]:
    return list(flat(config))


def _check(config: RunConfig) -> None:
    values = flat(config)
    for name in ("steps", "batch", "episodes", "observation", "evaluate_every", "checkpoint_every"):
        if values[name] < 1:
            raise InputError(f"--{name.replace('_', '-')} is {values[name]}; give a number >= 1")
    for name in ("sigma", "lr", "lr_end"):
        if not values[name] > 0:
            raise InputError(f"--{name.replace('_', '-')} is {values[name]}; give a number > 0")
    if values["hidden"] < 4:
        raise InputError(f"--hidden is {values['hidden']}; give at least 4, the last four are the box")
    if values["episodes"] < 2:
        raise InputError("--episodes is 1; give at least 2, one episode is its own baseline and nothing is learned")
    if config.schedule.epochs < 1 or min(config.schedule.l1_epochs, config.schedule.iou_epochs) < 0:
        raise InputError("--l1-epochs and --iou-epochs must not be negative, and one of them at least 1")
    if config.resume and config.overwrite:
        raise InputError("--resume and --overwrite exclude each other; give one of them")
