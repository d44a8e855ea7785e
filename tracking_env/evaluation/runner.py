"""Running a tracker over sequences into result files; `tracking_env.evaluation.tasks` lists the files.

A file appears whole or not at all, the boxes last. A finished run is not repeated, so a stopped evaluation can go on.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.datasets.sequence import Sequence
from tracking_env.datasets.sharding import Shard, select_share
from tracking_env.errors import InputError, describe, option
from tracking_env.evaluation.protocols import choose_protocol, vot_files
from tracking_env.evaluation.protocols.anchor_report import score_anchors
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.results_folder import check_earlier, prepare_folder
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import score_folder
from tracking_env.evaluation.tasks import Task, plan_tasks
from tracking_env.files import write_atomically
from tracking_env.log_levels import separate_stderr
from tracking_env.trackers.base import Runner, TrackerFactory, Trajectory

_ALONE = Shard()


def run_and_score(
    factory: TrackerFactory,
    sequences: Iterable[Sequence],
    folder: Path,
    starts: ProtocolName = "ope",
    repeat: int = 1,
    jobs: int = 1,
    protocol: str | None = None,
    shard: Shard = _ALONE,
    trained_on: Collection[str] = (),
    overwrite: bool = False,
) -> Report:
    """Run a tracker over sequences, and score the results in its folder.

    Args:
        factory: makes the tracker.
        sequences: the sequences to track.
        folder: for its results, see `tasks.results_folder`; made if it does not exist.
        starts: which runs there are, see `tasks.plan_tasks`.
        repeat: number of runs over each sequence, with different seeds.
        jobs: number of processes.
        protocol: one of `protocols.PROTOCOLS`. By default that of the sequences' data set, or OTB's for ``tre`` and
            ``sre``.
        shard: of several processes that are given the same sequences, on one machine or many with one folder: which one
            this is. It runs and scores its share.
        trained_on: names of the sequences that the tracker was trained on; they are noted in the folder.
        overwrite: run also what has a result. By default such results are reused, and a logged warning says from when
            they are. Baselines always run: they take no time.

    Returns:
        The scores of `sequences`. A sequence with a run that failed is in ``failed``, with the reason; so is one whose
        earlier result was begun on another box or has another number of frames.

    Raises:
        InputError: the tracker cannot be made; it is an oracle baseline and ``starts`` is not ``ope``; the folder holds
            results of another tracker; or a number is out of range.
    """
    if starts != "ope" and factory.reads_truth:
        raise InputError(f"{factory.name} reads the truth, so {option('protocol', starts)} tells nothing; leave it out")
    if jobs < 1:
        raise InputError(f"{option('jobs')} is {jobs}; give a number of processes >= 1")
    sequences = list(sequences)
    # Every process writes the same files of the folder, so it plans the tasks of all.
    every_task = plan_tasks(sequences, folder, starts, repeat)
    sequences = select_share(sequences, shard)
    tasks = plan_tasks(sequences, folder, starts, repeat)
    runner = factory.make()
    # Of several processes each replaces its share alone: another may have finished its own already.
    prepare_folder(runner.id, folder, every_task, trained_on, tasks if overwrite else None)
    is_baseline = runner.tracker is None
    earlier = [] if is_baseline else [task for task in tasks if task.path.exists()]
    failed = check_earlier(earlier, folder, len(tasks))
    # A baseline's files are replaced one by one and not deleted first: another process may be scoring them.
    failed |= run_tasks(factory, tasks, jobs, again=is_baseline)
    if not any(task.path.exists() for task in tasks):
        return Report({}, failed)
    if starts == "vot":
        return _score_anchors(folder, sequences, failed)
    rules = choose_protocol(protocol, sequences[0].dataset if starts == "ope" else "otb")
    report = score_folder(
        folder,
        {sequence.name: rules.choose_truth(sequence.boxes, sequence.polygons) for sequence in sequences},
        attributes={sequence.name: sequence.attributes for sequence in sequences},
        protocol=rules.name,
        sizes={sequence.name: sequence.size for sequence in sequences} if rules.needs_size else None,
    )
    # The reason why a run failed comes before "no result", which scoring says of it.
    scores = {name: runs for name, runs in report.scores.items() if name not in failed}
    return replace(report, scores=scores, failed={**report.failed, **failed})


def _score_anchors(folder: Path, sequences: Iterable[Sequence], failed: Mapping[str, str]) -> Report:
    report = score_anchors(
        folder,
        {sequence.name: sequence.boxes for sequence in sequences},
        {sequence.name: sequence.anchors for sequence in sequences},
        {sequence.name: sequence.size for sequence in sequences},
    )
    return replace(report, failed={**report.failed, **failed})


def run_tasks(factory: TrackerFactory, tasks: Iterable[Task], jobs: int = 1, again: bool = False) -> dict[str, str]:
    """Run the tasks without a result file, with a progress bar on a terminal.

    Args:
        factory: makes the tracker.
        tasks: the runs.
        jobs: number of processes.
        again: run also those that have a file, and replace it.

    Returns:
        The sequences that failed, each with a one-line reason. They leave no file, and the others go on.
    """
    missing = [task for task in tasks if again or not task.path.exists()]
    failed: dict[str, str] = {}
    hidden = None if missing else True  # None: shown on a terminal only
    with tqdm(total=sum(len(task.truth) for task in missing), desc=factory.name, unit="frame", disable=hidden) as bar:

        def finish(task: Task, reason: str | None) -> None:
            bar.update(len(task.truth))
            if reason:
                failed.setdefault(task.sequence.name, f"{task.run}: {reason}" if task.run else reason)

        if jobs == 1 or len(missing) < 2:
            worker = _Worker(factory)
            for task in missing:
                finish(task, worker(task))
        else:
            _run_in_processes(factory, missing, min(jobs, len(missing)), finish)
    return failed


def write_run(task: Task, trajectory: Trajectory) -> None:
    """Write the two files of a run, each whole or not at all.

    A run of unknown speed (NaN seconds) has no file of seconds.
    """
    # The boxes come last: their file marks the run as finished.
    if not np.isnan(trajectory.seconds).any():
        with write_atomically(task.times_path) as partial:
            np.savetxt(partial, trajectory.seconds, fmt="%.6g")
    if task.anchor is None:
        write_result(task.path, trajectory.boxes)
    else:
        vot_files.write_run(task.path, trajectory.boxes)


class _Worker:
    """Runs tasks and returns why one failed; makes the tracker once per seed."""

    def __init__(self, factory: TrackerFactory) -> None:
        self.factory = factory
        self.runners: dict[int, Runner] = {}

    def __call__(self, task: Task) -> str | None:
        try:
            if task.seed not in self.runners:
                # Tasks come seed by seed, so only the last tracker is held in memory.
                self.runners = {task.seed: self.factory.make(task.seed)}
            write_run(task, self.runners[task.seed].track(task.cut_sequence()))
        except Exception as error:  # a tracker may raise anything; the other sequences must not be lost
            return describe(error)
        return None


_worker: _Worker  # of a process of `_run_in_processes`


def _begin_process(factory: TrackerFactory) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all processes; the first handles it
    # The processes share the cores already: as many threads in each would wait for one another.
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # torch's, which reads it when a tracker imports it
    separate_stderr()
    _worker = _Worker(factory)


def _work(task: Task) -> str | None:
    return _worker(task)


def _run_in_processes(
    factory: TrackerFactory, tasks: list[Task], jobs: int, finish: Callable[[Task, str | None], None]
) -> None:
    others = set(multiprocessing.active_children())  # of the caller: they must survive Ctrl-C
    # spawn, since a forked process lacks the threads of OpenCV, torch and onnxruntime, and may wait for them forever.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin_process, (factory,)) as processes:
        futures = {processes.submit(_work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                finish(futures[future], future.result())
        except BrokenProcessPool:
            raise InputError(
                "a process died, perhaps from lack of memory; finished runs are kept: "
                f"run it again with fewer {option('jobs')}"
            ) from None
        except BaseException:  # Ctrl-C: do not wait for the sequences under way
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
