"""Kills, full disks, folders that cannot be written to, and two at once: what is left is whole, and goes on.

python -m tests.soak.faults --kills 200

Each fault is followed by the same command again until it ends well; then all results must be those of a job that nobody
disturbed, byte by byte. Full disks need Linux's `unshare`.
"""

import contextlib
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
from tests.soak.folders import evaluated
from tests.soak.jobs import Bench, Job
from tests.soak.trainings import FLAGS
from tests.soak.victims import evaluate, victims


def kills(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """Kill so many times, at moments spread over the job's time, going on in between."""
    killed = finished = 0
    while killed < count:
        folder = None
        while True:
            job = bench.job(folder).start()
            folder = job.folder
            time.sleep(draw.uniform(0, bench.seconds))
            killed += job.kill()  # none where the job was done already
            assert "Traceback" not in job.log, job.log
            bench.check(folder, finished=False)
            if killed >= count or draw.random() < 0.25:
                break
        bench.job(folder).start().expect(0)
        bench.check(folder, finished=True)
        finished += 1
        shutil.rmtree(folder)
    return {"faults": killed, "finished": finished}


def full_disks(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """Disks of several sizes that fill up, and are then made larger."""
    job = bench.job().start()
    job.expect(0)
    needed = disks.used(job.folder)
    shutil.rmtree(job.folder)
    full = finished = 0
    while full < count:
        job = bench.job()
        with disks.disk(job.folder, 4 * draw.randint(1, max(needed // 4, 2))):
            code = job.start().expect(0, 1, 2)
            full += code != 0
            bench.check(job.folder, finished=code == 0)
            disks.remount(job.folder, f"size={8 * needed + 64}k")
            bench.job(job.folder).start().expect(0)
            bench.check(job.folder, finished=True)
        finished += 1
    return {"faults": full, "finished": finished}


def read_only(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """A folder that cannot be written to, and then can."""
    for _ in range(count):
        job = bench.job()
        with disks.disk(job.folder, 64 << 10):
            disks.remount(job.folder, "ro")
            job.start().expect(1, 2)
            disks.remount(job.folder, "rw")
            assert not list(job.folder.iterdir())
            bench.job(job.folder).start().expect(0)
            bench.check(job.folder, finished=True)
    return {"faults": count, "finished": count}


def two_at_once(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """The same command twice at a time, the second a little later: one may be refused, and nothing is mixed up."""
    for _ in range(count):
        one = bench.job().start()
        time.sleep(draw.uniform(0, bench.seconds / 2))
        other = bench.job(one.folder).start()
        codes = one.expect(0, 2), other.expect(0, 2)
        assert 0 in codes, f"both were refused:\n{one.log}\n{other.log}"
        bench.check(one.folder, finished=True)
        shutil.rmtree(one.folder)
    return {"faults": count, "finished": count}


def dead_workers(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """One of two processes of an evaluation is killed."""

    def begin() -> Job:
        """A job of two processes that have begun: they are spawned, and so begin with Python's start."""
        job = bench.job().start(lambda folder: evaluate(folder, jobs=2))
        while not children(job.pid) and time.perf_counter() - job.begun < 20:
            time.sleep(0.01)
        return job

    undisturbed, begun = begin(), time.perf_counter()
    undisturbed.expect(0)
    seconds = time.perf_counter() - begun
    killed = finished = 0
    while killed < count:
        job = begin()
        time.sleep(draw.uniform(0, seconds))
        alive = children(job.pid)
        if alive:
            os.kill(draw.choice(alive), signal.SIGKILL)
            killed += 1
        job.expect(0, 2)
        bench.check(job.folder, finished=False)
        bench.job(job.folder).start().expect(0)
        bench.check(job.folder, finished=True)
        finished += 1
    return {"faults": killed, "finished": finished}


def children(pid: int) -> list[int]:
    """Processes that this one has spawned to work for it."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(OSError):
        numbers = [int(one) for one in found.read_text().split()]
        return [one for one in numbers if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return []


FAULTS = {
    "killed": kills,
    "disk full": full_disks,
    "read-only folder": read_only,
    "two at once": two_at_once,
    "worker killed": dead_workers,
}


def load_torch() -> None:
    """What a fork would load anew each time."""
    import torch
    from matplotlib import pyplot  # noqa: F401

    from train import reinforce, sb3, search  # noqa: F401

    torch.set_num_threads(1)


def _serve(pipe) -> None:
    server = FileServer()
    server.handle_error = lambda *_: None  # a client that was killed
    pipe.send(server.url("whole"))
    server.serve_forever(0.05)


def main(
    kills: int = 200, others: int = 10, only: tuple[str, ...] = (), faults: tuple[str, ...] = (), seed: int = 0
) -> int:
    """Inject faults, and print what survived; exit code 1 if anything did not.

    Args:
        kills: of each victim; of training for the closed loop and with SB3 a fifth.
        others: of each other fault, per victim.
        only: victims: training, search, ppo, sac, extraction, evaluation, download; by default all.
        faults: killed, "disk full", "read-only folder", "two at once", "worker killed"; by default all.
        seed: of the moments.
    """
    chosen = faults or tuple(FAULTS)
    mounts = {"disk full", "read-only folder"} & {*chosen}
    if mounts:
        code = disks.mountable("tests.soak.faults")
        if code is not None:
            return code
        if disks.INSIDE not in os.environ:
            print(f"left out: {', '.join(sorted(mounts))}: this system does not let a user mount disks (unshare)")
            chosen = tuple(one for one in chosen if one not in mounts)
    if not only or {*only} & {*FLAGS}:
        load_torch()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(there,), daemon=True)
    server.start()
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        os.environ["TRACKING_ENV_CACHE"] = f"{root}/cache"
        all_victims = victims(here.recv())
        print(f"{'victim':<12} {'fault':<18} {'faults':>7} {'finished':>9} {'seconds':>8}  results")
        for name in only or all_victims:
            bench = Bench(name, all_victims[name], Path(root))
            for fault in chosen:
                if fault == "worker killed" and bench.victim.content is not evaluated:
                    continue
                count = kills // bench.victim.share if fault == "killed" else others
                begun, draw = time.perf_counter(), random.Random(f"{seed} {name} {fault}")
                try:
                    if not bench.reference:
                        bench.measure()
                    counts = FAULTS[fault](bench, count, draw)
                    said = "as undisturbed"
                except Exception as error:
                    counts, said, failures = {}, f"{type(error).__name__}: {error}", failures + 1
                numbers = f"{counts.get('faults', '-'):>7} {counts.get('finished', '-'):>9}"
                print(f"{name:<12} {fault:<18} {numbers} {time.perf_counter() - begun:>8.1f}  {said}", flush=True)
    server.terminate()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
