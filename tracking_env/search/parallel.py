"""Sharing work among the cores: crops and networks of many targets at once."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_parallel(function: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
    """The function's result for each job, in their order, by as many threads as OpenCV uses.

    Threads share the cores well where most of a job is OpenCV, NumPy or onnxruntime, which let other threads run.
    """
    waiting = deque(enumerate(jobs))
    results: list[Any] = [None] * len(waiting)

    def work() -> None:
        while waiting:
            try:
                index, job = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            results[index] = function(job)

    helpers = min(len(waiting), cv2.getNumThreads()) - 1
    if helpers < 1:
        work()
        return results
    # New threads for each call: they start within 0.1 ms, and a process that was forked has none of its parent's.
    with ThreadPoolExecutor(helpers) as pool:
        helping = [pool.submit(work) for _ in range(helpers)]
        work()
        for helper in helping:
            helper.result()  # raises what went wrong there
    return results
