"""The examples learn: a score at the end, from several seeds, within a time on two cores."""

import re

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.scripts import cpu_seconds, run_script

pytestmark = pytest.mark.learn
SECONDS = 240
"""Processor time that an example may take: two minutes on two cores."""


def scores(folder, name, *flags):
    """The scores that an example prints, in order."""
    begun = cpu_seconds()
    output = run_script(ROOT / "examples" / f"{name}.py", folder, *flags, threads=2)
    assert cpu_seconds() - begun < SECONDS
    return [float(number) for number in re.findall(r"mean IoU (\d\.\d+)", output)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_in_one_file_learns_and_does_not_collapse(seed, tmp_path):
    curve = scores(tmp_path, "ppo", "--seed", str(seed))
    assert curve[-1] > 0.45 and min(curve[2:]) > 0.3, curve


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_of_sb3_learns_without_the_loop(seed, tmp_path):
    pytest.importorskip("stable_baselines3")
    (score,) = scores(tmp_path, "sb3_ppo", "--seed", str(seed))
    assert score > 0.45, "the first box has 0.175"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_of_torchrl_learns_the_closed_loop(seed, tmp_path):
    pytest.importorskip("torchrl")
    (score,) = scores(tmp_path, "torchrl_ppo", "--seed", str(seed))
    assert score > 0.4, "the action 0, which keeps the first box, has 0.175"


def test_ppo_of_rllib_learns_the_closed_loop(tmp_path):
    pytest.importorskip("ray")
    (score,) = scores(tmp_path, "rllib_ppo", "--workers", "0")
    assert score > 0.3, "the action 0, which keeps the first box, has 0.175"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_of_sb3_learns_the_closed_loop_with_its_own_defaults(seed, tmp_path):
    (score,) = scores(tmp_path, "sb3_search", "--seed", str(seed))
    assert score > 0.4, "the action 0, which keeps the first box, has 0.175"
    assert {path.name for path in (tmp_path / "search").iterdir()} >= {"search.zip", "curve.png", "search.gif"}
