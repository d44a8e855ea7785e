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

PresetName = Literal["demo", "small", "paper"]
DRAWN_TRAINING, DRAWN_TEST = "synthetic:0-127", "synthetic:10000-10019"  # other seeds: unseen as a whole


@dataclass(frozen=True)
class DataConfig:
    """What is trained and tested on, and what the agent sees of it."""

    root: str | None = None
    """folder of OTB sequences, or of GOT-10k, LaSOT, UAV123, VOT or videos; without it sequences are drawn"""
    sequences: str | None = None
    """names or lists (drlt30, otb100, ...), or drawn ones (synthetic:0-95); by default all that are in the root"""
    test_sequences: str | None = None
    """other sequences to test on, then `sequences` are trained on as a whole; by default the paper's protocol: training
    on the first third of each of `sequences`, testing on all of it"""
    augment: int = 0
    """changed copies (moving, mirrored crops) of each training clip, besides the clip; not in the paper"""
    features: str = "grid"
    """extractor: grid (no weights), yolo-nano-voc, yolov1-small, yolov1, resnet-18, mobilenet-v2, timm:NAME, ...; with
    :ROWSxCOLUMNS after it the network's map is averaged to that grid"""
    weights: str | None = None
    """weights file of the extractor, or its folder; by default downloaded; random: untrained"""
    store: str | None = None
    """folder of extracted features; by default in the user's cache folder"""

    def __post_init__(self) -> None:
        if self.augment < 0:
            raise InputError(f"--augment is {self.augment}; give a number of copies >= 0")

    def filled(self) -> "DataConfig":
        """With the defaults that depend on the root written out."""
        if self.sequences is not None:
            return self
        if self.root is not None:
            return replace(self, sequences="available")
        return replace(self, sequences=DRAWN_TRAINING, test_sequences=self.test_sequences or DRAWN_TEST)


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

    def __post_init__(self) -> None:
        if min(self.l1_epochs, self.iou_epochs) < 0 or self.epochs < 1:
            raise InputError("--l1-epochs and --iou-epochs must not be negative, and not both 0")
        if not (self.lr > 0 and self.lr_end > 0):
            raise InputError(f"--lr is {self.lr} and --lr-end is {self.lr_end}; give numbers > 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"--clip-norm is {self.clip_norm}; give a number > 0, or None")
        if min(self.evaluate_every, self.checkpoint_every) < 1:
            raise InputError("--evaluate-every and --checkpoint-every count epochs; give numbers >= 1")

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
    learner: Literal["reinforce", "supervised"] = "reinforce"
    """the paper's estimator, or its control: the same reward differentiated"""
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

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")


CONTROL = ("out", "device", "resume", "overwrite")
"""Fields that may differ between a run and its continuation."""

PRESETS: dict[PresetName, RunConfig] = {
    # Minutes on two CPU cores with nothing but the installed packages.
    "demo": RunConfig(
        network=DRLTConfig(observation=256, hidden=256),
        windows=WindowConfig(batch=32, order="shuffled"),
        schedule=ScheduleConfig(60, 40, lr=1e-3, lr_end=1e-4, clip_norm=10.0, evaluate_every=20),
    ),
    # Real video on two CPU cores: a network ten times narrower, larger steps, and more clips than the paper's.
    "small": RunConfig(
        preset="small",
        data=DataConfig(augment=4),
        network=DRLTConfig(observation=512, hidden=512),
        windows=WindowConfig(batch=16, order="shuffled"),
        schedule=ScheduleConfig(180, 120, lr=1e-4, lr_end=1e-5, clip_norm=10.0),
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
