import json
import multiprocessing
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracking_env.datasets import otb, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation import runner, scoring
from tracking_env.evaluation.robustness import perturbed, starts
from tracking_env.evaluation.runner import evaluate
from tracking_env.evaluation.tasks import LaterFrames, Task, folder, plan
from tracking_env.registry import TrackerSpec

MODULE = """
import os, time

class Notes:
    # The box it was given, moved by the number of updates; what it saw of the frames goes to a file.
    def init(self, frame, box):
        self.box, self.count = box.copy(), 0
        with open("calls.txt", "a") as file:
            file.write(f"{box.tolist()} {int(frame.sum())}\\n")
    def update(self, frame):
        self.count += 1
        return self.box + [self.count, 0, 0, 0]

class Fails(Notes):
    def update(self, frame):
        if frame.shape[1] == 40:
            raise ZeroDivisionError("of\\nmine")
        return super().update(frame)

class Interrupted(Notes):
    def update(self, frame):
        if frame.shape[1] == 40:
            raise KeyboardInterrupt
        return super().update(frame)

class Slow(Notes):
    def update(self, frame):
        if frame.shape[1] == 40:
            time.sleep(100)
        return super().update(frame)

class Dies(Notes):
    def update(self, frame):
        os._exit(1)

class Seeded(Notes):
    def __init__(self, seed):
        self.seed = seed
    def update(self, frame):
        return self.box + [self.seed, 0, 0, 0]
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path, monkeypatch):
    """A module ``own`` of trackers in the working directory."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(textwrap.dedent(MODULE))
    yield
    sys.modules.pop("own", None)


