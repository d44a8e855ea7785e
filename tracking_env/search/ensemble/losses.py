"""Made losses: starts in which one expert or all have lost the target, to learn what that looks like.

Pretrained experts seldom lose a target, so that a few videos hold few examples of it.
"""

import zlib
from typing import NamedTuple

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence

FRAMES = 60
"""Length of a run that starts with a made loss."""
NEAREST, FARTHEST = 1.0, 4.0
"""How far beside the target the lost expert starts, in its sizes."""
SIZE_ERROR = 0.2
"""Deviation of the logarithm of the size with which it starts."""
LARGEST_IOU = 0.1
"""Of its box with the true one."""
TRIALS = 50


class MadeLoss(NamedTuple):
    """A start of K experts on one target."""

    start: int
    """first frame, 0-based"""
    around: np.ndarray
    """the pixel box that each expert looks around first, ``(K, 4)``"""


def make_losses(sequence: Sequence, part: range, count: int, experts: int) -> list[MadeLoss]:
    """Made losses of a sequence, always the same ones: each expert is lost in turn, and then all of them.

    Args:
        sequence: with true boxes.
        part: the frames that may be used.
        count: how many.
        experts: K.

    Returns:
        ``count`` of them; fewer where the target fills the image, so that no box lies beside it.
    """
    losses = []
    for number in range(count):
        rng = np.random.default_rng([zlib.crc32(sequence.name.encode()), number])
        start = int(rng.choice(first_frames(sequence, part, FRAMES)))
        around = lose(sequence.boxes[start], sequence.size, number % (experts + 1), experts, rng)
        if around is not None:
            losses.append(MadeLoss(start, around))
    return losses


def first_frames(sequence: Sequence, part: range, length: int) -> np.ndarray:
    """Frames of a part that have a true box, and ``length`` frames after them if the part is that long."""
    annotated = np.flatnonzero(sequence.annotated)
    annotated = annotated[(annotated >= part.start) & (annotated < part.stop)]
    return annotated[annotated <= max(annotated[0], part.stop - length)]


def lose(
    box: np.ndarray, size: tuple[int, int], lost: int, experts: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Boxes ``(K, 4)`` to look around, of which one or all lie beside the target.

    Args:
        box: the true pixel box ``(4,)``.
        size: width and height of the image.
        lost: which expert's box lies beside the target; K: those of all, at one place.
        experts: K.
        rng: draws where.

    Returns:
        None if no such box has its centre in the image.
    """
    around = np.repeat(box[None], experts, axis=0)
    for _ in range(TRIALS):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(NEAREST, FARTHEST)
        sides = box[2:] * np.exp(rng.normal(0, SIZE_ERROR))
        direction = np.array([np.cos(angle), np.sin(angle)])
        centre = box[:2] + box[2:] / 2 + distance * np.sqrt(box[2] * box[3]) * direction
        beside = np.concatenate([centre - sides / 2, sides])
        if (centre >= 1).all() and (centre <= np.array(size)).all() and bx.iou(beside, box) < LARGEST_IOU:
            around[slice(None) if lost == experts else lost] = beside
            return around
    return None
