"""What changed between two trackers, or two versions of one: a paired comparison over the sequences that both have."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracking_env.errors import InputError
from tracking_env.evaluation.score_report import Parts

LEVEL = 0.95
"""Share of the resampled differences that lie in the interval."""
EQUAL = 0.005
"""A sequence whose score changes by less than this counts as equal: a change that three decimals barely show."""
_SAMPLES = 2000
_SEED = 0  # the same results give the same interval


@dataclass(frozen=True, eq=False)
class Change:
    """The scores of two trackers on the same sequences, and how far their means lie apart.

    Attributes:
        before: per sequence, the score of the first tracker.
        after: per sequence, the score of the second one, for the same sequences.
        interval: bounds of the difference of the means, second less first, by `bootstrap_interval`.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    interval: tuple[float, float]

    @property
    def differences(self) -> dict[str, float]:
        """Per sequence the second score less the first, the largest loss first."""
        differences = {name: self.after[name] - self.before[name] for name in self.before}
        return dict(sorted(differences.items(), key=lambda item: item[1]))

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(np.mean(list(self.differences.values())))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of sequences with a better, an equal (see `EQUAL`) and a worse score."""
        differences = np.array(list(self.differences.values()))
        better, worse = int((differences >= EQUAL).sum()), int((differences <= -EQUAL).sum())
        return better, len(differences) - better - worse, worse


def compare(
    before: Mapping[str, Parts], after: Mapping[str, Parts], part: str = "whole", metric: str = "auc"
) -> Change:
    """Compare two trackers on the sequences that both have.

    Args:
        before: the first tracker's scores by sequence, such as `Report.sequences`.
        after: the second tracker's.
        part: one of `sequence_score.PARTS`.
        metric: a field of `metrics.Score`.

    Raises:
        InputError: no sequence has a score of both.

    Example:
        >>> compare(old.sequences, new.sequences).interval
        (0.004, 0.031)
    """
    first, second = _list_scores(before, part, metric), _list_scores(after, part, metric)
    common = [name for name in first if name in second]
    if not common:
        raise InputError("the two have no scored sequence in common; give results of the same sequences")
    first, second = {name: first[name] for name in common}, {name: second[name] for name in common}
    differences = np.array(list(second.values())) - np.array(list(first.values()))
    return Change(first, second, bootstrap_interval(differences))


def bootstrap_interval(differences: np.ndarray) -> tuple[float, float]:
    """The percentile interval of a mean by the paired bootstrap (Efron and Tibshirani, 1993, chapter 13).

    Sequences are drawn with replacement, as many as there are, 2000 times. The interval holds `LEVEL` of the means. If
    it does not contain 0, another choice of sequences would hardly turn the order of the two trackers around. It says
    nothing about another seed of the training.

    Args:
        differences: of the two trackers, one per sequence, ``(N,)``.
    """
    drawn = np.random.default_rng(_SEED).integers(len(differences), size=(_SAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _list_scores(sequences: Mapping[str, Parts], part: str, metric: str) -> dict[str, float]:
    """The metric of each sequence that has it."""
    scores: dict[str, float] = {}
    for name, parts in sequences.items():
        value = getattr(parts.get(part), metric, None)
        if value is not None:
            scores[name] = value
    return scores
