"""The training scripts learn on drawn sequences: their AUC on new ones is far above that of what learns nothing."""

import json

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.scripts import cpu_seconds, run_script

pytestmark = pytest.mark.learn
SECONDS = 600
"""Processor time that a script may take, its tests on 20 videos included."""


@pytest.mark.parametrize(
    ("script", "flags", "line", "gain"),
    [
        ("reinforce", [], "best constant box", 0.25),
        ("search", ["--warm-steps", "300", "--l1-updates", "2", "--iou-updates", "8"], "best constant box", 0.25),
        ("experts", ["--updates", "5", "--no-test-hard"], "hand-made rule", 0.03),
        ("sb3", ["--env", "OTBTrackSearch-v0"], "best constant box", 0.2),
        ("sb3", ["--env", "OTBTrackSearch-v0", "--algo", "td3"], "best constant box", 0.2),
    ],
)
def test_a_script_learns_far_more_than_what_learns_nothing(script, flags, line, gain, tmp_path):
    pytest.importorskip("sb3_contrib" if script == "sb3" else "torch")
    begun = cpu_seconds()
    flags = [*flags, "--device", "cpu", "--out", "run"]
    run_script(ROOT / "train" / f"{script}.py", tmp_path, *flags, timeout=3600)
    assert cpu_seconds() - begun < SECONDS
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    auc, least = (mean["whole"]["auc"] for mean in (report["mean"], report["lines"][line]))
    assert auc > least + gain
