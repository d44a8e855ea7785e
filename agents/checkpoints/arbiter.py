"""Checkpoints of the arbiter.

==========================  ===================================================================================
``config.json``             ``agent`` (``arbiter``), ``experts`` (name and id of each), ``observations`` (D),
                            ``pausing`` (whether actions pause experts), ``network`` (`ArbiterConfig`), ``done``
                            (updates) and ``run`` (the run's whole configuration)
``model.safetensors``       weights, and the normaliser of the observations
``optimizer.safetensors``   Adam's moments and step count, by parameter; only in checkpoints to resume from
``policy.onnx``             the network again, for use without torch; only after training, see `export`
==========================  ===================================================================================

Folders are written whole or not at all. Loading one runs no code from it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.arbiter import Arbiter, ArbiterConfig
from agents.checkpoints.base import check_kinds, forget, read_config, read_network, reading, write_network, write_policy
from agents.checkpoints.onnx_export import export_arbiter
from tracking_env.files import read_json, remove


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint."""

    model: Arbiter
    optimizer: dict[str, Tensor]
    """Adam's state, by parameter; empty if there is none"""
    experts: list[str]
    """name and id of each expert"""
    done: int
    """updates done"""
    run: dict[str, Any]
    """configuration of the run"""


def save(
    path: Path,
    model: Arbiter,
    experts: Sequence[str],
    done: int,
    run: dict[str, Any],
    optimizer: torch.optim.Adam | None = None,
) -> Path:
    """Write a checkpoint to ``path``; one that is there is replaced.

    Args:
        path: folder of the checkpoint.
        model: the network.
        experts: name and id of each expert.
        done: number of updates done.
        run: configuration of the run.
        optimizer: optimiser of the model; needed only to resume from here.

    Raises:
        InputError: it cannot be written.
    """
    content = {
        "agent": "arbiter",
        "experts": list(experts),
        "observations": model.features,
        "pausing": model.pausing,
        "network": asdict(model.config),
        "done": done,
        "run": run,
    }
    if path.exists():
        remove(path)  # a resumed run repeats updates and writes the same content again
    write_network(path, content, model, optimizer)
    return path


def save_newest(
    folder: Path, model: Arbiter, experts: Sequence[str], done: int, run: dict[str, Any], optimizer: torch.optim.Adam
) -> Path:
    """Write a checkpoint, named by its updates, into a run's folder and delete all but the newest two."""
    path = save(folder / f"{done:06d}", model, experts, done, run, optimizer)
    forget(folder)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder. The network comes ready for use, without dropout.

    Raises:
        InputError: a file is missing, damaged, or of another agent or network than ``config.json`` says.
    """
    with reading(path):
        config = read_json(path / "config.json")
        if config.get("agent") != "arbiter":
            raise ValueError("it is no agent of train/experts.py")
        kinds = {"experts": list, "observations": int, "pausing": bool, "network": dict, "done": int, "run": dict}
        check_kinds(config, kinds)
        network = read_config(config["network"], ArbiterConfig)
        numbers, experts = config["observations"], len(config["experts"])
        if numbers < 1 or not experts or numbers % experts:
            raise ValueError(f"it observes {numbers} numbers of {experts} experts")
        model, optimizer = read_network(path, lambda: Arbiter(numbers, experts, network, config["pausing"]))
        return Checkpoint(model, optimizer, config["experts"], config["done"], config["run"])


def policy_content(path: Path) -> bytes:
    """The content of ``policy.onnx`` for the weights of a checkpoint folder.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    return export_arbiter(load(path).model)


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, policy_content(path))
