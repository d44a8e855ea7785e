import threading

import cv2
import pytest

from tracking_env.search.parallel import run_parallel


@pytest.fixture(params=[1, 2, 4])
def threads(request):
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield request.param
    cv2.setNumThreads(before)


def test_results_come_in_the_order_of_the_jobs(threads):
    assert run_parallel(lambda job: job * job, range(50)) == [job * job for job in range(50)]
    assert run_parallel(abs, []) == []


def test_jobs_run_at_the_same_time(threads):
    # Each job waits for the others: they only end if as many run side by side.
    barrier = threading.Barrier(threads, timeout=20)
    run_parallel(lambda _: barrier.wait(), range(threads))


def test_an_error_of_any_thread_reaches_the_caller(threads):
    def fail(job):
        if job == 7:
            raise ValueError("job 7")
        return job

    with pytest.raises(ValueError, match="job 7"):
        run_parallel(fail, range(9))
