"""A few faults of each kind; `make soak` injects hundreds. See tests/soak/faults.py."""

import os
import subprocess
import sys

from tests.helpers.paths import ROOT


def test_what_faults_leave_is_whole_and_goes_on_to_the_same_results():
    command = [sys.executable, "-m", "tests.soak.faults", "--kills", "3", "--others", "1"]
    command += ["--only", "extraction", "evaluation", "download", "--faults", "killed", "two at once", "disk full"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as undisturbed") in (6, 9)  # without full disks where this system mounts none
