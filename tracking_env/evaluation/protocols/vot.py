"""VOT's multi-start protocol for bounding boxes: accuracy, robustness and expected average overlap (EAO).

A tracker starts at each anchor of a sequence and runs to its end, or back to its beginning. The rules are those of the
toolkit (votchallenge/toolkit 0.7.1: ``vot/analysis/multistart.py``, ``vot/region/raster.py``) and of VOT-STb2022
(``vot/stack/vot2022/shorttermbox.yaml``; Kristan et al., ECCV Workshops 2020 and 2022).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.evaluation import metrics
from tracking_env.evaluation.metrics import Score
from tracking_env.evaluation.protocols.protocol import FrameMeasures

THRESHOLD = 0.1
"""A frame whose overlap is not above this counts towards a failure."""
GRACE = 10
"""Number of such frames in a row that are a failure; it begins with the first of them."""
SHORTEST, LONGEST = 115, 755
"""Lengths between which EAO averages its curve, in frames after the start; the longest is not included."""


def measure(prediction: np.ndarray, truth: np.ndarray, size: Size | None = None) -> FrameMeasures:
    """Overlaps of one run. As in the toolkit, the first frame has none, and neither has one without a true box.

    Args:
        prediction: pixel boxes in the order of the run, ``(T, 4)``.
        truth: true boxes in the same order.
        size: width and height of the images, at whose edges boxes are cut.

    Raises:
        InputError: the two are not both ``(T, 4)`` with the same ``T > 0``.
    """
    boxes, truth = metrics.as_boxes(prediction, truth)
    overlaps = pixel_overlaps(bx.to_zero_based(boxes), bx.to_zero_based(truth), size)
    overlaps[0] = 0
    return FrameMeasures(boxes, np.where(bx.annotated(truth), overlaps, -1.0), np.ones(len(boxes), dtype=bool))


def pixel_overlaps(a: np.ndarray, b: np.ndarray, size: Size | None = None) -> np.ndarray:
    """Share of pixels that boxes have in common, ``(T,)`` in [0, 1], counted as the toolkit counts them.

    Args:
        a: boxes ``x, y, w, h`` whose first pixel is 0, ``(T, 4)``. Their numbers are rounded, halves to even ones.
        b: the same.
        size: width and height of the images; pixels outside do not count.

    Example:
        >>> pixel_overlaps(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 10, 10]]))
        array([0.33333333])
    """
    valid = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    first, second = (np.round(np.where(valid[:, None], boxes, 0.0)) for boxes in (a, b))
    # Corners: the first and the last pixel. The toolkit rasterises the frame that encloses both boxes.
    starts = np.stack([first[:, :2], second[:, :2]])
    ends = np.stack([first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:]]) - 1
    low, high = starts.min(axis=0), ends.max(axis=0)
    tiny = (low >= high).any(axis=1)
    if size is not None:
        low, high = np.maximum(low, 0), np.minimum(high, np.array(size) - 1)
    outside = (low >= high).any(axis=1)
    starts, ends = np.maximum(starts, low), np.minimum(ends, high)
    areas = (ends - starts + 1).clip(0).prod(axis=-1)
    common = (ends.min(axis=0) - starts.max(axis=0) + 1).clip(0).prod(axis=-1)
    union = areas.sum(axis=0) - common
    ratio = common / np.where(union > 0, union, 1)
    # Its two special cases: boxes of one row or column count as equal, and others outside the image have no overlap.
    return np.where(~valid, 0.0, np.where(tiny, 1.0, np.where(outside, 0.0, ratio)))


def count_progress(frames: FrameMeasures) -> int:
    """Number of frames until the tracker fails, in [0, T]; T if it does not.

    A failure is `GRACE` frames in a row whose overlap is not above `THRESHOLD`. A frame without a true box ends the
    row.
    """
    bad = 0
    for index, overlap in enumerate(frames.overlaps.tolist()):
        bad = bad + 1 if 0 <= overlap <= THRESHOLD else 0
        if bad == GRACE:
            return index + 1 - GRACE
    return len(frames.overlaps)


def accuracy(frames: FrameMeasures) -> float:
    """Mean overlap of one run until its failure; 0 if it fails at once."""
    progress = count_progress(frames)
    return float(frames.overlaps[:progress].clip(0).sum()) / progress if progress else 0.0


def robustness(frames: FrameMeasures) -> float:
    """Share of the frames of one run until its failure."""
    return count_progress(frames) / len(frames.overlaps)


def eao_curve(runs: Sequence[FrameMeasures], length: int = LONGEST) -> tuple[np.ndarray, np.ndarray]:
    """Mean overlap over the first frames after the start, ``(length,)``, and how many runs each is over.

    A run that failed overlaps nothing from there on, also after its last frame. One that ends without a failure counts
    up to its last frame.
    """
    total, weights = np.zeros(length), np.zeros(length)
    for frames in runs:
        progress, count = count_progress(frames), len(frames.overlaps)
        overlaps = frames.overlaps.clip(0)
        overlaps[progress:] = 0
        steps = np.arange(1, min(count, length))
        sums = overlaps[1:].cumsum()
        total[steps] += sums[: len(steps)] / steps
        weights[steps] += 1
        if progress < count < length:
            # The toolkit divides by one frame less beyond the end of a run.
            later = np.arange(count, length)
            total[later] += (sums[-1] if len(sums) else 0.0) / np.maximum(later - 1, 1)
            weights[later] += 1
    return np.divide(total, weights, out=np.zeros(length), where=weights > 0), weights


def eao(curve: np.ndarray, shortest: int = SHORTEST) -> float:
    """Expected average overlap: the mean of a curve from a length on."""
    return float(curve[shortest:].mean())


def score_runs(runs: Sequence[FrameMeasures]) -> Score:
    """The scores of one sequence: accuracy over the frames before failures, robustness over all frames of all runs."""
    progress = np.array([count_progress(frames) for frames in runs])
    frames = sum(len(run.overlaps) for run in runs)
    overlaps = np.concatenate([run.overlaps for run in runs])
    weighted = float(np.dot([accuracy(run) for run in runs], progress))
    return Score(
        auc=metrics.auc(overlaps),
        accuracy=weighted / progress.sum() if progress.any() else 0.0,
        robustness=float(progress.sum()) / frames,
        eao=eao(eao_curve(runs)[0]),
        frames=frames,
    )


def score_sequences(sequences: Mapping[str, Sequence[FrameMeasures]], lengths: Mapping[str, int]) -> Score | None:
    """The scores of all sequences together; None of no sequence.

    Args:
        sequences: the runs of each sequence.
        lengths: number of frames of each sequence, the weight of its robustness.
    """
    if not sequences:
        return None
    scores = [score_runs(runs) for runs in sequences.values()]
    accuracies, shares = (np.array([getattr(score, name) for score in scores]) for name in ("accuracy", "robustness"))
    # Accuracy is over the frames before failures, as it is within a sequence.
    tracked = np.array([score.frames for score in scores]) * shares
    curve, weights = np.zeros(LONGEST), np.zeros(LONGEST)
    for runs in sequences.values():
        own_curve, own_weights = eao_curve(runs)
        curve += own_curve * own_weights
        weights += own_weights
    return Score(
        auc=float(np.mean([score.auc for score in scores])),
        accuracy=float(np.average(accuracies, weights=tracked)) if tracked.any() else 0.0,
        robustness=float(np.average(shares, weights=[lengths[name] for name in sequences])),
        eao=eao(curve / np.maximum(weights, 1)),
        frames=sum(score.frames for score in scores),
    )
