"""The schedule: how long, how fast, on which reward; and where a run is in it."""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from tracking_env.errors import InputError


class Phase(NamedTuple):
    """A part of a run with one reward."""

    number: int
    """0 warm start, 1 L1, 2 IoU"""
    reward: str
    epochs: int
    """most epochs it takes"""


@dataclass(frozen=True)
class Progress:
    """Where a run is; part of its checkpoints."""

    epoch: int = 0
    """epochs done"""
    phase: int = 0
    """phases done"""
    spent: int = 0
    """epochs done of the phase that goes on"""
    best: float | None = None
    """the best mean reward of an epoch in it"""
    waited: int = 0
    """epochs since that one"""

    @classmethod
    def read(cls, saved: dict[str, Any]) -> "Progress":
        """From the dict of a checkpoint.

        Raises:
            InputError: it is not what `dataclasses.asdict` makes of one.
        """
        counts = [value for name, value in saved.items() if name != "best"]
        best = saved.get("best")
        known = {one.name for one in fields(cls)}
        if not saved.keys() <= known or any(type(one) is not int or one < 0 for one in counts):
            raise InputError(f"the checkpoint's progress is {saved}"[:120] + "; wanted counts of epochs and phases")
        if best is not None and type(best) is not float:
            raise InputError(f"the checkpoint's best reward is {best!r}"[:120] + "; wanted a number")
        return cls(**saved)


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, and how fast; the paper's numbers are the defaults (section 4.2)."""

    warm_epochs: int = 0
    """epochs of the supervised control on the L1 reward, before all others"""
    l1_epochs: int = 300
    """epochs on the L1 reward (Eq. 2), first"""
    iou_epochs: int = 200
    """epochs on the IoU reward (Eq. 3), after them"""
    plateau: int | None = None
    """end a phase once its reward has no new best for so many epochs (Algorithm 1, line 14); by default none ends
    early"""
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
        if min(self.warm_epochs, self.l1_epochs, self.iou_epochs) < 0 or self.epochs < 1:
            raise InputError("--warm-epochs, --l1-epochs and --iou-epochs must not be negative, and not all 0")
        if self.plateau is not None and self.plateau < 1:
            raise InputError(f"--plateau is {self.plateau}; give a number of epochs >= 1, or None")
        if not (self.lr > 0 and self.lr_end > 0):
            raise InputError(f"--lr is {self.lr} and --lr-end is {self.lr_end}; give numbers > 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"--clip-norm is {self.clip_norm}; give a number > 0, or None")
        if min(self.evaluate_every, self.checkpoint_every) < 1:
            raise InputError("--evaluate-every and --checkpoint-every count epochs; give numbers >= 1")

    @property
    def epochs(self) -> int:
        """Epochs in all; with ``plateau`` the most there can be."""
        return self.warm_epochs + self.l1_epochs + self.iou_epochs

    def phase(self, progress: Progress) -> Phase | None:
        """What comes next; None where the run is over."""
        phases = (Phase(0, "l1", self.warm_epochs), Phase(1, "l1", self.l1_epochs), Phase(2, "iou", self.iou_epochs))
        left = [one for one in phases if one.epochs][progress.phase :]
        return left[0] if left else None

    def after(self, progress: Progress, reward: float) -> Progress:
        """Where the run is after one more epoch, in which the sampled boxes had this mean reward."""
        phase = self.phase(progress)
        assert phase is not None, "the run is over"
        better = progress.best is None or reward > progress.best
        best, waited = (reward, 0) if better else (progress.best, progress.waited + 1)
        epoch, spent = progress.epoch + 1, progress.spent + 1
        if spent == phase.epochs or (self.plateau is not None and waited >= self.plateau):
            return Progress(epoch, progress.phase + 1)
        return replace(progress, epoch=epoch, spent=spent, best=best, waited=waited)

    def rate(self, epoch: int) -> float:
        """The learning rate in an epoch (0-based), of all that there can be; exponential."""
        return self.between(self.lr, self.lr_end, epoch)

    def between(self, start: float, end: float, epoch: int) -> float:
        """From start in the first epoch to end in the last, exponentially."""
        return between(start, end, epoch / max(1, self.epochs - 1))


def between(start: float, end: float, share: float) -> float:
    """``start * (end / start) ** share``: from start at 0 to end at 1, exponentially."""
    return start * (end / start) ** share
