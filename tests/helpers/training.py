"""Run the training script in tests, and read its log for TensorBoard."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from tests.helpers.paths import ROOT
from train.reinforce import main

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


def tensorboard(run: Path) -> EventAccumulator:
    """A run's event files, as TensorBoard reads them."""
    log = EventAccumulator(str(run))
    log.Reload()
    return log


def picture(log: EventAccumulator, name: str) -> np.ndarray:
    """The last picture of a name, RGB; its size is checked against the log."""
    event = log.Images(name)[-1]
    decoded = cv2.imdecode(np.frombuffer(event.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert decoded.shape == (event.height, event.width, 3)
    return decoded


def hyperparameters(run: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The flags and scores of a run on the page of hyper-parameters in TensorBoard."""
    log = tensorboard(run)
    content = log.PluginTagToContent(metadata.PLUGIN_NAME)
    session = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    flags = {name: getattr(value, value.WhichOneof("kind")) for name, value in session.hparams.items()}
    return flags, {info.name.tag: log.Scalars(info.name.tag)[-1].value for info in experiment.metric_infos}
