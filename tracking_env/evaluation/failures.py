"""Losing the target and recovering it: what an average overlap hides."""

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class FailureStats:
    """Failures of one run, or of many together. A failure is a frame without overlap after one with overlap.

    Attributes:
        frames: number of frames with a true box.
        failures: number of failures.
        recovered: number of failures after which there was overlap again.
        lost: number of frames without overlap.
        before: number of frames before the first failure, all of a run without one; summed over runs.
        runs: number of runs.
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
        """Share of the frames without overlap, in [0, 1]."""
        return self.lost / self.frames

    @property
    def frames_to_failure(self) -> float:
        """Mean over runs of the number of frames before the first failure."""
        return self.before / self.runs

    def to_json(self) -> dict[str, float]:
        """All numbers, for a ``report.json``."""
        return asdict(self) | {"failures_per_100_frames": self.per_hundred, "frames_to_failure": self.frames_to_failure}


def count_failures(overlaps: np.ndarray) -> FailureStats:
    """Failures of one run.

    Args:
        overlaps: IoU per frame, ``(T,)``; frames without a true box are negative and not counted.
    """
    known = overlaps[overlaps >= 0]
    lost = known == 0
    # A failure begins where overlap ends; being lost in the first frame is none.
    begins = np.flatnonzero(lost[1:] & ~lost[:-1]) + 1
    ends = int((~lost[1:] & lost[:-1]).sum())
    first = int(begins[0]) if len(begins) else len(known)
    # A run that is lost from its start did not fail there, so its first end of a loss is no recovery.
    recovered = ends - int(lost[:1].any()) * int(ends > 0)
    return FailureStats(len(known), len(begins), recovered, int(lost.sum()), first)


def sum_failures(stats: Iterable[FailureStats]) -> FailureStats:
    """The failures of many runs together."""
    columns = zip(*map(astuple, stats), strict=True)
    return FailureStats(*map(sum, columns))
