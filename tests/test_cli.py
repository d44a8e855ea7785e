import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracking_env import cli
from tracking_env.evaluation import write_result

FRAMES = {"Deer": 71, "Skiing": 81}


def command(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tracking_env.cli", *args], capture_output=True, text=True, timeout=60)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Perfect results, and annotations, of two sequences."""
    for name, frames in FRAMES.items():
        boxes = np.tile([10.0, 10, 30, 20], (frames, 1))
        for folder in ("results", "annotations"):
            write_result(tmp_path / folder / f"{name}.txt", boxes)
    return tmp_path / "results", tmp_path / "annotations"


def test_score_prints_json_only(folders):
    results, annotations = folders
    done = command("score", results, "--annotations", annotations, "--sequences", "Deer,Skiing", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["mean"]["unseen"]["auc"] == pytest.approx(20 / 21)
    assert {name: one["frames"] for name, one in data["sequences"].items()} == FRAMES


def test_score_prints_a_table(folders, capsys):
    results, annotations = folders
    assert cli.main(["score", str(results), "--annotations", str(annotations), "--sequences", "Deer,Skiing"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["sequence", "Deer", "Skiing", "mean"]


def test_a_sequence_that_cannot_be_scored_is_exit_code_1(folders):
    results, annotations = folders
    write_result(results / "Deer.txt", np.ones((3, 4)))
    done = command("score", results, "--annotations", annotations, "--sequences", "Deer,Skiing", "--json")
    assert done.returncode == 1
    reason = "3 rows for 71 frames; write one row per frame"
    assert json.loads(done.stdout)["failed"] == {"Deer": reason}
    assert done.stderr == f"tracking-env: not scored: Deer: {reason}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sequences", "--sequences", "Skiin"], "did you mean 'Skiing'"),
        (["sequences", "--root", "no-such-folder"], "no folder no-such-folder"),
        (["score", "results"], "either --root OTB or --annotations DIR"),
        (["score", "results", "--root", "a", "--annotations", "b"], "either --root OTB or --annotations DIR"),
        (["score", "results", "--annotations", "no-such-folder"], "cannot read boxes"),
    ],
)
def test_input_errors_are_one_line_and_exit_code_2(args, message, capsys):
    assert cli.main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tracking-env: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("args", [["score", "results", "--no-such-flag"], ["no-such-command"], []])
def test_usage_errors_are_exit_code_2(args, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(args)
    assert exit_.value.code == 2
    assert capsys.readouterr().out == ""


def test_sequences_lists_the_benchmark(capsys):
    assert cli.main(["sequences"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 100
    assert lines[0].split() == ["Basketball", "725", "IV", "OCC", "DEF", "OPR", "BC"]


def test_the_library_does_not_import_torch():
    code = "import sys, tracking_env.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.otb
def test_score_with_the_frames_folder(otb_root, reference, capsys):
    assert cli.main(["score", str(reference / "struck_ope"), "--root", str(otb_root), "--sequences", "Suv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["Suv", "0.513"]


@pytest.mark.otb
def test_struck_from_the_command_line(reference):
    done = command("score", reference / "struck_ope", "--annotations", reference / "annotations", "--json")
    mean = json.loads(done.stdout)["mean"]["whole"]
    assert [mean["auc"], mean["precision20"]] == pytest.approx([0.494741, 0.664437], abs=1e-6)
