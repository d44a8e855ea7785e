"""The training scripts learn on drawn sequences within a tiny budget: a score on new ones, from several seeds."""

import json

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.scripts import cpu_seconds, run_script

pytestmark = pytest.mark.learn
pytest.importorskip("torch")
REINFORCE = ("--l1-epochs", "18", "--iou-epochs", "12")
SEARCH = ("--warm-steps", "300", "--l1-updates", "2", "--iou-updates", "8")
EXPERTS = ("--updates", "5", "--no-test-hard")
LOOP = ("--env", "OTBTrackSearch-v0", "--env-steps", "20000", "--evaluate-every", "20000")
SECONDS = 300
"""Processor time that a script may take, its tests on 20 videos included."""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
@pytest.mark.parametrize(
    ("script", "flags", "least", "gain"),
    [
        ("reinforce", REINFORCE, 0.4, 0.15),
        ("search", SEARCH, 0.5, 0.3),
        ("experts", EXPERTS, 0.37, 0.03),  # its untrained agent is the hand-made rule
        ("sb3", (*LOOP, "--algo", "ppo"), 0.4, 0.2),
        ("sb3", (*LOOP, "--algo", "sac"), 0.4, 0.2),
        ("sb3", (*LOOP, "--algo", "td3"), 0.4, 0.2),
    ],
)
def test_a_script_learns_more_than_every_line_of_its_table(script, flags, least, gain, seed, tmp_path):
    pytest.importorskip("sb3_contrib" if script == "sb3" else "torch")
    begun = cpu_seconds()
    run_script(ROOT / "train" / f"{script}.py", tmp_path, *flags, "--device", "cpu", "--seed", seed, "--out", "run")
    assert cpu_seconds() - begun < SECONDS
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    lines = {name: mean["whole"]["auc"] for name, mean in report["lines"].items()}
    assert report["mean"]["whole"]["auc"] > max(least, max(lines.values()) + gain), (report["mean"], lines)
