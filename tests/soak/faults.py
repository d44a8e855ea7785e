"""Inject faults into jobs: kills, full disks, read-only folders, and two jobs at once.

python -m tests.soak.faults --kills 200

After each fault the same command runs again until it succeeds. All results must then equal those of an undisturbed job,
byte for byte. Full disks need Linux's `unshare`.
"""

import contextlib
import importlib.util
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import tyro

from tests.helpers.file_server import FileServer
from tests.soak import disks
from tests.soak.contents import read_evaluation
from tests.soak.jobs import Experiment, Job
from tests.soak.training_workloads import FLAGS
from tests.soak.workloads import evaluate, make_workloads


def kill_jobs(experiment: Experiment, count: int, draw: random.Random) -> dict[str, int]:
    """Kill jobs at moments spread over their duration, and resume them."""
    killed = finished = 0
    while killed < count:
        folder = None
        while True:
            job = experiment.make_job(folder).start()
            folder = job.folder
            time.sleep(draw.uniform(0, experiment.seconds))
            killed += job.kill()  # A job that has ended before does not count.
            assert "Traceback" not in job.log, job.log
            experiment.check(folder, finished=False)
            if killed >= count or draw.random() < 0.25:
                break
        experiment.make_job(folder).start().expect(0)
        experiment.check(folder, finished=True)
        finished += 1
        shutil.rmtree(folder)
    return {"faults": killed, "finished": finished}


