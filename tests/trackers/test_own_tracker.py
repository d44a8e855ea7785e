"""Trackers of users that do what no tracker should: the program goes on, and names the tracker."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation.runner import run_and_score
from tracking_env.registry import TrackerSpec
from tracking_env.trackers.base import run
from tracking_env.trackers.time_limit import TimeLimitedTracker

BOX = np.array([5.0, 6, 20, 10])
OWN = """
import os, sys

class Still:
    def init(self, frame, box):
        self.box = box
    def update(self, frame):
        return self.box

class Exits(Still):
    def update(self, frame):
        if frame.shape[1] > 300:
            sys.exit("bye")
        return self.box

class Moves(Still):
    def init(self, frame, box):
        os.chdir("/")
        self.box = box

class Unprintable(Still):
    def update(self, frame):
        class Odd(Exception):
            def __str__(self):
                raise RuntimeError
        raise Odd

class Unmade(Still):
    def __init__(self):
        sys.exit(0)

class Lines(Still):
    id = "two\\nlines"

class Short(Still):
    def init(self, frame):
        pass

def gives_a_class():
    return Still
"""


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(OWN)
    (tmp_path / "ends.py").write_text("import argparse\nargparse.ArgumentParser(prog='x').parse_args(['--y'])\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd", raising=False)


class Tracker:
    """Stands still; `answer` decides what `update` does."""

    def __init__(self, answer=None):
        self.answer = answer

    def init(self, frame, box):
        self.box = box

    def update(self, frame):
        return self.box if self.answer is None else self.answer(frame)


def black(count=3):
    return Sequence("black", ArrayFrames(np.zeros((count, 48, 64, 3), np.uint8)), np.tile(BOX, (count, 1)))


@pytest.mark.parametrize(
    "value",
    [
        ["1", "2", "3", "4"],
        np.array([1 + 1j, 2, 3, 4]),
        np.array([1, 2, 3, 4], "datetime64[s]"),
        [True, True, True, True],
        [10**400, 2, 3, 4],
        np.array([1, 2, 3, None], object),
        np.ones((1, 4)),
        (number for number in range(4)),
        {1, 2, 3, 4},
    ],
)
def test_only_four_numbers_are_a_box(value):
    with pytest.raises(InputError, match=r"^the tracker's update\(frame\) returned .*, wanted four numbers"):
        run(Tracker(lambda frame: value), black())


@pytest.mark.parametrize("value", [(1, 2, 3, 4), np.array([1, 2, 3, 4], np.int8), np.array([1, 2, 3, 4], np.float16)])
def test_numbers_of_any_type_are_a_box(value):
    assert_array_equal(run(Tracker(lambda frame: value), black()).boxes[1:], [[1, 2, 3, 4]] * 2)


@pytest.mark.parametrize(
    ("name", "value"), [("confidence", "high"), ("confidence", np.ones(2)), ("lost_below", "x"), ("lost_below", [1])]
)
def test_a_confidence_is_a_number(name, value):
    tracker = Tracker()
    tracker.confidence = tracker.lost_below = 0.5
    setattr(tracker, name, value)
    with pytest.raises(InputError, match=f"^the tracker's {name} is .*, wanted a number$"):
        run(tracker, black())


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), StopIteration()])
def test_what_would_end_the_program_is_an_error_of_the_tracker(error):
    def answer(frame):
        raise error

    with pytest.raises(InputError, match=rf"the tracker ended with {type(error).__name__}.* \(test_own_tracker.py"):
        run(TimeLimitedTracker(lambda: Tracker(answer)), black())


def test_the_other_sequences_go_on_after_an_exit(tmp_path):
    wide, narrow = synthetic.generate(1, 4, (320, 48)), synthetic.generate(2, 4, (64, 48))
    report = run_and_score(TrackerSpec("odd:Exits"), [wide, narrow], tmp_path / "out")
    line = OWN.splitlines().index('            sys.exit("bye")') + 1
    assert report.failed == {wide.name: f"the tracker ended with SystemExit: bye (odd.py, line {line})"}
    assert narrow.name in report.sequences


def test_an_error_without_a_text_is_still_the_trackers(tmp_path):
    sequence = synthetic.generate(2, 4, (64, 48))
    report = run_and_score(TrackerSpec("odd:Unprintable"), [sequence], tmp_path / "out")
    assert report.failed[sequence.name].startswith("Odd (odd.py, line ")


def test_what_a_tracker_draws_in_its_frame_nobody_else_sees():
    def answer(frame):
        frame[:] = 255
        return [1, 2, 3, 4]

    sequence = black()
    run(Tracker(answer), sequence)
    assert not sequence.frames.array.any()


def test_a_tracker_may_change_its_first_box():
    tracker, sequence = Tracker(), black()
    tracker.init = lambda frame, box: box.fill(0)
    tracker.update = lambda frame: [1, 2, 3, 4]
    assert_array_equal(run(tracker, sequence).boxes[0], BOX)
    assert_array_equal(sequence.first_box, BOX)


def test_results_land_where_they_were_asked_for_if_the_tracker_changes_the_folder():
    sequence = synthetic.generate(2, 4, (64, 48))
    run_and_score(TrackerSpec("odd:Moves"), [sequence], Path("out"))
    assert Path("out", f"{sequence.name}.txt").exists()
    assert Path.cwd() != Path("/")


def test_a_tracker_whose_making_does_not_end_is_given_up():
    start = time.monotonic()
    with pytest.raises(InputError, match="the tracker's making has not returned after 1 seconds"):
        TimeLimitedTracker(lambda: time.sleep(60), seconds=0.1)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("odd:Unmade", r"^cannot make odd:Unmade: SystemExit: 0 \(odd.py, line \d+\)$"),
        ("ends:Tracker", r"^cannot import ends: SystemExit: 2 \(ends.py, line 2\)$"),
        ("odd:Lines", r"^the id of odd:Lines is 'two\\nlines', wanted a text of at most 200 printable characters"),
        ("odd:Short", r"^odd:Short makes Short, wanted an object with the methods init\(frame, box\) and update"),
        ("odd:gives_a_class", "^odd:gives_a_class makes the class Still, wanted an object with the methods"),
    ],
)
def test_what_cannot_be_a_tracker_is_refused_in_one_line(name, message):
    with pytest.raises(InputError, match=message):
        TrackerSpec(name).make()
