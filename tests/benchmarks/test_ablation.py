import json
import runpy
import sys
from dataclasses import asdict

import pytest

from benchmarks.ablation import LOOP_STUDIES
from tests.helpers.paths import ROOT
from train import search_config
from train.config import parse

SCRIPT = ROOT / "benchmarks" / "ablation.py"
COMMON = ["--preset", "demo", "--hidden", "8"]


def score(auc):
    return {"auc": auc, "precision20": auc / 2}


def finished(folder, *flags, auc, seen=None):
    """A finished variant of two seeds."""
    folder.mkdir(parents=True)
    report = {
        "mean": {"whole": score(auc), "seen": seen and score(seen), "unseen": score(auc)},
        "std": {"whole": score(0.01), "seen": seen and score(0.02), "unseen": score(0.01)},
        "config": asdict(parse([*COMMON, "--seeds", "2", *flags])),
    }
    (folder / "report.json").write_text(json.dumps(report))


def ablation(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["ablation.py", *map(str, flags), "--seeds", "2", "--", *COMMON])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return stop.value.code


def test_finished_variants_appear_in_a_table_and_a_plot(tmp_path, monkeypatch, capsys):
    finished(tmp_path / "as-given", auc=0.5, seen=0.75)
    finished(tmp_path / "l1-epochs-100-iou-epochs-0", "--l1-epochs", "100", "--iou-epochs", "0", auc=0.4)
    assert ablation(monkeypatch, "--vary", "", "--l1-epochs {epochs} --iou-epochs 0", "--out", tmp_path) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("| variant | AUC whole | AUC seen | AUC unseen | P@20 whole |")
    assert rows[2].startswith("| `as given` | 0.500 ± 0.010 | 0.750 ± 0.020 | 0.500 ± 0.010 | 0.250 ± 0.005 |")
    assert rows[3].startswith("| `--l1-epochs 100 --iou-epochs 0` | 0.400 ± 0.010 | - |")
    assert (tmp_path / "table.md").read_text().splitlines() == rows
    assert (tmp_path / "auc.png").stat().st_size > 1000


def test_a_variant_may_be_a_single_flag(tmp_path, monkeypatch, capsys):
    finished(tmp_path / "precision-bf16", "--precision=bf16", auc=0.4)
    assert ablation(monkeypatch, "--vary", "--precision=bf16", "--out", tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("| `--precision=bf16` | 0.400")


def test_variants_with_other_flags_are_ignored_and_failed_ones_reported(tmp_path, monkeypatch, capsys):
    finished(tmp_path / "sigma-0.5", "--sigma", "0.5", auc=0.5)
    # Same folder, other common flags: the variant is trained, which fails without the sequences.
    monkeypatch.setattr("subprocess.run", lambda command, **_: calls.append(command) or Failed())
    calls = []
    flags = ["--vary", "--sigma 0.5", "--out", tmp_path]
    assert ablation(monkeypatch, *flags) == 0 and not calls
    COMMON[:] = [*COMMON, "--seed", "7"]
    try:
        assert ablation(monkeypatch, *flags) == 2
    finally:
        del COMMON[-2:]
    assert "--seed" in calls[0] and "--sigma" in calls[0]
    assert "--sigma 0.5 did not come to its end" in capsys.readouterr().err


class Failed:
    returncode = 2


def test_the_closed_loop_table_shows_how_often_targets_are_lost(tmp_path, monkeypatch, capsys):
    common = ["--preset", "demo", "--iou-updates", "8"]
    for number, flags in enumerate(LOOP_STUDIES["horizon"]):
        changed = flags.format(half=4, double=16)
        folder = tmp_path / "-".join(changed.replace("--", "").split())
        folder.mkdir()
        drift = {"failures_per_100_frames": 0.5 + number, "frames_to_failure": 120.0}
        report = {
            "mean": {part: score(0.5) for part in ("whole", "seen", "unseen")},
            "std": None,
            "drift": drift,
            "config": asdict(search_config.parse([*common, *changed.split()])),
        }
        (folder / "report.json").write_text(json.dumps(report))
    monkeypatch.setattr(sys, "argv", ["ablation.py", "--study", "horizon", "--out", str(tmp_path), "--", *common])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stop.value.code == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].endswith("| failures per 100 frames | frames to the first failure |")
    assert len(rows) == 2 + 6 and rows[-1].startswith("| `--steps 40 --iou-updates 4` |")
    assert rows[-1].endswith("| 5.5 | 120 |")
