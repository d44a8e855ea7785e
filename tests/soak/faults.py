"""Kills, full disks, folders that cannot be written to, and two at once: what is left is whole, and goes on.

python -m tests.soak.faults --kills 200

Every job runs in a fork of this process, which has loaded everything already: a fork lives as long as its work takes,
and not as long as importing torch. Each fault is followed by the same command again until it ends well; then all
results must be those of a job that nobody disturbed, byte by byte. Full disks need Linux's `unshare`.
"""

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from tests.soak.victims import Content, Victim, evaluate, evaluated, victims
from tests.test_download import Server

INSIDE = "TRACKING_ENV_SOAK_INSIDE"  # set where this process may mount disks
LATEST = 300
"""Seconds after which a job counts as hanging."""


@dataclass
class Job:
    """A victim's run in a fork."""

    victim: Victim
    folder: Path
    errors: Path
    pid: int = 0
    begun: float = field(default_factory=time.perf_counter)

    def start(self, run: Callable[[Path], int] | None = None) -> "Job":
        """Fork."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.errors.touch()  # one that is killed at once has nothing to say
        self.begun = time.perf_counter()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            log = os.open(self.errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            code = 99
            try:
                code = (run or self.victim.run)(self.folder)
            except BaseException:  # what must not happen; the parent tells
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
        return self

    def kill(self) -> bool:
        """Kill it and all processes of it; False where it had ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.WIFSIGNALED(status)

    def wait(self) -> int:
        """Its exit code."""
        while time.perf_counter() - self.begun < LATEST:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.kill()
        raise AssertionError(f"it hangs: {self.log}")

    @property
    def log(self) -> str:
        """What it wrote."""
        return self.errors.read_text(errors="replace")

    def expect(self, *codes: int) -> int:
        """Its exit code, which must be one of these; a refusal is one line and no traceback."""
        code = self.wait()
        assert code in codes and "Traceback" not in self.log, f"exit code {code}:\n{self.log}"
        if code == 2:
            (line,) = [line for line in self.log.splitlines() if "error:" in line]
            assert line, self.log
        return code


@dataclass
class Bench:
    """A victim with the results of an undisturbed run, and how long that took."""

    name: str
    victim: Victim
    root: Path
    reference: Content = field(default_factory=dict)
    seconds: float = 0.0
    number: int = 0

    def job(self, folder: Path | None = None) -> Job:
        """A job in a new folder, or in that one."""
        self.number += folder is None
        place = folder or self.root / f"{self.name}-{self.number}"
        return Job(self.victim, place, self.root / f"{self.name}-{self.number}-{random.getrandbits(32):08x}.log")

    def measure(self) -> None:
        """Two undisturbed runs, which must agree; the second one's time counts."""
        for _ in range(2):
            job = self.job().start()
            job.expect(0)
            self.seconds = time.perf_counter() - job.begun
            found = self.victim.content(job.folder)
            assert found and found == (self.reference or found), f"two runs of {self.name} differ"
            self.reference = found
            shutil.rmtree(job.folder)

    def check(self, folder: Path, finished: bool) -> None:
        """Hold what is there against the undisturbed run's."""
        found = self.victim.content(folder)
        if finished:
            assert found.keys() == self.reference.keys(), f"{found.keys() ^ self.reference.keys()} in {folder}"
        different = [key for key, value in found.items() if value != self.reference.get(key)]
        # A listing grows while the job goes on, and is one of whole entries at every moment (it was parsed).
        different = [key for key in different if finished or not key.endswith("starts.json")]
        assert not different, f"{different} in {folder} are not as in a run that nobody disturbed"


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


@contextlib.contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own for a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def full_disks(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """Disks of several sizes that fill up, and are then made larger."""
    job = bench.job().start()
    job.expect(0)
    needed = int(subprocess.run(["du", "-sk", job.folder], capture_output=True, text=True).stdout.split()[0])
    shutil.rmtree(job.folder)
    full = finished = 0
    while full < count:
        job = bench.job()
        with disk(job.folder, 4 * draw.randint(1, max(needed // 4, 2))):
            code = job.start().expect(0, 1, 2)
            full += code != 0
            bench.check(job.folder, finished=code == 0)
            remount(job.folder, f"size={8 * needed + 64}k")
            bench.job(job.folder).start().expect(0)
            bench.check(job.folder, finished=True)
        finished += 1
    return {"faults": full, "finished": finished}


def read_only(bench: Bench, count: int, draw: random.Random) -> dict[str, int]:
    """A folder that cannot be written to, and then can."""
    for _ in range(count):
        job = bench.job()
        with disk(job.folder, 64 << 10):
            remount(job.folder, "ro")
            job.start().expect(1, 2)
            remount(job.folder, "rw")
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

    import train.reinforce  # noqa: F401

    torch.set_num_threads(1)


def _serve(pipe) -> None:
    server = Server()
    server.handle_error = lambda *_: None  # a client that was killed
    pipe.send(server.url("whole"))
    server.serve_forever(0.05)


def main(
    kills: int = 200, others: int = 10, only: tuple[str, ...] = (), faults: tuple[str, ...] = (), seed: int = 0
) -> int:
    """Inject faults, and print what survived; exit code 1 if anything did not.

    Args:
        kills: of each victim.
        others: of each other fault, per victim.
        only: victims: training, extraction, evaluation, download; by default all.
        faults: killed, "disk full", "read-only folder", "two at once", "worker killed"; by default all.
        seed: of the moments.
    """
    chosen = faults or tuple(FAULTS)
    mounts = {"disk full", "read-only folder"} & {*chosen}
    if mounts and INSIDE not in os.environ:
        command = ["unshare", "--user", "--map-root-user", "--mount"]
        able = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0
        if able:
            inside = [*command, sys.executable, "-m", "tests.soak.faults", *sys.argv[1:]]
            return subprocess.run(inside, env=os.environ | {INSIDE: "1"}).returncode
        print(f"left out: {', '.join(sorted(mounts))}: this system does not let a user mount disks (unshare)")
        chosen = tuple(one for one in chosen if one not in mounts)
    if "training" in (only or ("training",)):
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
            bench.measure()
            for fault in chosen:
                if fault == "worker killed" and bench.victim.content is not evaluated:
                    continue
                begun, draw = time.perf_counter(), random.Random(f"{seed} {name} {fault}")
                try:
                    counts = FAULTS[fault](bench, kills if fault == "killed" else others, draw)
                    said = "as undisturbed"
                except Exception as error:
                    counts, said, failures = {}, f"{type(error).__name__}: {error}", failures + 1
                numbers = f"{counts.get('faults', '-'):>7} {counts.get('finished', '-'):>9}"
                print(f"{name:<12} {fault:<18} {numbers} {time.perf_counter() - begun:>8.1f}  {said}", flush=True)
    server.terminate()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
