import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")  # the package of the trackers imports it

from tracking_env import cli
from tracking_env.datasets import synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError
from tracking_env.evaluation import tasks
from tracking_env.evaluation.result_files import write_result
from tracking_env.registry import TrackerSpec


@pytest.fixture(autouse=True)
def _own_path(tmp_path, monkeypatch):
    """A working directory with a module ``mine`` of trackers."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "class Still:\n"
        "    def init(self, frame, box):\n"
        "        self.box = box\n"
        "    def update(self, frame):\n"
        "        return self.box\n"
        "class Interrupted(Still):\n"
        "    def update(self, frame):\n"
        "        raise KeyboardInterrupt\n"
        "class Fails(Still):\n"
        "    def update(self, frame):\n"
        "        return self.box[:3]\n"
    )
    yield
    sys.modules.pop("mine", None)


def evaluate(*args):
    return cli.main(["evaluate", "--out", "out", "--sequences", "synthetic:0-1", *map(str, args)])


def test_evaluate_runs_a_tracker_and_prints_a_table(tmp_path):
    args = ["--tracker", "mine:Still", "--sequences", "synthetic:0-2", "--out", "out", "--jobs", "2"]
    command = [sys.executable, "-W", "error", "-m", "tracking_env.cli", "evaluate", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    heading, head, row, _, ran = done.stdout.splitlines()
    assert heading == "OTB one-pass evaluation (Wu, Lim, Yang, TPAMI 2015)"
    assert head.split()[0] == "tracker" and head.split()[-1] == "fps"
    assert row.split()[0] == "mine.Still"
    assert re.fullmatch(r"Ran mine:Still [0-9a-f]{8}; results in out/mine.Still", ran)
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert read_boxes(tmp_path / "out" / "mine.Still" / "Synthetic-0002.txt").shape == (60, 4)


def test_evaluate_prints_json(capsys):
    assert evaluate("--tracker", "static", "--json", "--name", "first box") == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data["sequences"]) == ["Synthetic-0000", "Synthetic-0001"]
    assert data["fps"] is None and not data["failed"]
    assert Path("out/first box/Synthetic-0000.txt").exists()


def test_protocols_and_repetitions_have_separate_folders(capsys):
    assert evaluate("--tracker", "mine:Still", "--protocol", "sre") == 0
    assert evaluate("--tracker", "mine:Still", "--repeat", 2) == 0
    rows = capsys.readouterr().out.splitlines()
    table = ["OTB", "tracker", "mine.Still-sre", "", "Ran"]
    assert [row.partition(" ")[0] for row in rows] == [*table, "OTB", "tracker", "mine.Still", "", "Ran"]
    assert "±" in rows[7]
    assert len(list(Path("out/mine.Still-sre").glob("*/Synthetic-0000.txt"))) == 12
    assert len(list(Path("out/mine.Still").glob("run-*/Synthetic-0000.txt"))) == 2


def test_two_processes_share_the_sequences_and_give_the_results_of_one(tmp_path, capsys):
    sequences = ["--sequences", "synthetic:0-4", "--protocol", "tre"]
    assert evaluate("--tracker", "mine:Still", *sequences) == 0
    command = [sys.executable, "-W", "error", "-m", "tracking_env.cli", "evaluate", "--out", "shared"]
    processes = []
    for rank in "01":
        processes.append(
            subprocess.Popen(
                [*command, "--tracker", "mine:Still", *sequences],
                env=os.environ | {"RANK": rank, "WORLD_SIZE": "2"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for number, process in enumerate(processes, 1):
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "")
        assert err.startswith(f"tracking-env: process {number} of 2 is done with its share; when all are, type ")
    files = {path.relative_to("out"): path for path in Path("out").rglob("*") if path.is_file()}
    shared = {path.relative_to("shared"): path for path in Path("shared").rglob("*") if path.is_file()}
    assert files.keys() == shared.keys() and len(files) > 100
    for name, path in files.items():
        if not name.name.endswith("_time.txt"):
            assert path.read_bytes() == shared[name].read_bytes(), name


def test_the_agent_that_ran_and_what_it_was_trained_on_are_named(capsys):
    assert evaluate("--tracker", "search") == 0
    assert re.fullmatch(
        r"Ran search cells [0-9a-f-]{26} onnxruntime cells-v1; results in out/search",
        capsys.readouterr().out.splitlines()[-1],
    )
    assert "Suv" in Path("out/search/trained-on.txt").read_text().splitlines()
    assert not evaluate("--tracker", "mine:Still") and not Path("out/mine.Still/trained-on.txt").exists()


def test_a_failed_sequence_gives_exit_code_1(capsys):
    Path("out/mine.Fails").mkdir(parents=True)
    Path("out/mine.Fails/tracker.id").write_text(TrackerSpec("mine:Fails").make().id)
    write_result(Path("out/mine.Fails/Synthetic-0001.txt"), synthetic.generate(1).boxes)
    assert evaluate("--tracker", "mine:Fails") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[2].startswith("mine.Fails")
    assert (
        err.startswith("tracking-env: failed: Synthetic-0000: the tracker's update(frame) returned array([")
        and err.count("\n") == 1
    )


def test_ctrl_c_gives_one_line(capsys):
    assert evaluate("--tracker", "mine:Interrupted") == 130
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "type the same command to go on" in err and str(Path("out/mine.Interrupted")) in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--tracker", "statik"], "did you mean 'static'"),
        (["--tracker", "nano"], "nano needs nanotrackv2_backbone.onnx, which is not in"),
        (["--tracker", "drlt"], "--checkpoint RUN"),
        (["--tracker", "static", "--checkpoint", "run"], "takes no --checkpoint"),
        (["--tracker", "static", "--jobs", "0"], "--jobs is 0"),
        (["--tracker", "late", "--protocol", "tre"], "tells nothing; leave it out"),
        (["--tracker", "static", "--root", "nowhere", "--sequences", "Suv"], "no folder nowhere"),
        (["--tracker", "static", "--sequences", "drlt30"], "needs a folder"),
    ],
)
def test_input_errors_give_one_line_and_exit_code_2(args, message, capsys):
    assert evaluate(*args) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("tracking-env: error: ")
    assert message in err
    assert not Path("out").exists()


@pytest.mark.otb
def test_evaluate_runs_on_real_video(otb_root, capsys):
    args = ["--root", otb_root, "--sequences", "Bird2", "--tracker", "mine:Still"]
    assert evaluate(*args) == 0
    row = capsys.readouterr().out.splitlines()[2].split()
    assert float(row[1]) < 0.4 and float(row[-1]) > 1


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", ".", "", "C:\\\\x", "/tmp/x"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name, tmp_path, capsys):
    out = tmp_path / "a" / "b" / "results"
    flags = ["evaluate", "--tracker", "static", "--sequences", "synthetic:0", "--out", str(out), f"--name={name}"]
    if not name:
        with pytest.raises(InputError, match="`name` is ''"):
            tasks.results_folder(out, name)
        return
    assert cli.main(flags) == 2
    error = capsys.readouterr().err
    assert f"--name is {name!r}; give a name without folders" in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
