"""Sharing work among the cores: crops and networks of many targets at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_parallel(function: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """The function's result for each job, in their order, by as many threads as OpenCV uses.

    Threads share the cores well where most of a job is OpenCV, NumPy or onnxruntime, which let other threads run.
    """
    threads = min(len(jobs), cv2.getNumThreads())
    if threads < 2:
        return [function(job) for job in jobs]
    # New threads for each call: they start within 0.1 ms, and a process that was forked has none of its parent's.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, jobs))
