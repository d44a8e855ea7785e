"""Checkpoints of the closed-loop agent.

==========================  ===================================================================================
``config.json``             ``agent`` (``pointing``), ``channels``, ``proposals`` (whether the maps have them), ``maps``
                            (the extractor's id), ``network`` (`RegionAgentConfig`), ``done`` (updates) and ``run`` (the
                            run's whole configuration)
``model.safetensors``       weights
``optimizer.safetensors``   Adam's moments and step count, by parameter; only in checkpoints to resume from
``policy.onnx``             the network again, for use without torch; only after training, see `export`
==========================  ===================================================================================

Folders are written whole or not at all. Loading one runs no code from it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.checkpoints.base import check_kinds, forget, read_config, read_network, reading, write_network, write_policy
from agents.checkpoints.onnx_export import export_region_agent
from agents.checkpoints.removed_options import check_removed_options
from agents.region_agent import RegionAgent, RegionAgentConfig
from tracking_env.files import read_json, remove


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint."""

    model: RegionAgent
    optimizer: dict[str, Tensor]
    """Adam's state, by parameter; empty if there is none"""
    maps: str
    """id of the extractor of feature maps"""
    done: int
    """updates done"""
    run: dict[str, Any]
    """configuration of the run"""


def save(
    path: Path, model: RegionAgent, maps: str, done: int, run: dict[str, Any], optimizer: torch.optim.Adam | None = None
) -> Path:
    """Write a checkpoint to ``path``; one that is there is replaced.

    Args:
        path: folder of the checkpoint.
        model: the network.
        maps: id of the extractor of feature maps.
        done: number of updates done.
        run: configuration of the run.
        optimizer: optimiser of the model; needed only to resume from here.

    Raises:
        InputError: it cannot be written.
    """
    content = {
        "agent": "pointing",
        "channels": model.channels,
        "proposals": model.propose is not None,
        "maps": maps,
        "network": asdict(model.config),
        "done": done,
        "run": run,
    }
    if path.exists():
        remove(path)  # a resumed run repeats updates and writes the same content again
    write_network(path, content, model, optimizer)
    return path


def save_newest(
    folder: Path, model: RegionAgent, maps: str, done: int, run: dict[str, Any], optimizer: torch.optim.Adam
) -> Path:
    """Write a checkpoint, named by its updates, into a run's folder and delete all but the newest two."""
    path = save(folder / f"{done:06d}", model, maps, done, run, optimizer)
    forget(folder)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: a file is missing, damaged, or of another agent or network than ``config.json`` says.
    """
    with reading(path):
        config = read_json(path / "config.json")
        if config.get("agent") != "pointing":
            raise ValueError("it is no agent of train/search.py")
        check_kinds(config, {"channels": int, "maps": str, "network": dict, "done": int, "run": dict})
        check_removed_options(config["run"], path)
        channels, network = config["channels"], read_config(config["network"], RegionAgentConfig)
        if channels < 1:
            raise ValueError(f"its channels are {channels}")
        proposals = bool(config.get("proposals", False))
        model, optimizer = read_network(path, lambda: RegionAgent(channels, network, proposals))
        return Checkpoint(model, optimizer, config["maps"], config["done"], config["run"])


def policy_content(path: Path) -> bytes:
    """The content of ``policy.onnx`` for the weights of a checkpoint folder.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    return export_region_agent(load(path).model)


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, policy_content(path))
