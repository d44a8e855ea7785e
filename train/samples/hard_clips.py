"""Hard clips of training and test sequences, see `tracking_env.datasets.augmentation`."""

from collections.abc import Iterable, Sequence
from typing import cast

from tracking_env.datasets import sequence as sq
from tracking_env.datasets.augmentation import DIFFICULTIES, AugmentedClip, Difficulty, harden
from tracking_env.search.ensemble.losses import first_frames

LENGTH = 80
"""Frames of a hard clip, at most."""
TEST_COPY = 1000
"""Number of the copies to test on; training copies count from 0."""


def training_clips(clips: Iterable[tuple[sq.Sequence, range]], copies: int) -> list[tuple[sq.Sequence, range]]:
    """Hard clips to learn from, with the range of all of their frames.

    Args:
        clips: sequences and the part of each that is open to training.
        copies: clips of each difficulty per sequence.
    """
    hard: list[tuple[sq.Sequence, range]] = []
    for sequence, part in clips:
        for copy in range(copies):
            hard += [(clip, range(len(clip))) for clip in _harden(sequence, part, copy)]
    return hard


def test_clips(sequences: Sequence[sq.Sequence]) -> list[AugmentedClip]:
    """One hard clip of each difficulty per test sequence, always the same ones."""
    return [clip for sequence in sequences for clip in _harden(sequence, range(len(sequence)), TEST_COPY)]


def _harden(sequence: sq.Sequence, part: range, copy: int) -> list[AugmentedClip]:
    """A clip of each difficulty; they start at frames that are spread over the part."""
    starts = first_frames(sequence, part, LENGTH)
    clips = []
    for number, difficulty in enumerate(DIFFICULTIES):
        start = int(starts[(len(starts) * number) // len(DIFFICULTIES)])
        clip_part = range(start, min(start + LENGTH, part.stop))
        clips.append(harden(sequence, clip_part, cast(Difficulty, difficulty), copy))
    return clips
