"""A few faults of each kind, see tests/soak/faults.py. `make soak` injects hundreds."""

import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="jobs are forks")
def test_jobs_recover_from_faults_with_the_same_results():
    command = [sys.executable, "-m", "tests.soak.faults", "--kills", "3", "--others", "1"]
    command += ["--only", "extraction", "evaluation", "download", "--faults", "killed", "two at once", "disk full"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as undisturbed") in (6, 9)  # 6 on a system where users cannot mount disks
