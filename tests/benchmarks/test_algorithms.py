"""benchmarks/algorithms.py, with the training scripts run in this process."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.paths import ROOT

pytest.importorskip("sb3_contrib")

from train import reinforce, sb3

SCRIPT = ROOT / "benchmarks" / "algorithms.py"
DATA = ["--sequences", "synthetic:0", "--test-sequences", "synthetic:1", "--device", "cpu"]


@pytest.fixture
def algorithms(tmp_path_factory, monkeypatch):
    """Run the script; returns its exit code and the commands that it ran."""
    commands = []

    def train(command, **_):
        commands.append(command[1:])
        return SimpleNamespace(
            returncode={"sb3.py": sb3, "reinforce.py": reinforce}[Path(command[1]).name].main(command[2:])
        )

    def run(*flags, extra=()):
        commands.clear()
        monkeypatch.setattr(sys, "argv", ["algorithms.py", *map(str, flags), "--", *DATA, *extra])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        return stop.value.code, list(commands)

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("subprocess.run", train)
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path_factory.mktemp("cache")))
    return run


def test_each_algorithm_has_a_row_and_finished_runs_are_reused(algorithms, tmp_path, capsys):
    flags = ["--out", tmp_path, "--env-steps", "640", "--hidden", "8", "--only", "a2c", "reinforce"]
    code, commands = algorithms(*flags)
    assert code == 0 and [Path(command[0]).name for command in commands] == ["sb3.py", "reinforce.py"]
    out = capsys.readouterr().out
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:4]] == ["`a2c`", "`reinforce`"]
    assert rows[0].startswith("| variant | AUC whole | AUC seen | AUC unseen |") and rows[0] in out
    # 60 frames, five boxes for each: two epochs are 600 boxes.
    assert rows[-1] == "640 environment steps; REINFORCE: 1 + 1 epochs of 60 frames"
    assert algorithms(*flags) == (0, [])


def test_bad_input_is_refused_before_training(algorithms, tmp_path, capsys):
    assert algorithms("--out", tmp_path, "--env-steps", "0", "--only", "supervised", "ppo") == (2, [])
    assert "--env-steps is 0" in capsys.readouterr().err
    assert algorithms("--out", tmp_path, "--only", "supervised", "ppo", extra=["--hiden", "3"]) == (2, [])
    assert "benchmarks/algorithms.py: error: unknown flag '--hiden'" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("steps", "frames", "expected"),
    [(100_000, 200, (60, 40)), (1, 1000, (1, 1)), (3000, 200, (2, 1)), (500, 10, (6, 4))],
)
def test_all_algorithms_train_on_the_same_number_of_boxes(steps, frames, expected):
    epochs = runpy.run_path(str(SCRIPT), run_name="algorithms")["epochs"]
    assert epochs(steps, frames, 5) == expected
