"""Decoding frames ahead of the code that uses them."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError, option

AHEAD = 2  # batches that are decoded, or being decoded, beside the one in use
MOST_JOBS = 16  # threads by default at most: enough to keep a GPU busy


def default_jobs() -> int:
    """Number of decoding threads by default: one per core, at most `MOST_JOBS`."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def decode_batches(
    frames: Frames, parts: Iterable[range], jobs: int, prepare: Callable[[np.ndarray], np.ndarray]
) -> Generator[np.ndarray, None, None]:
    """Decode and prepare frames on threads while the caller computes. At most `AHEAD` + 1 batches are in memory.

    Args:
        frames: the frames to decode.
        parts: 0-based frame indices of each batch.
        jobs: number of decoding threads. With 1, frames are asked for in order.
        prepare: turns a frame ``(height, width, 3)`` uint8 RGB into an array; all of them have the same shape.

    Yields:
        The batches in order, each ``(len(part), *shape)`` of prepared frames.

    Raises:
        InputError: a frame does not decode, or ``jobs`` is less than 1.
    """
    if jobs < 1:
        raise InputError(f"{option('jobs')} is {jobs}; give a number of decoding threads >= 1")
    width, height = frames.size
    # A black frame tells the shape of the result, so that threads can write into the batch.
    example = prepare(np.zeros((height, width, 3), np.uint8))
    # Threads, not processes: OpenCV releases Python's global lock, and copying a frame from another process through a
    # pipe takes longer than decoding it.
    pool = ThreadPoolExecutor(jobs, "decode")
    ahead: deque[tuple[np.ndarray, list[Future[None]]]] = deque()

    def decode(batch: np.ndarray, row: int, index: int) -> None:
        batch[row] = prepare(frames[index])

    def finish_first() -> np.ndarray:
        batch, rows = ahead.popleft()
        for row in rows:
            row.result()
        return batch

    try:
        for part in parts:
            batch = np.empty((len(part), *example.shape), example.dtype)
            ahead.append((batch, [pool.submit(decode, batch, row, index) for row, index in enumerate(part)]))
            if len(ahead) > AHEAD:
                yield finish_first()
        while ahead:
            yield finish_first()
    finally:  # also after an error, or if the caller stops early
        pool.shutdown(cancel_futures=True)
