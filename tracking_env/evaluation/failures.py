"""Losing the target and finding it again: what an average overlap hides."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Drift:
    """Failures of one run, or of many together. A failure is a frame without overlap after one with.

    Attributes:
        frames: with a true box.
        failures: how many.
        recovered: after how many of them there was overlap again.
        lost: frames without overlap.
        before: frames up to the first failure, added up over runs; all of a run that has none.
        runs: how many runs.
    """

    frames: int
    failures: int
    recovered: int
    lost: int
    before: int
    runs: int = 1

    @property
    def per_hundred(self) -> float:
        """Failures per 100 frames."""
        return 100 * self.failures / self.frames

    @property
    def lost_share(self) -> float:
        """Share of the frames without overlap."""
        return self.lost / self.frames

    @property
    def frames_to_failure(self) -> float:
        """Mean over runs of the frames before the first failure."""
        return self.before / self.runs

    def to_json(self) -> dict[str, float]:
        """All of it, for a report."""
        return asdict(self) | {"failures_per_100_frames": self.per_hundred, "frames_to_failure": self.frames_to_failure}


def drift(overlaps: np.ndarray) -> Drift:
    """Failures of one run.

    Args:
        overlaps: IoU per frame, ``(T,)``; negative where there is no true box, and those frames are left out.
    """
    known = overlaps[overlaps >= 0]
    lost = known == 0
    begins = np.flatnonzero(lost[1:] & ~lost[:-1]) + 1
    ends = int((~lost[1:] & lost[:-1]).sum())
    first = int(begins[0]) if len(begins) else len(known)
    return Drift(len(known), len(begins), ends - int(lost[:1].any()) * int(ends > 0), int(lost.sum()), first)


def together(drifts: Iterable[Drift]) -> Drift:
    """Those of many runs as one."""
    rows = [(one.frames, one.failures, one.recovered, one.lost, one.before, one.runs) for one in drifts]
    return Drift(*(sum(column) for column in zip(*rows, strict=True)))