@pytest.fixture
def drawn():
    """Three sequences; the second has the smallest frames."""
    return [synthetic.generate(seed, length=6, size=(40 if seed == 1 else 48, 36)) for seed in range(3)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def names(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def calls(tmp_path):
    return (tmp_path / "calls.txt").read_text().splitlines()


def test_a_run_leaves_boxes_and_seconds(drawn, out):
    report = evaluate(TrackerSpec("own:Notes"), drawn, out)
    both = [f"{one.name}{kind}.txt" for one in drawn for kind in ("", "_time")]
    assert names(out) == sorted([*both, "tracker.id"])
    assert np.loadtxt(out / f"{drawn[0].name}_time.txt").shape == (6,)
    boxes = otb.read_boxes(out / f"{drawn[0].name}.txt")
    assert boxes == pytest.approx(drawn[0].boxes[0] + np.outer(np.arange(6), [1, 0, 0, 0]), abs=1e-4)
    assert not report.failed and list(report.sequences) == [one.name for one in drawn]
    assert report.mean_fps > 0
    assert report.attributes == {one.name: one.attributes for one in drawn}


def test_what_is_there_is_not_run_again(drawn, out, tmp_path):
    evaluate(TrackerSpec("own:Notes"), drawn[:2], out)
    assert len(calls(tmp_path)) == 2
    before = {name: (out / name).stat().st_mtime_ns for name in names(out) if name != "tracker.id"}
    (out / f"{drawn[2].name}_time.txt").write_text("0.1\n")  # a run that was stopped between the two files
    report = evaluate(TrackerSpec("own:Notes"), drawn, out)
    assert len(calls(tmp_path)) == 3
    assert before.items() <= {name: (out / name).stat().st_mtime_ns for name in names(out)}.items()
    assert len(report.sequences) == 3
    assert np.loadtxt(out / f"{drawn[2].name}_time.txt").shape == (6,)


def test_a_tracker_that_fails_costs_one_sequence(drawn, out):
    report = evaluate(TrackerSpec("own:Fails"), drawn, out)
    line = 1 + MODULE.splitlines().index('            raise ZeroDivisionError("of\\nmine")')
    assert report.failed == {drawn[1].name: f"ZeroDivisionError: of mine (own.py, line {line})"}
    assert list(report.sequences) == [drawn[0].name, drawn[2].name]
    assert not any(name.startswith(drawn[1].name) for name in names(out))


@pytest.fixture
def video(tmp_path):
    """Two sequences on disk; in the middle of the first is a frame that cannot be read."""
    for name, seed in (("Broken", 1), ("Good", 2)):
        one = synthetic.generate(seed, length=8, size=(64, 48))
        (tmp_path / "OTB" / name / "img").mkdir(parents=True)
        for at in range(8):
            frame = np.ascontiguousarray(one.frames[at][..., ::-1])
            cv2.imwrite(str(tmp_path / "OTB" / name / "img" / f"{at + 1:04d}.jpg"), frame)
        scoring.write_result(tmp_path / "OTB" / name / "groundtruth_rect.txt", one.boxes)
    bad = tmp_path / "OTB" / "Broken" / "img" / "0005.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    return otb.load(tmp_path / "OTB", "Broken,Good")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_unreadable_frame_costs_one_sequence(video, out, jobs):
    report = evaluate(TrackerSpec("own:Notes"), video, out, jobs=jobs)
    assert list(report.failed) == ["Broken"] and "0005.jpg is a truncated JPEG" in report.failed["Broken"]
    assert names(out) == ["Good.txt", "Good_time.txt", "tracker.id"]
    assert list(report.sequences) == ["Good"]


def test_several_processes_give_the_same_files(out):
    pytest.importorskip("torch")
    sequences = [synthetic.generate(seed, length=5) for seed in range(3)]
    for jobs in (1, 2):
        evaluate(TrackerSpec("mil"), sequences, out / str(jobs), repeat=2, jobs=jobs)
    files = [name for name in names(out / "1") if "_time" not in name]
    assert files == [name for name in names(out / "2") if "_time" not in name] and len(files) == 7
    assert all((out / "1" / name).read_bytes() == (out / "2" / name).read_bytes() for name in files)
    assert (out / "1" / "run-1" / f"{sequences[0].name}.txt").read_bytes() != (
        out / "1" / "run-2" / f"{sequences[0].name}.txt"
    ).read_bytes()


def test_repeated_runs_have_seeds_and_a_deviation(drawn, out):
    report = evaluate(TrackerSpec("own:Seeded"), drawn, out, repeat=3)
    first = [otb.read_boxes(out / f"run-{run}" / f"{drawn[0].name}.txt")[1, 0] for run in (1, 2, 3)]
    assert np.diff(first) == pytest.approx([1, 1])
    assert len(report.runs) == 3 and report.std["whole"].mean_iou > 0


def test_tre_starts_later_on_true_boxes(out, tmp_path):
    one = synthetic.generate(5, length=24, size=(48, 36))
    first = starts(one.boxes)
    assert first == [0, 1, 2, 3, 4]
    report = evaluate(TrackerSpec("own:Notes"), [one], folder(out, "notes", "tre"), "tre")
    where = out / "notes-tre"
    assert json.loads((where / "starts.json").read_text()) == {one.name: first}
    for number, start in enumerate(first, 1):
        boxes = otb.read_boxes(where / f"start-{number:02d}" / f"{one.name}.txt")
        assert len(boxes) == 24 - start and boxes[0] == pytest.approx(one.boxes[start], abs=1e-4)
    assert calls(tmp_path) == [f"{one.boxes[at].tolist()} {int(one.frames[at].sum())}" for at in first]
    assert report.sequences[one.name]["whole"].frames == 24 + 23 + 22 + 21 + 20
    assert not report.failed

    other = synthetic.generate(6, length=20, size=(48, 36))
    evaluate(TrackerSpec("own:Notes"), [other], where, "tre")
    assert json.loads((where / "starts.json").read_text()) == {one.name: first, other.name: [0]}


def test_sre_starts_on_perturbed_boxes(drawn, out, tmp_path):
    one = drawn[0]
    report = evaluate(TrackerSpec("own:Notes"), [one], folder(out, "notes", "sre"), "sre")
    boxes = perturbed(one.boxes[0], one.size)
    assert calls(tmp_path) == [f"{box.tolist()} {int(one.frames[0].sum())}" for box in boxes.values()]
    for name, box in boxes.items():
        assert otb.read_boxes(out / "notes-sre" / name / f"{one.name}.txt")[0] == pytest.approx(box, abs=1e-4)
    assert report.sequences[one.name]["whole"].frames == 12 * 6


def test_a_start_that_fails_fails_its_sequence(drawn, out):
    report = evaluate(TrackerSpec("own:Fails"), drawn, folder(out, "fails", "sre"), "sre")
    assert list(report.failed) == [drawn[1].name]
    assert report.failed[drawn[1].name].startswith("left: ZeroDivisionError")
    assert list(report.sequences) == [drawn[0].name, drawn[2].name]


def test_nothing_but_failures_is_a_report(drawn, out):
    report = evaluate(TrackerSpec("own:Fails"), drawn[1:2], folder(out, "fails", "tre"), "tre")
    assert not report.sequences and list(report.failed) == [drawn[1].name]


def test_what_a_run_is_given(drawn):
    one = drawn[0]
    later = Task(Path("out"), one, start=2).given()
    assert len(later) == 4 and np.array_equal(later.boxes, one.boxes[2:])
    assert np.array_equal(later.frames[0], one.frames[2]) and np.array_equal(later.frames[-1], one.frames[5])
    assert later.size == one.size
    with pytest.raises(IndexError):
        later.frames[4]
    assert len({LaterFrames(one.frames, start).fingerprint for start in range(3)}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeat": 0}, "--repeat is 0"),
        ({"repeat": 2, "protocol": "tre"}, "tre has several runs already"),
        ({"jobs": 0}, "--jobs is 0"),
    ],
)
def test_numbers_out_of_range(drawn, out, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(TrackerSpec("own:Notes"), drawn, out, **options)
    assert not out.exists()


def test_yardsticks_are_for_one_pass_evaluation(drawn, out):
    with pytest.raises(InputError, match="late reads the truth"):
        evaluate(TrackerSpec("late"), drawn, out, "sre")


def test_results_of_two_trackers_are_not_mixed(drawn, out, tmp_path):
    evaluate(TrackerSpec("own:Notes"), drawn, out)
    with pytest.raises(InputError, match="holds results of 'own:Notes', not of 'own:Fails'; delete it, or give"):
        evaluate(TrackerSpec("own:Fails"), drawn, out)
    scoring.write_result(tmp_path / "struck" / "Suv.txt", np.ones((3, 4)))
    with pytest.raises(InputError, match="holds results of unknown origin"):
        evaluate(TrackerSpec("own:Notes"), drawn, tmp_path / "struck")
    assert names(tmp_path / "struck") == ["Suv.txt"]


def test_a_folder_that_cannot_be_made(drawn, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write "):
        evaluate(TrackerSpec("own:Notes"), drawn, tmp_path / "file" / "results")


def test_a_process_that_dies_is_told(drawn, out):
    with pytest.raises(InputError, match="a process died"):
        evaluate(TrackerSpec("own:Dies"), drawn, out, jobs=2)


def test_interrupted_processes_are_not_waited_for(drawn, out, monkeypatch):
    class Bar(runner.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "tqdm", Bar)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        evaluate(TrackerSpec("own:Slow"), drawn[1::-1], out, jobs=2)  # one is done, the other sleeps
    assert time.monotonic() - begun < 60
    assert not multiprocessing.active_children()
    assert f"{drawn[0].name}.txt" in names(out) and f"{drawn[1].name}.txt" not in names(out)


def test_an_interrupted_run_keeps_what_is_done(drawn, out):
    with pytest.raises(KeyboardInterrupt):
        evaluate(TrackerSpec("own:Interrupted"), drawn, out)
    assert names(out) == [f"{drawn[0].name}.txt", f"{drawn[0].name}_time.txt", "tracker.id"]


def test_plans_are_in_order_of_runs(drawn, out):
    tasks = plan(drawn, out, repeat=2)
    assert [(one.run, one.seed, one.sequence.name) for one in tasks] == [
        (f"run-{seed + 1}", seed, sequence.name) for seed in (0, 1) for sequence in drawn
    ]
    assert len(plan(drawn, out, "sre")) == 36
    assert isinstance(tasks[0].given(), Sequence)
