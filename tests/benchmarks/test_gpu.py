"""benchmarks/gpu.py and its parts: the same updates in every variant, and a run in a bare environment on the CPU."""

import argparse
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agents.drlt import DRLT, DRLTConfig
from benchmarks import gpu
from benchmarks.device import pack, score, training
from benchmarks.device.carried import Carried, NoFrames
from benchmarks.device.recurrence import PlainDRLT
from benchmarks.device.update_speed import configure, distance
from benchmarks.device.variants import REFERENCE, VARIANTS, GraphLearner, Variant, make_learner
from benchmarks.speed.epoch import random_windows
from tests.helpers.bare_machine import make_environment, make_wheel
from tests.helpers.paths import ROOT
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from train.epoch import run_epoch
from train.run.schedule import Phase

CPU = torch.device("cpu")
CONFIG = configure(16, "cpu")


@pytest.fixture(scope="module")
def windows():
    return random_windows(35, 12, CONFIG, CPU)


@pytest.fixture(scope="module")
def weights(windows):
    torch.manual_seed(0)
    model = DRLT(12, CONFIG.network)
    model.fit_normaliser(windows.features)
    return model.state_dict()


def change(variant, weights, windows):
    """The change of every weight by an epoch on each reward, and the last epoch's scalars."""
    learner = make_learner(variant, weights, CONFIG, CPU)
    run_epoch(learner, windows, Phase(1, "l1", 300), 0)
    scalars = run_epoch(learner, windows, Phase(2, "iou", 200), 300)
    moved = {name: parameter.detach() - weights[name] for name, parameter in learner.model.named_parameters()}
    return moved, scalars


@pytest.mark.parametrize(("batch", "steps"), [(1, 10), (3, 4), (2, 1)])
def test_the_own_recurrence_is_torchs_lstm(batch, steps):
    torch.manual_seed(0)
    model, plain = DRLT(6, DRLTConfig(8, 5)).double(), PlainDRLT(6, DRLTConfig(8, 5), torch.float64).double()
    plain.load_state_dict(model.state_dict())
    features, location = torch.randn(batch, steps, 6).double(), torch.rand(batch, steps, 4).double()
    weight = torch.randn(batch, steps, 4).double()
    for network in (model, plain):
        mean, _ = network(features, location)
        (mean * weight).sum().backward()
    (h, c), (plain_h, plain_c) = (network(features, location)[1] for network in (model, plain))
    assert torch.allclose(h, plain_h, atol=1e-14) and torch.allclose(c, plain_c, atol=1e-14)
    for parameter, other in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(parameter.grad, other.grad, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("Adam not fused", 1e-4),
        ("graph", 1e-4),
        ("own recurrence", 1e-3),
        ("graph, own recurrence", 1e-3),
        ("autocast", 0.1),
        ("own recurrence, bf16", 0.1),
        ("graph, own recurrence, bf16", 0.1),
    ],
)
def test_a_variant_changes_weights_as_the_training_script_does(name, tolerance, weights, windows):
    expected, scalars = change(Variant(), weights, windows)
    moved, others = change(VARIANTS[name], weights, windows)
    apart = distance(moved, expected)
    assert apart < tolerance
    assert VARIANTS[name].half == (apart > 1e-3)  # half precision shows
    assert others["train/learning_rate"] == scalars["train/learning_rate"] == pytest.approx(2.5e-6, rel=0.01)
    assert others["reward/l1"] == pytest.approx(scalars["reward/l1"], abs=1e-3)


def test_a_graph_tells_afterwards_that_an_update_was_not_finite(weights, windows):
    learner = make_learner(Variant(graph=True), weights, CONFIG, CPU)
    assert isinstance(learner, GraphLearner)
    run_epoch(learner, windows, Phase(1, "l1", 1), 0)
    learner.check()
    with torch.no_grad():
        learner.model.fc.weight[0, 0] = torch.nan
    run_epoch(learner, windows, Phase(1, "l1", 1), 1)
    with pytest.raises(ArithmeticError, match="not finite"):
        learner.check()


