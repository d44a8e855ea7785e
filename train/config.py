"""The configuration of train/reinforce.py, and its presets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.drlt import DRLTConfig
from agents.reinforce import ReinforceConfig
from agents.windows import WindowConfig
from tracking_env.errors import InputError
from train.run.data import DataConfig
from train.run.flags import RunFlags, parse_flags
from train.run.schedule import ScheduleConfig

PresetName = Literal["demo", "small", "keypoints", "paper"]


@dataclass(frozen=True)
class RunConfig(RunFlags):
    """All options of train/reinforce.py."""

    preset: PresetName = "demo"
    """source of the defaults"""
    learner: Literal["reinforce", "supervised"] = "reinforce"
    """the paper's estimator; or, as a control, the gradient of the mean's reward"""
    network: DRLTConfig = field(default_factory=DRLTConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    precision: Literal["fp32", "bf16"] = "fp32"
    """precision of the network in training; bf16 also rounds the mean, to steps of 1/256 between 0.5 and 1 (on a GPU
    the LSTM uses float16 in its place: autocast has no other type for cuDNN's)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learner != "reinforce" and self.reinforce.reuse > 1:
            raise InputError(f"--reuse needs samples; leave it out with --learner {self.learner}")


PRESETS: dict[PresetName, RunConfig] = {
    # Minutes on two CPU cores, with no data or weights to download.
    "demo": RunConfig(
        network=DRLTConfig(observation=256, hidden=256),
        # The windows of one video are alike, so shuffled batches estimate the gradient better than the paper's order.
        windows=WindowConfig(batch=32, order="shuffled"),
        # The narrow network takes a rate 100 times the paper's; without clipping, REINFORCE's rare large gradients
        # would undo many updates.
        schedule=ScheduleConfig(l1_epochs=60, iou_epochs=40, lr=1e-3, lr_end=1e-4, clip_norm=10.0, evaluate_every=20),
    ),
    # Real video on two CPU cores: a network ten times narrower than the paper's, larger steps, more clips.
    "small": RunConfig(
        preset="small",
        data=DataConfig(augment=4),
        network=DRLTConfig(observation=512, hidden=512),
        windows=WindowConfig(batch=16, order="shuffled"),
        schedule=ScheduleConfig(l1_epochs=180, iou_epochs=120, lr=1e-4, lr_end=1e-5, clip_norm=10.0),
    ),
    # Real video on two CPU cores: learned filters on the map find a target in any place of the image.
    "keypoints": RunConfig(
        preset="keypoints",
        data=DataConfig(augment=4, features="yolo-nano-voc"),
        network=DRLTConfig(observation=256, hidden=256, keypoints=32),
        windows=WindowConfig(batch=16, order="shuffled"),
        schedule=ScheduleConfig(l1_epochs=150, iou_epochs=100, lr=2e-3, lr_end=3e-5, clip_norm=10.0),
    ),
    # Section 4.2 to the letter: 220 million parameters.
    "paper": RunConfig(preset="paper", schedule=ScheduleConfig(checkpoint_every=5)),
}


def parse(args: Sequence[str] | None = None) -> RunConfig:
    """The configuration for command-line flags: a preset, with the flags' values in place of its own.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    description = "Train DRLT with REINFORCE, test it by OTB's one-pass evaluation, and write a report."
    return parse_flags(args, "preset", PRESETS, "train/reinforce.py", description)
