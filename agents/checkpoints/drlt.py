"""Checkpoints of DRLT: folders with the network, the state of the optimiser and the run's configuration.

==========================  ===================================================================================
``config.json``             ``features`` (D), ``extractor`` (its id), ``network`` (`DRLTConfig`), ``epoch`` (epochs
                            done), ``progress`` (`train.run.schedule.Progress`) and ``run`` (the whole configuration
                            of the run)
``model.safetensors``       weights, and the normaliser of the features
``optimizer.safetensors``   Adam's moments and step count, by parameter
``policy.onnx``             the network again, for use without torch; only in the last checkpoint of a finished run
==========================  ===================================================================================

Folders are named by their epoch and are written whole or not at all. Loading one runs no code from it.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from agents.checkpoints.base import (
    check_kinds,
    check_moments,
    check_weights,
    forget,
    reading,
    write_network,
    write_policy,
)
from agents.checkpoints.onnx_export import export_drlt
from agents.checkpoints.removed_options import check_removed_options
from agents.drlt import DRLT, DRLTConfig
from tracking_env.errors import InputError
from tracking_env.files import read_json


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint."""

    model: DRLT
    optimizer: dict[str, torch.Tensor]
    """Adam's state, by parameter"""
    extractor: str
    """id of the extractor"""
    epoch: int
    """epochs done"""
    run: dict[str, Any]
    """configuration of the run"""
    progress: dict[str, Any] = field(default_factory=dict)
    """progress in the schedule"""


def save(
    folder: Path,
    model: DRLT,
    optimizer: torch.optim.Adam,
    extractor: str,
    epoch: int,
    run: dict[str, Any],
    progress: dict[str, Any] | None = None,
) -> Path:
    """Write the checkpoint of ``epoch`` into ``folder`` and delete all but the newest two.

    Raises:
        InputError: it cannot be written; older checkpoints stay.
    """
    path = folder / f"{epoch:06d}"
    config = {
        "features": model.feature_mean.numel(),
        "extractor": extractor,
        "network": asdict(model.config),
        "epoch": epoch,
        "progress": progress or {},
        "run": run,
    }
    # A resumed run repeats epochs with the same result, so an existing checkpoint is already right.
    if not path.exists():
        write_network(path, config, model, optimizer)
    forget(folder)
    return path


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: a file is missing, damaged, or of another network than ``config.json`` says, or the run used an
            option that no longer exists.
    """
    with reading(path):
        config = {"progress": {}} | read_json(path / "config.json")  # absent in the oldest checkpoints
        if "algorithm" in config:
            raise InputError(f"{path} is a checkpoint of train/sb3.py; its tracker is sb3")
        check_kinds(config, {"features": int, "extractor": str, "epoch": int, "progress": dict, "run": dict})
        check_removed_options(config["run"], path)
        weights = load_file(path / "model.safetensors")
        with torch.device("meta"):  # compare shapes before any memory is taken
            model = DRLT(config["features"], DRLTConfig(**config["network"]))
        expected = model.state_dict()
        check_weights(weights, expected)
        model.to_empty(device=device).load_state_dict(weights)
        moments = load_file(path / "optimizer.safetensors", device=str(device))
        check_moments(moments, dict(model.named_parameters()))
        return Checkpoint(model, moments, config["extractor"], config["epoch"], config["run"], config["progress"])


def policy_content(path: Path) -> bytes:
    """The content of ``policy.onnx`` for the weights of a checkpoint folder.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    return export_drlt(load(path).model)


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, policy_content(path))
