"""Running a tracker over sequences into result files; `tracking_env.evaluation.tasks` lists the files.

A file appears whole or not at all, the boxes last. A finished run is not repeated, so a stopped evaluation can go on.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.sequence import Sequence
from tracking_env.datasets.sharding import Shard, select_share
from tracking_env.errors import InputError, describe, option
from tracking_env.evaluation.protocols import choose_protocol, vot_files
from tracking_env.evaluation.protocols.anchor_report import score_anchors
from tracking_env.evaluation.result_files import TRAINED_ON, write_result
from tracking_env.evaluation.result_index import BASELINE, STARTS, read_starts
from tracking_env.evaluation.robustness import ProtocolName
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import score_folder
from tracking_env.evaluation.tasks import Task, plan_tasks
from tracking_env.files import list_folder, read_bytes, write_atomically
from tracking_env.log_levels import separate_stderr
from tracking_env.trackers.base import Runner, TrackerFactory, Trajectory

_ALONE = Shard()
_ID = "tracker.id"  # name of the file that says whose results a folder holds
_log = logging.getLogger(__name__)


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
    failed = _check_earlier(earlier, folder, len(tasks))
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


def prepare_folder(
    tracker_id: str,
    folder: Path,
    tasks: Iterable[Task],
    trained_on: Collection[str] = (),
    replaced: list[Task] | None = None,
) -> None:
    """Make the results folder, or check that it belongs to this tracker.

    TRE's start frames are written into it, and the names of the sequences that the tracker was trained on.

    Args:
        tracker_id: the tracker's.
        folder: of its results.
        tasks: the runs that will be there.
        trained_on: names of the sequences that the tracker was trained on.
        replaced: runs whose earlier results are deleted; None to keep all. Nothing else is deleted.

    Raises:
        InputError: the folder holds results of another tracker, or cannot be written to.
    """
    id_path, starts_path = folder / _ID, folder / STARTS
    starts: dict[str, list[int]] = {}
    for task in tasks:
        if task.run.startswith("start-"):
            starts.setdefault(task.sequence.name, []).append(task.start)
    try:
        # In this order, since another process may write the id and then results meanwhile.
        if _holds_results(folder) and not id_path.exists():
            raise InputError(
                f"{folder} holds results of unknown origin; give another {option('out')} or {option('name')}"
            )
        owner = read_id(folder) if id_path.exists() else tracker_id
        if owner != tracker_id and replaced is None:
            # An own tracker's id changes with its code.
            raise InputError(
                f"{folder} holds results of {owner!r}, not of {tracker_id!r}; give {option('overwrite', True)} "
                "to run all "
                f"of them again, or give another {option('out')} or {option('name')}"
            )
        if replaced is not None:
            _delete_results(folder, replaced, owner if owner != tracker_id else None)
        # Written also when it exists: a folder that cannot be written to is refused before tracking starts.
        with write_atomically(id_path) as partial:
            partial.write_text(tracker_id + "\n", encoding="utf-8")
        if trained_on:
            with write_atomically(folder / TRAINED_ON) as partial:
                partial.write_text("".join(f"{name}\n" for name in sorted(trained_on)), encoding="utf-8")
        if starts:
            # Earlier calls may have run other sequences: keep their start frames.
            earlier = read_starts(starts_path) if starts_path.exists() else {}
            with write_atomically(starts_path) as partial:
                partial.write_text(json.dumps(earlier | starts), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; give another folder with {option('out')}"
        ) from None


def _holds_results(folder: Path) -> bool:
    return any(list_folder(part, "*.txt") for part in _list_parts(folder))


def _delete_results(folder: Path, tasks: list[Task], other: str | None) -> None:
    """Delete the results of the runs; ``other`` is the tracker that they are of, if it is not the one that will run."""
    paths = {path for task in tasks for path in (task.path, task.times_path) if path.exists()}
    # Those that stay would count as results of the tracker that will run.
    others = [path for part in _list_parts(folder) for path in list_folder(part, "*.txt") if path not in paths]
    staying = [path for path in others if path.name != TRAINED_ON]
    if other is not None and staying:
        raise InputError(
            f"{folder} holds {len(staying)} other files of {other!r}, such as {staying[0].name}; name all its "
            f"sequences, or give another {option('out')} or {option('name')}"
        )
    if other is not None:
        (folder / TRAINED_ON).unlink(missing_ok=True)
    for path in paths:
        path.unlink()


def _list_parts(folder: Path) -> list[Path]:
    return [folder, *list_folder(folder), *list_folder(folder / BASELINE)]


def _check_earlier(finished: list[Task], folder: Path, count: int) -> dict[str, str]:
    """Log a warning that says how many results are of earlier runs, and from when.

    Returns:
        Sequences whose results do not belong to their frames or boxes, each with a one-line reason.
    """
    if not finished:
        return {}
    dates = sorted(task.path.stat().st_mtime for task in finished)
    first, last = (f"{datetime.fromtimestamp(date):%Y-%m-%d %H:%M}" for date in (dates[0], dates[-1]))
    period = first if first == last else f"{first} to {last}"
    reused = f"reused {len(finished)} of {count} results in {folder}, from {period}"
    _log.warning("%s; %s runs them again", reused, option("overwrite", True))
    changed: dict[str, str] = {}
    for task in finished:
        # Every tracker's result begins with the box that it was given. An unreadable one fails in scoring.
        with contextlib.suppress(InputError):
            boxes, sequence = read_boxes(task.path), task.cut_sequence()
            if len(boxes) != len(sequence) or not np.allclose(boxes[0], sequence.boxes[0], rtol=0, atol=1e-3):
                again = option("overwrite", True)
                changed[sequence.name] = f"{task.path} is a result of other frames or boxes; give {again}"
    return changed


def read_id(folder: Path) -> str:
    """The id of the tracker that a results folder belongs to: its name, and the digests of its weights.

    Raises:
        InputError: the folder has no id.
    """
    return read_bytes(folder / _ID).decode(errors="replace").strip()


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
