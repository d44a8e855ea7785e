"""Running the training script in tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from train.reinforce import main

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    *("--sequences", "synthetic:0-5", "--test-sequences", "synthetic:100-102", "--observation", "16", "--hidden", "8"),
    *("--l1-epochs", "3", "--iou-epochs", "2", "--checkpoint-every", "2", "--evaluate-every", "2", "--device", "cpu"),
]


def command(*flags: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "train" / "reinforce.py"), *map(str, flags)]


def run_script(environment: dict[str, str], *flags: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*flags), env=environment, cwd="/", capture_output=True, text=True, timeout=600)


def refused(capsys: pytest.CaptureFixture[str], *flags: str | Path) -> str:
    assert main([str(flag) for flag in flags]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err
