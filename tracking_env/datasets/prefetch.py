"""Frames decoded ahead of whoever uses them."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError

AHEAD = 2  # batches that are decoded, or being decoded, beside the one in use
MOST_JOBS = 16  # by default: what keeps a GPU busy


def default_jobs() -> int:
    """Number of decoding threads where none is given: one a core, up to `MOST_JOBS`."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def batches(
    frames: Frames, parts: Iterable[range], jobs: int, prepare: Callable[[np.ndarray], np.ndarray]
) -> Generator[np.ndarray, None, None]:
    """Decode and prepare on threads while the caller computes; memory holds at most `AHEAD` + 1 batches.

    Threads, not processes: OpenCV works without Python's global lock, and a frame from another process would have to be
    copied through a pipe, which takes longer than decoding it.

    Args:
        frames: where they come from.
        parts: 0-based frame indices of each batch.
        jobs: number of decoding threads. With 1, frames are asked for in order.
        prepare: from a frame ``(height, width, 3)`` uint8 RGB to what is wanted of it, of one shape for all.

    Yields:
        The batches in order, each what was made of ``len(part)`` frames.

    Raises:
        InputError: a frame does not decode, or ``jobs`` is less than 1.
    """
    if jobs < 1:
        raise InputError(f"--jobs is {jobs}; give a number of decoding threads >= 1")
    width, height = frames.size
    like = prepare(np.zeros((height, width, 3), np.uint8))  # tells the shape, so that threads write in place
    pool = ThreadPoolExecutor(jobs, "decode")
    ahead: deque[tuple[np.ndarray, list[Future[None]]]] = deque()

    def decode(batch: np.ndarray, row: int, index: int) -> None:
        batch[row] = prepare(frames[index])

    def first() -> np.ndarray:
        batch, rows = ahead.popleft()
        for one in rows:
            one.result()
        return batch

    try:
        for part in parts:
            batch = np.empty((len(part), *like.shape), like.dtype)
            ahead.append((batch, [pool.submit(decode, batch, row, index) for row, index in enumerate(part)]))
            if len(ahead) > AHEAD:
                yield first()
        while ahead:
            yield first()
    finally:  # after an error, or where the caller stops early
        pool.shutdown(cancel_futures=True)
