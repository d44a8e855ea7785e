"""A victim's job in a fork of this process, and what its files are held against.

This process has loaded everything already: a fork lives as long as its work takes, and not as long as importing torch.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.folders import Content
from tests.soak.victims import Victim

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
            self.reference = self.reference or found
            different = [key for key in found | self.reference if found.get(key) != self.reference.get(key)]
            assert found and not different, f"two runs of {self.name} differ in {different}"
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
