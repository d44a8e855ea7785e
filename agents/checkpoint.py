"""Checkpoints of DRLT: folders with the network, the state of the optimiser and the run's configuration.

==========================  ===================================================================================
``config.json``             ``features`` (D), ``extractor`` (its id), ``network`` (`DRLTConfig`), ``epoch`` (epochs
                            done), ``progress`` (`train.schedule.Progress`) and ``run`` (the whole configuration of the
                            run)
``model.safetensors``       weights, and the normaliser of the features
``optimizer.safetensors``   Adam's moments and step count, by parameter
``policy.onnx``             the network again, for use without torch; only in the last checkpoint of a finished run
==========================  ===================================================================================

Folders are named by their epoch and are written whole or not at all. Loading one runs no code from it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from agents.drlt import DRLT, DRLTConfig
from agents.onnx_export import export_drlt
from agents.removed_options import check_removed_options
from tracking_env.errors import InputError, first_line, is_out_of_memory, option
from tracking_env.files import read_json, remove, require_file, write_atomically
from tracking_env.trackers.checkpoint import POLICY, numbered

KEPT = 2
"""Number of checkpoints of one run that stay on disk."""


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
    """Write the checkpoint of ``epoch`` into ``folder`` and delete all but the newest `KEPT`.

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
        with writing(path) as partial:
            (partial / "config.json").write_text(json.dumps(config, indent=1))
            save_file(model.state_dict(), partial / "model.safetensors")
            save_file(moments_of(optimizer, model), partial / "optimizer.safetensors")
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


def check_kinds(config: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise a `ValueError` or `KeyError` unless the configuration has a value of the given type for every key."""
    for key, kind in kinds.items():
        # `isinstance` would accept True as a number, since bool is a subclass of int.
        if type(config[key]) is not kind:
            raise ValueError(f"its {key} is {config[key]!r}"[:100])


def check_weights(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise a `ValueError` unless weights have the expected names, shapes and types."""
    if _kinds(weights) != _kinds(expected):
        raise ValueError("its weights are not those of the network that it names")


def _kinds(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def check_moments(moments: Mapping[str, torch.Tensor], parameters: Mapping[str, torch.Tensor]) -> None:
    """Raise a `ValueError` unless these are Adam's moments of some of the parameters, complete for each of them."""
    for key in moments:
        part, _, name = key.partition(".")
        if name not in parameters:
            raise ValueError(f"its optimiser has {key}, which is not the network's")
        parameter = parameters[name]
        expected = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
        saved = {other: moments[f"{other}.{name}"] for other in expected if f"{other}.{name}" in moments}
        if part not in expected or _kinds(saved) != _kinds(expected):
            raise ValueError(f"its optimiser has {key} {tuple(moments[key].shape)}, but not what belongs to {name}")
        check_steps(saved["step"], name)


def check_steps(steps: torch.Tensor, name: object) -> None:
    """Raise a `ValueError` unless this is a possible number of steps of an optimiser."""
    # Floats above 2**53 cannot count in steps of 1, so no run has reached such a number.
    if not 0 <= float(steps) < 2**53:
        raise ValueError(f"its optimiser has taken {float(steps)} steps for {name}")


def moments_of(optimizer: torch.optim.Adam, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Adam's state by parameter: ``exp_avg.fc.weight`` and so on, as checkpoints hold it."""
    moments = {}
    for name, parameter in model.named_parameters():
        # Adam has no state for a parameter that never had a gradient.
        for key, value in optimizer.state.get(parameter, {}).items():
            moments[f"{key}.{name}"] = value
    return moments


def restore(optimizer: torch.optim.Adam, model: torch.nn.Module, moments: Mapping[str, torch.Tensor]) -> None:
    """Give a new optimiser of ``model`` the state from a checkpoint: the inverse of `moments_of`."""
    parameters = dict(model.named_parameters())
    for key, value in moments.items():
        part, _, name = key.partition(".")
        optimizer.state[parameters[name]][part] = value


def forget(folder: Path, keep: int = KEPT) -> None:
    """Delete all checkpoints in ``folder`` but the ``keep`` newest."""
    for old in numbered(folder)[:-keep]:
        remove(old)


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


def write_policy(path: Path, content: bytes) -> None:
    """Write the content of ``policy.onnx`` into a checkpoint folder, in place of an older one."""
    with write_atomically(path / POLICY) as partial:
        partial.write_bytes(content)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into; it gets its name if the block ends without an error.

    Raises:
        InputError: it cannot be written; older checkpoints stay.
    """
    try:
        with write_atomically(path) as partial:
            partial.mkdir()
            yield partial
    except (OSError, SafetensorError) as error:  # safetensors raises the latter if the disk is full
        raise InputError(
            f"cannot write the checkpoint {path}: {first_line(error)}; make room, then go on with "
            f"{option('resume', True)}"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors that a damaged checkpoint can cause into an `InputError`."""
    for file in path.glob("*.safetensors"):
        require_file(file)
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from None
    # It names the cause already; the next clause would call every such checkpoint damaged.
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, ArithmeticError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise InputError(f"the checkpoint {path} is damaged or of another version: {first_line(error)}") from None
