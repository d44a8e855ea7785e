"""Running a tracker over sequences into result files, laid out as `tracking_env.evaluation.tasks` says.

Files appear whole or not at all, the boxes last. What is there is not run again, so that a stopped run goes on.
"""

import json
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError, reason
from tracking_env.evaluation import result_files
from tracking_env.evaluation.robustness import Protocol
from tracking_env.evaluation.scoring import Report, score_folder, write_result
from tracking_env.evaluation.tasks import Task, plan
from tracking_env.files import whole
from tracking_env.trackers.base import Runner, TrackerFactory, Trajectory


def evaluate(
    choice: TrackerFactory,
    sequences: Iterable[Sequence],
    folder: Path,
    protocol: Protocol = "ope",
    repeat: int = 1,
    jobs: int = 1,
) -> Report:
    """Run a tracker by a protocol, and score what is then in its folder.

    Args:
        choice: the tracker.
        sequences: where it runs.
        folder: for its results, see `tasks.folder`; made if it is not there.
        protocol: `tasks.plan` says what it runs.
        repeat: how often.
        jobs: number of processes.

    Returns:
        The scores of `sequences`; runs that broke off are in ``failed`` with what stopped them.

    Raises:
        InputError: the tracker cannot be made, or is a yardstick, of which only ``ope`` makes sense; the folder holds
            another tracker's results; or a number is out of range.
    """
    if protocol != "ope" and choice.reads_truth:
        raise InputError(f"{choice.name} reads the truth, so that --protocol {protocol} tells nothing; use ope")
    if jobs < 1:
        raise InputError(f"--jobs is {jobs}; give a number of processes >= 1")
    sequences = list(sequences)
    tasks = plan(sequences, folder, protocol, repeat)
    prepare(choice.make().id, folder, tasks)
    failed = run(choice, tasks, jobs)
    if not any(task.path.exists() for task in tasks):
        return Report({}, failed)
    report = score_folder(
        folder, {one.name: one.boxes for one in sequences}, attributes={one.name: one.attributes for one in sequences}
    )
    return replace(report, failed={**report.failed, **failed})


def prepare(identity: str, folder: Path, tasks: Iterable[Task]) -> None:
    """Make the results folder, or see that it is this tracker's; note TRE's start frames in it.

    Raises:
        InputError: it holds other results, or cannot be written to.
    """
    mark, listing = folder / "tracker.id", folder / "starts.json"
    first: dict[str, list[int]] = {}
    for task in tasks:
        if task.run.startswith("start-"):
            first.setdefault(task.sequence.name, []).append(task.start)
    try:
        if not mark.exists() and any(folder.rglob("*.txt")):
            raise InputError(f"{folder} holds results of unknown origin; give another --out or --name")
        found = mark.read_text(encoding="utf-8", errors="replace").strip() if mark.exists() else identity
        if found != identity:
            raise InputError(
                f"{folder} holds results of {found!r}, not of {identity!r}; delete it, or give another --out or --name"
            )
        with whole(mark) as partial:
            partial.write_text(identity + "\n", encoding="utf-8")
        if first:
            known = result_files.read_starts(listing) if listing.exists() else {}
            with whole(listing) as partial:
                partial.write_text(json.dumps(known | first), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; give another folder with --out") from None


def run(choice: TrackerFactory, tasks: Iterable[Task], jobs: int = 1) -> dict[str, str]:
    """Run what has no result file yet, with a progress bar on a terminal.

    Returns:
        The sequences that failed, each with a one-line reason; they leave no file, and the others go on.
    """
    missing = [task for task in tasks if not task.path.exists()]
    failed: dict[str, str] = {}
    hidden = None if missing else True  # None: hidden but on a terminal
    with tqdm(total=sum(len(task.truth) for task in missing), desc=choice.name, unit="frame", disable=hidden) as bar:

        def done(task: Task, reason: str | None) -> None:
            bar.update(len(task.truth))
            if reason:
                failed.setdefault(task.sequence.name, f"{task.run}: {reason}" if task.run else reason)

        if jobs == 1 or len(missing) < 2:
            worker = _Worker(choice)
            for task in missing:
                done(task, worker(task))
        else:
            _run_in_processes(choice, missing, min(jobs, len(missing)), done)
    return failed


def write(task: Task, trajectory: Trajectory) -> None:
    """Write a run's two files, each whole or not at all; the boxes last, since they say that it is done.

    A run of unknown speed (NaN seconds) has no file of seconds.
    """
    if not np.isnan(trajectory.seconds).any():
        with whole(task.times) as partial:
            np.savetxt(partial, trajectory.seconds, fmt="%.6g")
    write_result(task.path, trajectory.boxes)


class _Worker:
    """Runs tasks, and tells why one failed; the tracker is made once per seed."""

    def __init__(self, choice: TrackerFactory, alone: bool = True) -> None:
        self.choice, self.alone = choice, alone
        self.runners: dict[int, Runner] = {}

    def __call__(self, task: Task) -> str | None:
        try:
            if task.seed not in self.runners:
                self.runners = {task.seed: self.choice.make(task.seed)}
                if not self.alone and "torch" in sys.modules:
                    sys.modules["torch"].set_num_threads(1)
            write(task, self.runners[task.seed].track(task.given()))
        except Exception as error:  # somebody's tracker: its sequence is lost, the others are not
            return reason(error)
        return None


_worker: _Worker  # of a process of `_run_in_processes`


def _begin(choice: TrackerFactory) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the first one sees to it
    cv2.setNumThreads(1)  # the processes share the cores already
    _worker = _Worker(choice, alone=False)


def _work(task: Task) -> str | None:
    return _worker(task)


def _run_in_processes(
    choice: TrackerFactory, tasks: list[Task], jobs: int, done: Callable[[Task, str | None], None]
) -> None:
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (choice,)) as processes:
        futures = {processes.submit(_work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                done(futures[future], future.result())
        except BrokenProcessPool:
            raise InputError(
                "a process died, perhaps for want of memory; what is done is kept: type it again with fewer --jobs"
            ) from None
        except BaseException:  # Ctrl-C: do not wait for the sequences under way
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