def fill_disks(experiment: Experiment, count: int, draw: random.Random) -> dict[str, int]:
    """Run jobs on small disks that fill up, enlarge the disks, and resume the jobs."""
    job = experiment.make_job().start()
    job.expect(0)
    needed = disks.used_kilobytes(job.folder)
    shutil.rmtree(job.folder)
    full = finished = 0
    while full < count:
        job = experiment.make_job()
        with disks.disk(job.folder, 4 * draw.randint(1, max(needed // 4, 2))):
            code = job.start().expect(0, 1, 2)
            full += code != 0
            experiment.check(job.folder, finished=code == 0)
            disks.remount(job.folder, f"size={8 * needed + 64}k")
            experiment.make_job(job.folder).start().expect(0)
            experiment.check(job.folder, finished=True)
        finished += 1
    return {"faults": full, "finished": finished}


def make_read_only(experiment: Experiment, count: int, draw: random.Random) -> dict[str, int]:
    """Run jobs in a read-only folder, make it writable, and run them again."""
    for _ in range(count):
        job = experiment.make_job()
        with disks.disk(job.folder, 64 << 10):
            disks.remount(job.folder, "ro")
            job.start().expect(1, 2)
            disks.remount(job.folder, "rw")
            assert not list(job.folder.iterdir())
            experiment.make_job(job.folder).start().expect(0)
            experiment.check(job.folder, finished=True)
    return {"faults": count, "finished": count}


def run_two_at_once(experiment: Experiment, count: int, draw: random.Random) -> dict[str, int]:
    """Run two jobs in the same folder, the second a little later. One of them may be refused."""
    for _ in range(count):
        first = experiment.make_job().start()
        time.sleep(draw.uniform(0, experiment.seconds / 2))
        second = experiment.make_job(first.folder).start()
        codes = first.expect(0, 2), second.expect(0, 2)
        assert 0 in codes, f"both were refused:\n{first.log}\n{second.log}"
        experiment.check(first.folder, finished=True)
        shutil.rmtree(first.folder)
    return {"faults": count, "finished": count}


def kill_workers(experiment: Experiment, count: int, draw: random.Random) -> dict[str, int]:
    """Kill one of the two worker processes of an evaluation, and run the evaluation again."""

    def start_with_workers() -> Job:
        """Start a job and wait until its workers run, which takes as long as Python's start."""
        job = experiment.make_job().start(lambda folder: evaluate(folder, jobs=2))
        while not worker_ids(job.pid) and time.perf_counter() - job.start_time < 20:
            time.sleep(0.01)
        return job

    undisturbed, start_time = start_with_workers(), time.perf_counter()
    undisturbed.expect(0)
    seconds = time.perf_counter() - start_time
    killed = finished = 0
    while killed < count:
        job = start_with_workers()
        time.sleep(draw.uniform(0, seconds))
        workers = worker_ids(job.pid)
        if workers:
            os.kill(draw.choice(workers), signal.SIGKILL)
            killed += 1
        job.expect(0, 2)
        experiment.check(job.folder, finished=False)
        experiment.make_job(job.folder).start().expect(0)
        experiment.check(job.folder, finished=True)
        finished += 1
    return {"faults": killed, "finished": finished}


def worker_ids(pid: int) -> list[int]:
    """The ids of the worker processes that this process has spawned (Linux)."""
    workers = []
    with contextlib.suppress(OSError):  # A process may end while its files are read.
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(int(child))
    return workers


FAULTS = {
    "killed": kill_jobs,
    "disk full": fill_disks,
    "read-only folder": make_read_only,
    "two at once": run_two_at_once,
    "worker killed": kill_workers,
}


def import_torch() -> None:
    """Import torch, pyplot and the scripts, which every fork would otherwise import again."""
    import torch
    from matplotlib import pyplot  # noqa: F401

    from train import reinforce, sb3, search  # noqa: F401

    torch.set_num_threads(1)


def _serve(pipe) -> None:
    server = FileServer()
    server.handle_error = lambda *_: None  # Killed clients break their connections.
    pipe.send(server.url("whole"))
    server.serve_forever(0.05)


def main(
    kills: int = 200, others: int = 10, only: tuple[str, ...] = (), faults: tuple[str, ...] = (), seed: int = 0
) -> int:
    """Inject faults into jobs, and print the results. The exit code is 1 if a job does not recover.

    Args:
        kills: number of kills per workload; a fifth of it for search, ppo and sac, a tenth for demo, a twentieth for
            report.
        others: number of each other fault per workload.
        only: workloads: training, search, ppo, sac, extraction, evaluation, tracking, report, demo, download. By
            default all.
        faults: killed, "disk full", "read-only folder", "two at once", "worker killed". By default all.
        seed: seed of the moments at which faults happen.
    """
    chosen = faults or tuple(FAULTS)
    mounts = {"disk full", "read-only folder"} & {*chosen}
    if mounts:
        code = disks.run_with_mounts("tests.soak.faults")
        if code is not None:
            return code
        if disks.INSIDE not in os.environ:
            print(f"left out: {', '.join(sorted(mounts))}: this system does not let a user mount disks (unshare)")
            chosen = tuple(fault for fault in chosen if fault not in mounts)
    if not only or {*only} & {*FLAGS}:
        import_torch()
    receiver, sender = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(sender,), daemon=True)
    server.start()
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        os.environ["TRACKING_ENV_CACHE"] = f"{root}/cache"
        workloads = make_workloads(receiver.recv())
        print(f"{'workload':<12} {'fault':<18} {'faults':>7} {'finished':>9} {'seconds':>8}  results")
        for name in only or workloads:
            if name == "demo" and importlib.util.find_spec("gradio") is None:
                print("left out: demo: gradio is not installed")
                continue
            experiment = Experiment(name, workloads[name], Path(root))
            for fault in chosen:
                if fault == "worker killed" and experiment.workload.read is not read_evaluation:
                    continue  # Only an evaluation has worker processes.
                count = kills // experiment.workload.fewer_kills if fault == "killed" else others
                start_time, draw = time.perf_counter(), random.Random(f"{seed} {name} {fault}")
                try:
                    if not experiment.reference:
                        experiment.run_undisturbed()
                    counts = FAULTS[fault](experiment, count, draw)
                    outcome = "as undisturbed"
                except Exception as error:
                    counts, outcome, failures = {}, f"{type(error).__name__}: {error}", failures + 1
                numbers = f"{counts.get('faults', '-'):>7} {counts.get('finished', '-'):>9}"
                seconds = time.perf_counter() - start_time
                print(f"{name:<12} {fault:<18} {numbers} {seconds:>8.1f}  {outcome}", flush=True)
    server.terminate()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
