import json
import multiprocessing
import os
import sys
import textwrap
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracking_env.datasets import otb, synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.sequence import SelectedFrames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation import result_files, runner
from tracking_env.evaluation.robustness import choose_start_frames, perturb_first_box
from tracking_env.evaluation.runner import run_and_score
from tracking_env.evaluation.tasks import Task, plan_tasks, results_folder
from tracking_env.registry import TrackerSpec

MODULE = """
import os, time

class Notes:
    # Returns the first box, moved by the number of updates; writes the sum of its first frame's pixels to a file.
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
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def calls(tmp_path):
    return (tmp_path / "calls.txt").read_text().splitlines()


def test_a_run_writes_boxes_and_seconds(drawn, out):
    report = run_and_score(TrackerSpec("own:Notes"), drawn, out)
    both = [f"{sequence.name}{suffix}.txt" for sequence in drawn for suffix in ("", "_time")]
    assert names(out) == sorted([*both, "tracker.id"])
    assert np.loadtxt(out / f"{drawn[0].name}_time.txt").shape == (6,)
    boxes = read_boxes(out / f"{drawn[0].name}.txt")
    assert boxes == pytest.approx(drawn[0].boxes[0] + np.outer(np.arange(6), [1, 0, 0, 0]), abs=1e-4)
    assert not report.failed and list(report.sequences) == [sequence.name for sequence in drawn]
    assert report.mean_fps > 0
    assert report.attributes == {sequence.name: sequence.attributes for sequence in drawn}


def test_finished_runs_are_not_repeated(drawn, out, tmp_path):
    run_and_score(TrackerSpec("own:Notes"), drawn[:2], out)
    assert len(calls(tmp_path)) == 2
    before = {name: (out / name).stat().st_mtime_ns for name in names(out) if name != "tracker.id"}
    (out / f"{drawn[2].name}_time.txt").write_text("0.1\n")  # a run that was stopped between the two files
    report = run_and_score(TrackerSpec("own:Notes"), drawn, out)
    assert len(calls(tmp_path)) == 3
    assert before.items() <= {name: (out / name).stat().st_mtime_ns for name in names(out)}.items()
    assert len(report.sequences) == 3
    assert np.loadtxt(out / f"{drawn[2].name}_time.txt").shape == (6,)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "..", ".", "", "/x"])
def test_the_name_of_a_tracker_leads_to_no_other_folder(name, tmp_path):
    with pytest.raises(InputError, match="give a name without folders"):
        results_folder(tmp_path, name)


def test_what_is_reused_is_said_with_its_date(drawn, out, caplog):
    run_and_score(TrackerSpec("own:Notes"), drawn[:2], out)
    assert not caplog.messages
    for sequence, date in zip(drawn[:2], (1_700_000_000, 1_700_086_400), strict=True):
        os.utime(out / f"{sequence.name}.txt", (date, date))
    run_and_score(TrackerSpec("own:Notes"), drawn, out)
    dates = [f"{datetime.fromtimestamp(date):%Y-%m-%d %H:%M}" for date in (1_700_000_000, 1_700_086_400)]
    assert caplog.messages == [
        f"reused 2 of 3 results in {out}, from {dates[0]} to {dates[1]}; overwrite=True runs them again"
    ]


def test_overwrite_runs_again_what_is_asked_for_and_keeps_the_rest(drawn, out, tmp_path, caplog):
    run_and_score(TrackerSpec("own:Notes"), drawn, out)
    paths = [out / f"{sequence.name}.txt" for sequence in drawn]
    for path in paths:
        os.utime(path, (0, 0))
    report = run_and_score(TrackerSpec("own:Notes"), drawn[:2], out, overwrite=True)
    assert len(calls(tmp_path)) == 5 and not report.failed and not caplog.messages
    assert [path.stat().st_mtime > 0 for path in paths] == [True, True, False]


@pytest.mark.parametrize("change", ["code", "weights"])
def test_results_of_changed_code_or_weights_are_not_reused(drawn, out, tmp_path, change):
    (tmp_path / "weights.bin").write_bytes(b"1")
    (tmp_path / "own.py").write_text(MODULE + "\nclass Weighted(Notes):\n    def __init__(self, weights): pass\n")
    spec = TrackerSpec("own:Weighted", (tmp_path / "weights.bin",))
    run_and_score(spec, drawn, out)
    if change == "code":
        sys.modules.pop("own")
        (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text() + "# changed\n")
    else:
        (tmp_path / "weights.bin").write_bytes(b"2")
    with pytest.raises(InputError, match=r"holds results of 'own:Weighted \w+', not of 'own:Weighted \w+'; give overw"):
        run_and_score(spec, drawn, out)
    with pytest.raises(InputError, match=r"holds 4 other files of .*; name all its sequences, or give another `out`"):
        run_and_score(spec, drawn[:1], out, overwrite=True)
    assert len(calls(tmp_path)) == 3
    assert not run_and_score(spec, drawn, out, overwrite=True).failed
    assert len(calls(tmp_path)) == 6
    run_and_score(spec, drawn, out)
    assert len(calls(tmp_path)) == 6


def test_a_result_of_other_boxes_is_not_reused_as_this_ones(drawn, out):
    run_and_score(TrackerSpec("own:Notes"), drawn[:2], out)
    other = [replace(drawn[0], boxes=drawn[0].boxes + 1), drawn[1]]
    report = run_and_score(TrackerSpec("own:Notes"), other, out)
    path = out / f"{drawn[0].name}.txt"
    assert report.failed == {drawn[0].name: f"{path} is a result of other frames or boxes; give overwrite=True"}
    assert list(report.scores) == [drawn[1].name]


def test_baselines_run_again_since_they_take_no_time(drawn, out, caplog):
    run_and_score(TrackerSpec("mean"), drawn, out)
    other = [replace(sequence, boxes=sequence.boxes + 1) for sequence in drawn]
    report = run_and_score(TrackerSpec("mean"), other, out)
    expected = run_and_score(TrackerSpec("mean"), other, out.with_name("new"))
    assert report.mean["whole"] == expected.mean["whole"] and not report.failed and not caplog.messages


def test_a_tracker_that_fails_costs_one_sequence(drawn, out):
    report = run_and_score(TrackerSpec("own:Fails"), drawn, out)
    line = 1 + MODULE.splitlines().index('            raise ZeroDivisionError("of\\nmine")')
    assert report.failed == {drawn[1].name: f"ZeroDivisionError: of mine (own.py, line {line})"}
    assert list(report.sequences) == [drawn[0].name, drawn[2].name]
    assert not any(name.startswith(drawn[1].name) for name in names(out))


@pytest.fixture
def video(tmp_path):
    """Two sequences on disk; in the middle of the first is a frame that cannot be read."""
    for name, seed in (("Broken", 1), ("Good", 2)):
        sequence = synthetic.generate(seed, length=8, size=(64, 48))
        (tmp_path / "OTB" / name / "img").mkdir(parents=True)
        for at in range(8):
            frame = np.ascontiguousarray(sequence.frames[at][..., ::-1])
            cv2.imwrite(str(tmp_path / "OTB" / name / "img" / f"{at + 1:04d}.jpg"), frame)
        result_files.write_result(tmp_path / "OTB" / name / "groundtruth_rect.txt", sequence.boxes)
    bad = tmp_path / "OTB" / "Broken" / "img" / "0005.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    return otb.load(tmp_path / "OTB", "Broken,Good")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_unreadable_frame_costs_one_sequence(video, out, jobs):
    report = run_and_score(TrackerSpec("own:Notes"), video, out, jobs=jobs)
    assert list(report.failed) == ["Broken"] and "0005.jpg is a truncated JPEG" in report.failed["Broken"]
    assert names(out) == ["Good.txt", "Good_time.txt", "tracker.id"]
    assert list(report.sequences) == ["Good"]


def test_several_processes_give_the_same_files(out):
    pytest.importorskip("torch")
    sequences = [synthetic.generate(seed, length=5) for seed in range(3)]
    for jobs in (1, 2):
        run_and_score(TrackerSpec("mil"), sequences, out / str(jobs), repeat=2, jobs=jobs)
    files = [name for name in names(out / "1") if "_time" not in name]
    assert files == [name for name in names(out / "2") if "_time" not in name] and len(files) == 7
    assert all((out / "1" / name).read_bytes() == (out / "2" / name).read_bytes() for name in files)
    assert (out / "1" / "run-1" / f"{sequences[0].name}.txt").read_bytes() != (
        out / "1" / "run-2" / f"{sequences[0].name}.txt"
    ).read_bytes()


def test_repeated_runs_have_different_seeds_and_a_deviation(drawn, out):
    report = run_and_score(TrackerSpec("own:Seeded"), drawn, out, repeat=3)
    first = [read_boxes(out / f"run-{run}" / f"{drawn[0].name}.txt")[1, 0] for run in (1, 2, 3)]
    assert np.diff(first) == pytest.approx([1, 1])
    assert len(report.runs) == 3 and report.std["whole"].mean_iou > 0


def test_tre_starts_later_on_true_boxes(out, tmp_path):
    sequence = synthetic.generate(5, length=24, size=(48, 36))
    first = choose_start_frames(sequence.boxes)
    assert first == [0, 1, 2, 3, 4]
    report = run_and_score(TrackerSpec("own:Notes"), [sequence], results_folder(out, "notes", "tre"), "tre")
    where = out / "notes-tre"
    assert json.loads((where / "starts.json").read_text()) == {sequence.name: first}
    for number, start in enumerate(first, 1):
        boxes = read_boxes(where / f"start-{number:02d}" / f"{sequence.name}.txt")
        assert len(boxes) == 24 - start and boxes[0] == pytest.approx(sequence.boxes[start], abs=1e-4)
    assert calls(tmp_path) == [f"{sequence.boxes[at].tolist()} {int(sequence.frames[at].sum())}" for at in first]
    assert report.sequences[sequence.name]["whole"].frames == 24 + 23 + 22 + 21 + 20
    assert not report.failed

    other = synthetic.generate(6, length=20, size=(48, 36))
    run_and_score(TrackerSpec("own:Notes"), [other], where, "tre")
    assert json.loads((where / "starts.json").read_text()) == {sequence.name: first, other.name: [0]}


def test_sre_starts_on_perturbed_boxes(drawn, out, tmp_path):
    sequence = drawn[0]
    report = run_and_score(TrackerSpec("own:Notes"), [sequence], results_folder(out, "notes", "sre"), "sre")
    boxes = perturb_first_box(sequence.boxes[0], sequence.size)
    assert calls(tmp_path) == [f"{box.tolist()} {int(sequence.frames[0].sum())}" for box in boxes.values()]
    for name, box in boxes.items():
        assert read_boxes(out / "notes-sre" / name / f"{sequence.name}.txt")[0] == pytest.approx(box, abs=1e-4)
    assert report.sequences[sequence.name]["whole"].frames == 12 * 6


def test_a_start_that_fails_fails_its_sequence(drawn, out):
    report = run_and_score(TrackerSpec("own:Fails"), drawn, results_folder(out, "fails", "sre"), "sre")
    assert list(report.failed) == [drawn[1].name]
    assert report.failed[drawn[1].name].startswith("left: ZeroDivisionError")
    assert list(report.sequences) == [drawn[0].name, drawn[2].name]


def test_a_report_may_contain_only_failures(drawn, out):
    report = run_and_score(TrackerSpec("own:Fails"), drawn[1:2], results_folder(out, "fails", "tre"), "tre")
    assert not report.sequences and list(report.failed) == [drawn[1].name]


def test_a_run_tracks_its_part_of_the_sequence(drawn):
    sequence = drawn[0]
    later = Task(Path("out"), sequence, start=2).cut_sequence()
    assert len(later) == 4 and np.array_equal(later.boxes, sequence.boxes[2:])
    assert np.array_equal(later.frames[0], sequence.frames[2]) and np.array_equal(later.frames[-1], sequence.frames[5])
    assert later.size == sequence.size
    with pytest.raises(IndexError):
        later.frames[4]
    assert len({SelectedFrames(sequence.frames, range(start, len(sequence))).fingerprint for start in range(3)}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeat": 0}, "`repeat` is 0; give a number from 1 to 1000"),
        ({"repeat": 10**12}, "`repeat` is 1000000000000; give a number from 1 to 1000"),
        ({"repeat": 2, "starts": "tre"}, "protocol='tre' has several runs already"),
        ({"jobs": 0}, "`jobs` is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(drawn, out, options, message):
    with pytest.raises(InputError, match=message):
        run_and_score(TrackerSpec("own:Notes"), drawn, out, **options)
    assert not out.exists()


def test_oracle_baselines_are_refused_outside_one_pass_evaluation(drawn, out):
    with pytest.raises(InputError, match="late reads the truth"):
        run_and_score(TrackerSpec("late"), drawn, out, "sre")


def test_results_of_two_trackers_are_not_mixed(drawn, out, tmp_path):
    run_and_score(TrackerSpec("own:Notes"), drawn, out)
    with pytest.raises(
        InputError, match=r"holds results of 'own:Notes \w+', not of 'own:Fails \w+'; give overwrite=True"
    ):
        run_and_score(TrackerSpec("own:Fails"), drawn, out)
    result_files.write_result(tmp_path / "struck" / "Suv.txt", np.ones((3, 4)))
    with pytest.raises(InputError, match="holds results of unknown origin"):
        run_and_score(TrackerSpec("own:Notes"), drawn, tmp_path / "struck")
    assert names(tmp_path / "struck") == ["Suv.txt"]


def test_a_folder_that_cannot_be_created_is_refused(drawn, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write "):
        run_and_score(TrackerSpec("own:Notes"), drawn, tmp_path / "file" / "results")


def test_a_process_that_dies_is_reported(drawn, out):
    with pytest.raises(InputError, match="a process died"):
        run_and_score(TrackerSpec("own:Dies"), drawn, out, jobs=2)


def test_interrupted_processes_are_not_waited_for(drawn, out, monkeypatch):
    class Bar(runner.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "tqdm", Bar)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_and_score(TrackerSpec("own:Slow"), drawn[1::-1], out, jobs=2)  # one process has finished, the other sleeps
    assert time.monotonic() - begun < 60
    assert not multiprocessing.active_children()
    assert f"{drawn[0].name}.txt" in names(out) and f"{drawn[1].name}.txt" not in names(out)


def test_an_interrupted_run_keeps_its_results(drawn, out):
    with pytest.raises(KeyboardInterrupt):
        run_and_score(TrackerSpec("own:Interrupted"), drawn, out)
    assert names(out) == [f"{drawn[0].name}.txt", f"{drawn[0].name}_time.txt", "tracker.id"]


def test_plans_are_sorted_by_run(drawn, out):
    tasks = plan_tasks(drawn, out, repeat=2)
    assert [(task.run, task.seed, task.sequence.name) for task in tasks] == [
        (f"run-{seed + 1}", seed, sequence.name) for seed in (0, 1) for sequence in drawn
    ]
    assert len(plan_tasks(drawn, out, "sre")) == 36
    assert isinstance(tasks[0].cut_sequence(), Sequence)