def test_the_schedule_is_scaled_to_the_epochs_that_fit():
    schedule = training.scaled(CONFIG, 100).schedule
    assert (schedule.l1_epochs, schedule.iou_epochs, schedule.evaluate_every) == (60, 40, 10)
    assert (schedule.rate(0), schedule.rate(99)) == (1e-5, pytest.approx(1e-6))
    assert training.scaled(CONFIG, 2).schedule.epochs == 2


def test_the_fastest_variant_with_a_good_gradient_trains():
    rows = [
        {"machine": {}},
        {"variant": REFERENCE, "ms": 9.0, "difference": None},
        {"variant": "graph", "ms": 7.0, "difference": 0.0},
        {"variant": "autocast", "ms": 4.0, "difference": 0.5},
        {"variant": "tf32", "error": "out of memory"},
    ]
    assert gpu.fastest(rows[:2])["variant"] == REFERENCE
    assert gpu.fastest(rows)["variant"] == "graph"
    assert gpu.fastest(rows[:1]) is None
    assert gpu.fastest([{"variant": "graph", "ms": 7.0, "difference": None}])["variant"] == "graph"


@pytest.fixture
def session(tmp_path):
    arguments = argparse.Namespace(out=tmp_path, minutes=1.0, carried=tmp_path, device="cpu", updates=1)
    session = gpu.Session(arguments, tmp_path / "packages")
    yield session
    session.log.close()


def test_what_a_process_printed_is_kept_if_it_dies_or_hangs(session, tmp_path):
    first = 'import json, time\nprint("loading")\nprint(json.dumps({"ms": 1}), flush=True)\n'
    (tmp_path / "dies.py").write_text(first + "raise SystemExit(3)")
    (tmp_path / "hangs.py").write_text(first + "time.sleep(60)")
    begun = time.monotonic()
    session.run("online", str(tmp_path / "dies.py"))
    session.run("training", str(tmp_path / "hangs.py"), seconds=1)
    assert time.monotonic() - begun < 40
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["online"][0] == {"ms": 1} and "ended with code 3" in results["online"][1]["error"]
    assert results["training"][0] == {"ms": 1} and "took too long" in results["training"][1]["error"]
    assert "loading" in (tmp_path / "log.txt").read_text()


def test_after_a_fault_the_variants_that_were_not_reached_are_measured(session, monkeypatch):
    calls = []

    def run(part, script, *flags, seconds):
        skipped = flags[flags.index("--skip") + 1 :]
        calls.append(skipped)
        names = [REFERENCE, *(name for name in ("a", "b", "c") if name not in skipped)]
        rows = [row for name in names for row in ({"starts": name}, {"variant": name})]
        return [*rows[: rows.index({"starts": "b"}) + 1], {"error": "died"}] if "b" in names else rows

    monkeypatch.setattr(session, "run", run)
    gpu.measure_updates(session, [])
    assert calls == [(), (REFERENCE, "a", "b")]


