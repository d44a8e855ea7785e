"""Trackers that do not return, or return something else than a box."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.datasets import synthetic
from tracking_env.errors import InputError
from tracking_env.evaluation.runner import run_and_score
from tracking_env.registry import TrackerSpec
from tracking_env.trackers.base import run
from tracking_env.trackers.time_limit import TimeLimitedTracker

FRAME, BOX = np.zeros((48, 64, 3), np.uint8), np.array([5.0, 6, 20, 10])
OWN = '''
import time
import cv2

made = []

class Still:
    id = "still"
    confidence = 0.5
    def __init__(self):
        made.append(self)
    def init(self, frame, box):
        self.box = box
    def update(self, frame):
        return self.box

class Sleeps(Still):
    """Never returns on wide frames."""
    def update(self, frame):
        while frame.shape[1] > 300:
            time.sleep(0.01)
        return self.box

class Loops(Still):
    """Runs OpenCV's MIL on a box on which it never returns."""
    def init(self, frame, box):
        cv2.TrackerMIL_create().init(frame, (10, 10, 3, 3))

class Triple(Still):
    def update(self, frame):
        return self.box[:3]

class Scalar(Still):
    def update(self, frame):
        return 7

class Nothing(Still):
    def update(self, frame):
        pass

class Raises(Still):
    def update(self, frame):
        return [0, 1][2]

class Unmade(Still):
    def __init__(self):
        open("nowhere.onnx")

class Numbered(Still):
    id = 3
'''


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    (tmp_path / "limited.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "limited", raising=False)


def test_a_tracker_behaves_as_without_the_limit_and_in_one_thread():
    threads = []

    class Notes:
        spread = np.ones(4)

        def __init__(self):
            threads.append(threading.get_ident())

        def init(self, frame, box):
            threads.append(threading.get_ident())
            self.box = box

        def update(self, frame):
            threads.append(threading.get_ident())
            self.box = self.box + 1
            return self.box

    tracker = TimeLimitedTracker(Notes)
    tracker.init(FRAME, BOX)
    assert [tracker.update(FRAME).tolist() for _ in range(2)] == [(BOX + 1).tolist(), (BOX + 2).tolist()]
    assert tracker.spread.tolist() == [1, 1, 1, 1] and not hasattr(tracker, "confidence")
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_the_thread_ends_with_the_tracker():
    before = set(threading.enumerate())
    tracker = TimeLimitedTracker(lambda: synthetic)
    (thread,) = set(threading.enumerate()) - before
    del tracker
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_call_without_end_is_given_up_and_the_other_sequences_go_on(tmp_path):
    wide, narrow = synthetic.generate(1, 4, (320, 48)), synthetic.generate(2, 4, (64, 48))
    start = time.monotonic()
    report = run_and_score(TrackerSpec("limited:Sleeps", timeout=0.3), [wide, narrow, wide], tmp_path / "out")
    assert time.monotonic() - start < 10
    assert report.failed == {
        wide.name: "the tracker's update has not returned after 0.3 seconds; give `timeout` a larger number if it is "
        "only slow"
    }
    assert narrow.name in report.sequences
    assert len(sys.modules["limited"].made) >= 3  # made anew after each call that was given up


def test_a_loop_of_compiled_code_is_given_up_and_keeps_no_process_alive():
    code = "from tests.trackers.test_time_limit import FRAME, BOX\nfrom tracking_env.registry import TrackerSpec\n"
    code += "TrackerSpec('limited:Loops', timeout=0.5).make().live().init(FRAME, BOX)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}."},
    )
    assert ended.returncode == 1 and "the tracker's init has not returned after 0.5 seconds" in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_loop_of_compiled_code():
    flags = ["--tracker", "limited:Loops", "--sequences", "synthetic:0", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tracking_env.cli", "evaluate", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    try:
        while not Path("out/limited.Loops/tracker.id").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130 and error.startswith("tracking-env: stopped; ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Triple", r"the tracker's update\(frame\) returned array\(\[.*\]\), wanted four numbers x, y, w, h$"),
        ("Scalar", r"returned 7, wanted four numbers"),
        ("Nothing", r"returned None, wanted four numbers"),
    ],
)
def test_a_wrong_return_value_is_the_trackers_and_is_named(name, message):
    with pytest.raises(InputError, match=message):
        run(TrackerSpec(f"limited:{name}").make().live(), synthetic.generate(1, 3, (64, 48)))


def test_an_error_of_an_own_tracker_names_its_line(tmp_path):
    sequence = synthetic.generate(1, 3, (64, 48))
    report = run_and_score(TrackerSpec("limited:Raises"), [sequence], tmp_path / "out")
    line = OWN.splitlines().index("        return [0, 1][2]") + 1
    assert report.failed == {sequence.name: f"IndexError: list index out of range (limited.py, line {line})"}


def test_an_own_tracker_that_cannot_be_made_is_one_line():
    with pytest.raises(
        InputError, match=r"^cannot make limited:Unmade: FileNotFoundError: .*nowhere.onnx' \(limited.py, line \d+\)$"
    ):
        TrackerSpec("limited:Unmade").make()
    with pytest.raises(InputError, match="the id of limited:Numbered is 3, wanted a text"):
        TrackerSpec("limited:Numbered").make()


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_the_limit_is_above_zero(timeout):
    with pytest.raises(InputError, match="give a number of seconds above 0"):
        TrackerSpec("mil", timeout=timeout)
