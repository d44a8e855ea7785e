"""The configuration of a run of train/search.py."""

from dataclasses import dataclass, field
from typing import Literal

from agents.pointing import PointingConfig
from agents.returns import Returns
from tracking_env.errors import InputError


@dataclass(frozen=True)
class SearchData:
    """What is trained and tested on, and what the agent sees of it."""

    root: str | None = None
    """folder of OTB sequences or of another data set; without it sequences are drawn"""
    sequences: str | None = None
    """names or lists; by default all that are in the root, or drawn ones"""
    test_sequences: str | None = None
    """other sequences to test on, then `sequences` are trained on as a whole; by default the paper's protocol: training
    on the first third of each of `sequences`, testing on all of it"""
    extra: str | None = None
    """more sequences, trained on as a whole in any case: names in the root, or drawn ones (synthetic:0-63)"""
    features: str = "cells"
    """extractor of maps: cells (no weights) or nanotrack"""
    weights: str | None = None
    """nanotrack's backbone (.onnx), or its folder"""


@dataclass(frozen=True)
class WarmConfig:
    """The supervised warm start on single crops."""

    warm_steps: int = 1500
    """updates; 0: none"""
    crops: int = 8
    """crops cut of every training frame, once"""
    pretended: int = 0
    """things per training frame that are no target, cut all the same"""
    pretended_share: float = 0.5
    """of a batch, where there are any"""
    warm_batch: int = 64
    """crops per update"""
    warm_lr: float = 3e-3
    """highest rate, one cycle"""


@dataclass(frozen=True)
class LoopConfig:
    """Training in the loop: what the agent says decides what it sees next."""

    learner: Literal["reinforce", "pathwise"] = "reinforce"
    """compare the returns of sampled episodes; or, the control, differentiate each step's reward of the mean"""
    l1_updates: int = 0
    """updates on the L1 reward (Eq. 2)"""
    iou_updates: int = 300
    """and then on IoU (Eq. 3)"""
    clips: int = 8
    """different clips per update"""
    episodes: int = 5
    """N, episodes sampled of each clip; their mean return is the baseline"""
    steps: int = 20
    """T, frames of a clip"""
    sigma: float = 0.01
    """standard deviation of the policy, relative to the region"""
    returns: Returns = "to_go"
    """what a step is credited with: its own reward, those from it to the clip's end, or all"""
    gamma: float = 0.95
    """discount of to_go"""
    jitter: float = 0.1
    """how far the first look is off, over the target's size"""
    lr: float = 3e-4
    """of Adam"""
    lr_end: float = 3e-5
    """in the last update, exponentially"""
    clip_norm: float = 1.0
    """largest norm of the gradient"""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise InputError(f"episodes is {self.episodes}; give at least 2: one alone is its own baseline")
        if min(self.steps, self.clips) < 1 or not self.sigma > 0 or not 0 <= self.gamma <= 1:
            raise InputError("give steps and clips >= 1, sigma > 0, and gamma from 0 to 1")

    @property
    def updates(self) -> int:
        """All of them."""
        return self.l1_updates + self.iou_updates


@dataclass(frozen=True)
class SearchConfig:
    """One run of train/search.py."""

    data: SearchData = field(default_factory=SearchData)
    network: PointingConfig = field(default_factory=PointingConfig)
    warm: WarmConfig = field(default_factory=WarmConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    start: str | None = None
    """folder of another run, whose warm start is taken instead of making one"""
    out: str = "runs/search"
    """run directory"""
    seed: int = 0
    """of weights, crops, clips and noise"""
    evaluate_every: int = 100
    """updates between tests on the test sequences, for the log alone"""
    resume: bool = False
    """go on where the run in `out` stopped"""
    overwrite: bool = False
    """delete the run in `out` and start anew"""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")
