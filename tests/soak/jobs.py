"""Run a workload in a fork of this process, and compare its files with those of an undisturbed run.

This process has imported everything already. A fork needs no time to import torch, so faults hit the work itself.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.contents import Contents
from tests.soak.workloads import Workload

TIMEOUT = 300
"""Seconds after which a job counts as hanging."""


@dataclass
class Job:
    """One run of a workload in a fork.

    Attributes:
        workload: the kind of job.
        folder: where it works.
        log_path: file for what it prints.
        pid: the fork's process id; 0 before `start`.
        start_time: in seconds, see `time.perf_counter`.
    """

    workload: Workload
    folder: Path
    log_path: Path
    pid: int = 0
    start_time: float = field(default_factory=time.perf_counter)

    def start(self, run: Callable[[Path], int] | None = None) -> "Job":
        """Fork, and run the workload (or another function) in the fork."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path.touch()  # A job that is killed at once writes none.
        self.start_time = time.perf_counter()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()  # so that `kill` reaches the job's own processes, too
            log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            code = 99
            try:
                code = (run or self.workload.run)(self.folder)
            except BaseException:  # The parent finds the traceback in the log and fails.
                traceback.print_exc()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
        return self

    def kill(self) -> bool:
        """Kill the job and all its processes; returns False if it had ended before."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.WIFSIGNALED(status)

    def wait(self) -> int:
        """Wait for the job's end and return its exit code."""
        while time.perf_counter() - self.start_time < TIMEOUT:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.kill()
        raise AssertionError(f"the job hangs: {self.log}")

    @property
    def log(self) -> str:
        """Everything that the job printed."""
        return self.log_path.read_text(errors="replace")

    def expect(self, *codes: int) -> int:
        """Wait, and check that the exit code is one of these, without a traceback; an error must be one line."""
        code = self.wait()
        failed = "Traceback" in self.log or "error: unexpected" in self.log
        assert code in codes and not failed, f"exit code {code}:\n{self.log}"
        if code == 2:
            (line,) = [line for line in self.log.splitlines() if "error:" in line]
            assert line, self.log
        return code


@dataclass
class Experiment:
    """The jobs of one workload, and the files of an undisturbed one.

    Attributes:
        name: of the workload.
        workload: the kind of job.
        root: each job gets a folder in this one.
        reference: the files of an undisturbed job.
        seconds: duration of an undisturbed job.
        count: number of folders so far.
    """

    name: str
    workload: Workload
    root: Path
    reference: Contents = field(default_factory=dict)
    seconds: float = 0.0
    count: int = 0

    def make_job(self, folder: Path | None = None) -> Job:
        """A job in this folder, or in a new one."""
        if folder is None:
            self.count += 1
            folder = self.root / f"{self.name}-{self.count}"
        return Job(self.workload, folder, self.root / f"{self.name}-{self.count}-{random.getrandbits(32):08x}.log")

    def run_undisturbed(self) -> None:
        """Run two undisturbed jobs, whose files must be equal. The second one's duration counts."""
        for _ in range(2):
            job = self.make_job().start()
            job.expect(0)
            self.seconds = time.perf_counter() - job.start_time
            contents = self.workload.read(job.folder)
            self.reference = self.reference or contents
            names = contents.keys() | self.reference.keys()
            different = [name for name in names if contents.get(name) != self.reference.get(name)]
            assert contents and not different, f"two runs of {self.name} differ in {different}"
            shutil.rmtree(job.folder)

    def check(self, folder: Path, finished: bool) -> None:
        """Compare a folder's files with those of an undisturbed job.

        Args:
            folder: of a job that has ended or was killed.
            finished: the job has finished, so that no file may be missing.
        """
        contents = self.workload.read(folder)
        if finished:
            assert contents.keys() == self.reference.keys(), f"{contents.keys() ^ self.reference.keys()} in {folder}"
        different = [name for name, content in contents.items() if content != self.reference.get(name)]
        # starts.json grows while the job runs. It holds whole entries at every moment: `read` has parsed it.
        different = [name for name in different if finished or not name.endswith("starts.json")]
        assert not different, f"{different} in {folder} differ from those of an undisturbed run"