@pytest.mark.slow
def test_a_run_in_a_bare_environment(tmp_path, monkeypatch, capsys):
    """Packed, run by a Python that has torch, NumPy, OpenCV and TensorBoard only, and scored."""
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    python = make_environment(tmp_path / "venv", ("torch", "numpy", "opencv-python", "tensorboard"))
    (tmp_path / "wheels").mkdir()
    for name in pack.WHEELS:
        make_wheel(name, tmp_path / "wheels")
    source = ["--sequences", "synthetic:0-1", "--features", "grid", "--wheels", str(tmp_path / "wheels")]
    monkeypatch.setattr(sys, "argv", ["pack.py", *source, "--out", str(tmp_path / "carried")])
    assert pack.main() == 0
    assert "2 sequences, 120 frames of 1536 numbers" in capsys.readouterr().out

    flags = ["--device", "cpu", "--size", "8", "--updates", "1", "--epochs", "2", "--only", "update", "training"]
    flags += ["--minutes", "60"]  # it takes seconds; limits are for machines that are busy with something else

    command = [python, "-I", ROOT / "benchmarks" / "gpu.py", "--carried", tmp_path / "carried", "--out", tmp_path / "o"]
    done = subprocess.run([*command, *flags], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    measured = {row["variant"]: row for row in results["update"] if "variant" in row}
    assert measured.keys() == {name for name, variant in VARIANTS.items() if not variant.compiled}
    assert all(row["ms"] > 0 and (row["difference"] or 0) < gpu.GOOD for row in measured.values()), measured
    plan, *evaluations = results["training"]
    assert plan["plan"]["updates"] == 2 * 4 and [row["epoch"] for row in evaluations] == [1, 2]
    names = [path for path in (tmp_path / "o").rglob("*") if path.is_file()]
    assert len(names) <= 8

    text = score.score(tmp_path / "o", tmp_path / "carried", tmp_path / "scored", None)
    assert "| Synthetic-0001 | " in text and "2 of 2 epochs (1 + 1; the paper: 300 + 200)" in text
    assert "What failed" not in text
    carried = Carried(tmp_path / "carried")
    rows = np.loadtxt(tmp_path / "scored" / "drlt-paper-preset" / "Synthetic-0000.txt", delimiter=",")
    assert len(rows) == len(carried.sequences[0]) == 60
    assert {path.name for path in (tmp_path / "scored").glob("*.png")} == {"updates.png", "training.png"}


def test_perfect_boxes_are_above_the_paper_on_every_sequence_that_it_names():
    boxes = np.array([[10.0, 12, 20, 16]] * 6)
    sequences = [Sequence(name, NoFrames(6, (64, 48)), boxes) for name in ("Suv", "Couple", "Mine")]
    schedule = {"l1_epochs": 60, "iou_epochs": 40}
    plan = {"variant": "graph", "epochs": 100, "extractor": "grid", "schedule": schedule}
    rows = {"training": [{"plan": plan}, {"epoch": 90, "seconds": 61.0}]}
    carried = SimpleNamespace(sequences=sequences)
    own, compared = score.training_tables(rows, {sequence.name: boxes for sequence in sequences}, carried)
    assert own.startswith("90 of 100 epochs (60 + 40; the paper: 300 + 200), variant *graph*, features `grid`, 61 s")
    assert "above the paper's DRLT on 2 of 2" in compared
    assert "| Suv | 1.000 | 0.621 |" in compared and "| Mine | 1.000 | - |" in compared
    assert "| mean of 2 | 1.000 | 0.557 |" in compared  # of 0.621 and 0.493
    assert score.training_tables({}, {}, carried) == ("", "")


def test_tables_replace_the_text_between_the_marks(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n\n{score.MARKS[0]}\nold\n{score.MARKS[1]}\n\nThe end.\n")
    score.insert(page, "new")
    score.insert(page, "newer")
    assert page.read_text() == f"# Results\n\n{score.MARKS[0]}\n\nnewer\n\n{score.MARKS[1]}\n\nThe end.\n"
    page.write_text("# Results\n")
    with pytest.raises(InputError, match="no place for the tables"):
        score.insert(page, "new")


def test_a_folder_that_is_too_large_or_not_its_own_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "wheels").mkdir()
    flags = ["--sequences", "synthetic:0", "--features", "grid", "--wheels", str(tmp_path / "wheels")]
    flags += ["--store", str(tmp_path / "store"), "--out"]
    monkeypatch.setattr(sys, "argv", ["pack.py", *flags, str(tmp_path / "wheels")])
    (tmp_path / "wheels" / "mine.txt").touch()
    assert pack.main() == 2 and "not a folder that this script made" in capsys.readouterr().err
    monkeypatch.setattr("benchmarks.device.carried.LIMIT", 1000)
    monkeypatch.setattr(sys, "argv", ["pack.py", *flags, str(tmp_path / "carried")])
    assert pack.main() == 2 and "more than 1000" in capsys.readouterr().err
    assert not (tmp_path / "carried").exists()
