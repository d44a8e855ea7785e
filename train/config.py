"""The configuration of a run, and its presets."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import tyro

from agents.drlt import DRLTConfig
from agents.reinforce import ReinforceConfig
from agents.windows import WindowConfig
from tracking_env.errors import InputError
from train.data import DataConfig
from train.schedule import ScheduleConfig

PresetName = Literal["demo", "small", "paper"]


@dataclass(frozen=True)
class RunConfig:
    """One run of train/reinforce.py."""

    preset: PresetName = "demo"
    """where the defaults come from"""
    learner: Literal["reinforce", "pathwise", "supervised"] = "reinforce"
    """the paper's estimator; or the gradient of the same samples' reward, differentiated; or of the mean's reward"""
    data: DataConfig = field(default_factory=DataConfig)
    network: DRLTConfig = field(default_factory=DRLTConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    out: str | None = None
    """run directory; by default runs/ and the preset's name"""
    seed: int = 0
    """of the weights, the order and the policy's noise"""
    seeds: int = 1
    """runs, with this seed and the next ones, in folders seed-0, ... of `out`; and then their mean and deviation"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network while training; bf16 also rounds the mean, to steps of 1/256 between 0.5 and 1"""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    resume: bool = False
    """go on where the run in `out` stopped"""
    overwrite: bool = False
    """delete the run in `out` and start anew"""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; give a number of runs >= 1")
        if self.learner != "reinforce" and (self.reinforce.reuse > 1 or self.reinforce.learn_sigma):
            raise InputError(f"--reuse and --learn-sigma are REINFORCE's; leave them out with --learner {self.learner}")


CONTROL = ("out", "device", "resume", "overwrite")
"""Fields that may differ between a run and its continuation."""

PRESETS: dict[PresetName, RunConfig] = {
    # Minutes on two CPU cores with nothing but the installed packages.
    "demo": RunConfig(
        network=DRLTConfig(observation=256, hidden=256),
        windows=WindowConfig(batch=32, order="shuffled"),
        schedule=ScheduleConfig(l1_epochs=60, iou_epochs=40, lr=1e-3, lr_end=1e-4, clip_norm=10.0, evaluate_every=20),
    ),
    # Real video on two CPU cores: a network ten times narrower, larger steps, and more clips than the paper's.
    "small": RunConfig(
        preset="small",
        data=DataConfig(augment=4),
        network=DRLTConfig(observation=512, hidden=512),
        windows=WindowConfig(batch=16, order="shuffled"),
        schedule=ScheduleConfig(l1_epochs=180, iou_epochs=120, lr=1e-4, lr_end=1e-5, clip_norm=10.0),
    ),
    # Section 4.2 to the letter: 220 million parameters.
    "paper": RunConfig(preset="paper", schedule=ScheduleConfig(checkpoint_every=5)),
}


@dataclass(frozen=True)
class _Choice:
    preset: str = "demo"


def parse(argv: Sequence[str] | None = None) -> RunConfig:
    """The configuration that command-line flags ask for: a preset, and what is changed in it.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    chosen, _ = tyro.cli(_Choice, args=given, return_unknown_args=True, add_help=False)
    preset = next((one for name, one in PRESETS.items() if name == chosen.preset), None)
    if preset is None:
        raise InputError(f"unknown preset {chosen.preset!r}; choose one of {', '.join(PRESETS)}")
    config, unknown = tyro.cli(
        RunConfig,
        prog="train/reinforce.py",
        description="Train DRLT with REINFORCE, test it by OTB's one-pass evaluation, and write a report.",
        args=given,
        default=preset,
        return_unknown_args=True,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    if unknown:
        near = difflib.get_close_matches(unknown[0], ["--" + name.replace("_", "-") for name in flat(config)], n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise InputError(f"unknown flag {unknown[0]!r}{hint}; --help lists them all")
    return replace(config, data=config.data.filled(), out=config.out or f"runs/{config.preset}")


def flat(config: RunConfig | dict[str, Any]) -> dict[str, Any]:
    """All fields, those of nested dataclasses (or dicts) too, by their own names, which are unique."""
    found: dict[str, Any] = {}
    for name, value in (config if isinstance(config, dict) else asdict(config)).items():
        found |= flat(value) if isinstance(value, dict) else {name: value}
    return found


def differences(config: RunConfig, saved: dict[str, Any]) -> list[str]:
    """What differs between a configuration and a saved run's (`asdict`), but for `CONTROL`: ``name: saved -> now``."""
    now, before = flat(config), flat(saved)
    names = [name for name in now | before if name not in CONTROL]
    return [f"{name}: {before.get(name)} -> {now.get(name)}" for name in names if now.get(name) != before.get(name)]
