"""benchmarks/algorithms.py, with the training scripts run in this process."""

import json
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


def rows_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_each_algorithm_and_budget_has_a_row_and_finished_runs_are_reused(algorithms, tmp_path, capsys):
    flags = ["--out", tmp_path, "--budgets", "160", "320", "--hidden", "8", "--only", "a2c", "--seeds"]
    code, commands = algorithms(*flags, "1")
    assert code == 0 and [Path(command[0]).name for command in commands] == ["sb3.py"] * 2
    text = (tmp_path / "table.md").read_text()
    assert text in capsys.readouterr().out
    head, _, *rows = rows_of(text)
    assert head[:6] == ["algorithm", "boxes", "seeds", "AUC whole", "AUC seen", "AUC unseen"]
    assert [row[:3] for row in rows] == [
        ["best constant box", "0", "-"],
        ["untrained agent", "0", "-"],
        ["`a2c`", "160", "1"],
        ["`a2c`", "320", "1"],
    ]
    report = json.loads((tmp_path / "a2c" / "320" / "seed-0" / "report.json").read_text())
    assert rows[3][3] == f"{report['mean']['whole']['auc']:.3f}"
    assert rows[0][3] == f"{report['lines']['best constant box']['whole']['auc']:.3f}"
    assert all((tmp_path / f"curves.{kind}").stat().st_size > 1000 for kind in ("png", "svg"))

    assert algorithms(*flags, "1") == (0, [])
    # A second seed trains nothing again; without training, the table is of what is finished.
    assert algorithms(*flags, "2", "--finished") == (0, [])
    assert (tmp_path / "table.md").read_text() == text


def test_the_table_has_means_and_deviations_over_the_seeds():
    script = runpy.run_path(str(SCRIPT), run_name="algorithms")
    part = {"auc": 0.2, "precision20": 0.5}
    means = [{"whole": part | {"auc": auc}, "seen": None, "unseen": part} for auc in (0.1, 0.2, 0.3)]
    assert list(script["cells"](means[:1])) == ["0.100", "-", "0.200", "0.500", "-", "0.500"]
    assert next(script["cells"](means)) == "0.200 ± 0.100"


def test_curves_count_boxes_and_not_epochs(tmp_path):
    script = runpy.run_path(str(SCRIPT), run_name="algorithms")
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2, "eval/auc_whole": 0.5}\n')
    assert script["curve"](script["Run"]("reinforce", 600, tmp_path, [], "", boxes=300)) == ([600], [0.5])


def test_bad_input_is_refused_before_training(algorithms, tmp_path, capsys):
    assert algorithms("--out", tmp_path, "--budgets", "0", "--only", "supervised", "ppo") == (2, [])
    assert "--env-steps is 0" in capsys.readouterr().err
    assert algorithms("--out", tmp_path, "--only", "supervised", "ppo", extra=["--hiden", "3"]) == (2, [])
    assert "benchmarks/algorithms.py: error: unknown flag '--hiden'" in capsys.readouterr().err
    assert algorithms("--out", tmp_path, "--finished") == (2, [])
    assert "leave --finished out" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("steps", "frames", "expected"),
    [(100_000, 200, (60, 40)), (1, 1000, (1, 1)), (3000, 200, (2, 1)), (500, 10, (6, 4))],
)
def test_all_algorithms_train_on_the_same_number_of_boxes(steps, frames, expected):
    epochs = runpy.run_path(str(SCRIPT), run_name="algorithms")["epochs"]
    assert epochs(steps, frames, 5) == expected
