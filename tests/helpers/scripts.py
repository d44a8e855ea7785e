"""Run a script of the checkout in another folder."""

import os
import subprocess
import sys

from tests.helpers.paths import ROOT


def run_script(path, folder, *flags, cache=None, threads=1, timeout=600):
    """Run a script with a cache of features of its own, or a shared one, and return its output."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TRACKING_ENV_CACHE": str(cache or folder / "cache"),
        "OMP_NUM_THREADS": str(threads),
        "HOME": str(folder),  # Ray writes there
    }
    command = [sys.executable, str(path), *flags]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cpu_seconds():
    """Processor time of the programs that this process has run so far."""
    import resource  # POSIX alone has it, and not all tests of this module need it

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
