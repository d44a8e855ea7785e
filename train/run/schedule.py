"""The schedule of a run of train/reinforce.py: epochs, rewards and learning rates, and the progress in it."""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from tracking_env.errors import InputError


class Phase(NamedTuple):
    """A part of a run with one reward."""

    number: int
    """0 supervised warm-up, 1 L1, 2 IoU"""
    reward: str
    """``l1`` or ``iou``"""
    epochs: int
    """largest number of epochs"""


@dataclass(frozen=True)
class Progress:
    """Progress of a run in its schedule; part of its checkpoints."""

    epoch: int = 0
    """epochs done"""
    phase: int = 0
    """phases done"""
    spent: int = 0
    """epochs done of the current phase"""
    best: float | None = None
    """best mean reward of an epoch of the current phase"""
    waited: int = 0
    """epochs since that epoch"""

    @classmethod
    def read(cls, saved: dict[str, Any]) -> "Progress":
        """The progress from the dictionary in a checkpoint.

        Raises:
            InputError: it does not have the form that `dataclasses.asdict` gives.
        """
        counts = [value for name, value in saved.items() if name != "best"]
        names = {field.name for field in fields(cls)}
        if not saved.keys() <= names or any(type(count) is not int or count < 0 for count in counts):
            raise InputError(f"the checkpoint's progress is {saved}"[:120] + "; wanted counts of epochs and phases")
        best = saved.get("best")
        if best is not None and type(best) is not float:
            raise InputError(f"the checkpoint's best reward is {best!r}"[:120] + "; wanted a number")
        return cls(**saved)


@dataclass(frozen=True)
class ScheduleConfig:
    """Length and learning rates of a run. The preset `paper` has those of section 4.2."""

    warm_epochs: int = 0
    """epochs of supervised training on the L1 reward, before all others"""
    l1_epochs: int = 300
    """epochs on the L1 reward (Eq. 2), first"""
    iou_epochs: int = 200
    """epochs on the IoU reward (Eq. 3), after them"""
    plateau: int | None = None
    """end a phase if its reward has no new best for this many epochs (Algorithm 1, line 14); by default no phase ends
    early"""
    lr: float = 1e-5
    """Adam's learning rate in the first epoch"""
    lr_end: float = 1e-6
    """learning rate in the last epoch; exponential in between"""
    clip_norm: float | None = None
    """largest norm of the gradient, longer ones are scaled down to it; by default none"""
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
        """Number of epochs; with ``plateau`` the largest possible number."""
        return self.warm_epochs + self.l1_epochs + self.iou_epochs

    def phase(self, progress: Progress) -> Phase | None:
        """The phase of the next epoch; None at the end of the run."""
        phases = (Phase(0, "l1", self.warm_epochs), Phase(1, "l1", self.l1_epochs), Phase(2, "iou", self.iou_epochs))
        remaining = [phase for phase in phases if phase.epochs][progress.phase :]
        return remaining[0] if remaining else None

    def after(self, progress: Progress, reward: float) -> Progress:
        """The progress after one more epoch, with this mean reward of the sampled boxes."""
        phase = self.phase(progress)
        assert phase is not None, "the run is over"
        is_best = progress.best is None or reward > progress.best
        best, waited = (reward, 0) if is_best else (progress.best, progress.waited + 1)
        epoch, spent = progress.epoch + 1, progress.spent + 1
        if spent == phase.epochs or (self.plateau is not None and waited >= self.plateau):
            return Progress(epoch, progress.phase + 1)
        return replace(progress, epoch=epoch, spent=spent, best=best, waited=waited)

    def rate(self, epoch: int) -> float:
        """The learning rate in an epoch (0-based)."""
        return self.interpolate(self.lr, self.lr_end, epoch)

    def interpolate(self, start: float, end: float, epoch: int) -> float:
        """From ``start`` in the first epoch to ``end`` in the last possible one, exponentially."""
        return interpolate(start, end, epoch / max(1, self.epochs - 1))


def interpolate(start: float, end: float, share: float) -> float:
    """``start * (end / start) ** share``: exponentially from ``start`` at 0 to ``end`` at 1."""
    return start * (end / start) ** share
