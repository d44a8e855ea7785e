"""Configurations of older versions: options that no longer exist are refused by name, or ignored at their default."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from agents.checkpoints import drlt as checkpoint
from agents.checkpoints import region_agent as region_agent_checkpoint
from agents.checkpoints.removed_options import check_removed_options
from tests.helpers.paths import ROOT
from tracking_env.errors import InputError
from tracking_env.trackers.checkpoint import REMOVED
from train import reinforce, search

FIRST_VERSION = ROOT / "tests" / "fixtures" / "first-version"
DATA = ["--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--resume"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the runs of the first version, which tests may change."""
    return shutil.copytree(FIRST_VERSION, tmp_path / "first-version")


def change_option(run: Path, group: str | None, option: str, value: object) -> Path:
    """Change an option in the configurations of a run and of its checkpoint; returns the checkpoint's folder."""
    (checkpoint_folder,) = (run / "checkpoints").iterdir()
    for path in (run / "config.json", checkpoint_folder / "config.json"):
        content: dict[str, Any] = json.loads(path.read_text())
        config = content if path.parent == run else content["run"]
        (config[group] if group else config)[option] = value
        path.write_text(json.dumps(content))
    return checkpoint_folder


@pytest.mark.parametrize(
    ("name", "group", "option", "value"),
    [
        ("drlt", "reinforce", "learn_sigma", True),
        ("drlt", "reinforce", "entropy", 0.01),
        ("drlt", "reinforce", "normalise", True),
        ("drlt", "reinforce", "baseline", "value"),
        ("drlt", "reinforce", "returns", "episode"),
        ("drlt", None, "learner", "pathwise"),
        ("search", "loop", "learner", "pathwise"),
        ("search", "loop", "returns", "episode"),
    ],
)
def test_a_removed_option_is_refused_by_its_name(
    name: str, group: str | None, option: str, value: object, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder / name
    checkpoint_folder = change_option(run, group, option, value)
    flag = f"--{option.replace('_', '-')} {value}"
    script = reinforce if name == "drlt" else search
    assert script.main([*DATA, "--out", str(run)]) == 2
    error = capsys.readouterr().err
    assert flag in error and error.count("\n") == 1
    load = checkpoint.load if name == "drlt" else region_agent_checkpoint.load
    with pytest.raises(InputError, match=flag):
        load(checkpoint_folder)


@pytest.mark.parametrize("glance", [True, False])
def test_the_removed_option_glance_is_ignored(glance: bool, folder: Path) -> None:
    region_agent_checkpoint.load(change_option(folder / "search", None, "glance", glance))


def test_removed_options_are_ignored_at_their_default() -> None:
    check_removed_options({"reinforce": {name: values[0] for name, values in REMOVED.items()}}, "the run")
