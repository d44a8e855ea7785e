"""Sequences and an extractor for the tests of the store."""

import numpy as np

from tracking_env.datasets.sequence import ArrayFrames, Sequence


class CountingExtractor:
    """The mean colour of each frame. It counts its calls and frames, and fails at a chosen call."""

    dim = 3

    def __init__(self, id="counting", fail_at=None):
        self.id, self.fail_at, self.calls, self.frames = id, fail_at, 0, 0

    def prepare(self, frame):
        return frame

    def __call__(self, frames):
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("out of memory")
        self.frames += len(frames)
        return frames.mean(axis=(1, 2), dtype=np.float32)


def sequence(value=7, length=5, name="one"):
    frames = np.full((length, 8, 10, 3), value, np.uint8)
    frames += np.arange(length, dtype=np.uint8)[:, None, None, None]
    return Sequence(name, ArrayFrames(frames), np.ones((length, 4)))


def make_sequences(number, length=5):
    return [sequence(v, length, name) for v, name in enumerate(("one", "two", "three")[:number], 1)]
