"""The presets of train/sb3.py learn on drawn sequences within minutes, without a warning; the paper's sigma has one."""

import json
import logging

import pytest

pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from train.sb3 import main

pytestmark = pytest.mark.learn
FLAGS = ["--device", "cpu", "--env-steps", "30000", "--evaluate-every", "30000"]


def trained(folder, *flags):
    """The report of a run."""
    assert main([*FLAGS, *flags, "--out", str(folder)]) == 0
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("algo", ["ppo", "recurrent_ppo", "a2c"])
def test_a_preset_learns_without_a_warning(algo, seed, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "train")
    report = trained(tmp_path, "--algo", algo, "--seed", str(seed))
    auc = report["mean"]["whole"]["auc"]
    lines = {name: mean["whole"]["auc"] for name, mean in report["lines"].items()}
    assert auc > 0.4 and auc > max(lines.values()) + 0.1, lines
    assert not caplog.records


def test_the_sigma_of_the_paper_learns_nothing_and_is_warned_of(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "train")
    report = trained(tmp_path, "--sigma", "0.01", "--sigma-end", "None", "--lr", "1e-3")
    assert report["mean"]["whole"]["auc"] < 0.35
    assert "approx_kl is above 0.2" in caplog.text
