"""Checkpoints: a folder with the network (its normaliser included), the optimiser's state and what they belong to.

==========================  ===================================================================================
``config.json``             ``features`` (D), ``extractor`` (its id), ``network`` (`DRLTConfig`), ``epoch`` (epochs
                            done), ``progress`` (where the run is in its schedule) and ``run`` (the whole
                            configuration of the run)
``model.safetensors``       weights and normaliser
``optimizer.safetensors``   Adam's moments and step count, by parameter
``policy.onnx``             the network once more, to be run without torch; of a finished run's last checkpoint
==========================  ===================================================================================

Folders are named by their epoch and appear whole or not at all; loading one runs no code of it.
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
from tracking_env.errors import InputError, first_line
from tracking_env.files import read_json, remove, whole
from tracking_env.trackers.checkpoint import POLICY, numbered

KEPT = 2  # checkpoints of one run that are left on disk


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network, Adam's state by parameter, the extractor's id, epochs done, and the run.

    Also where the run is in its schedule, as it was given.
    """

    model: DRLT
    optimizer: dict[str, torch.Tensor]
    extractor: str
    epoch: int
    run: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)


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
        InputError: it cannot be written; the older ones are as they were.
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
    moments = {
        f"{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }
    if not path.exists():
        with writing(path) as partial:
            (partial / "config.json").write_text(json.dumps(config, indent=1))
            save_file(model.state_dict(), partial / "model.safetensors")
            save_file(moments, partial / "optimizer.safetensors")
    forget(folder)
    return path


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: a file is missing, damaged, or of another network than the config says, or the run used an option
            that no longer exists.
    """
    with reading(path):
        config = {"progress": {}} | read_json(path / "config.json")  # not in those of the first version
        if "algorithm" in config:
            raise InputError(f"{path} is a checkpoint of train/sb3.py; type --tracker sb3")
        check_kinds(config, {"features": int, "extractor": str, "epoch": int, "progress": dict, "run": dict})
        check_removed_options(config["run"], path)
        weights = load_file(path / "model.safetensors")
        with torch.device("meta"):  # no memory for a network that the weights are not of
            model = DRLT(config["features"], DRLTConfig(**config["network"]))
        expected = model.state_dict()
        check_weights(weights, expected)
        model.to_empty(device=device).load_state_dict(weights)
        moments = load_file(path / "optimizer.safetensors", device=str(device))
        check_moments(moments, dict(model.named_parameters()))
        return Checkpoint(model, moments, config["extractor"], config["epoch"], config["run"], config["progress"])


def check_kinds(config: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise a `ValueError` or `KeyError` unless a checkpoint's configuration has values of these types."""
    for key, kind in kinds.items():
        if type(config[key]) is not kind:
            raise ValueError(f"its {key} is {config[key]!r}"[:100])


def check_weights(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise a `ValueError` unless weights have the names, shapes and types of the network's."""
    if _kinds(weights) != _kinds(expected):
        raise ValueError("its weights are not those of the network that it names")


def _kinds(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (one.shape, one.dtype) for name, one in tensors.items()}


def check_moments(moments: Mapping[str, torch.Tensor], parameters: Mapping[str, torch.Tensor]) -> None:
    """Raise a `ValueError` unless these are Adam's moments of some of the parameters, each with all of its own."""
    for key in moments:
        name = key.partition(".")[2]
        if name not in parameters:
            raise ValueError(f"its optimiser has {key}, which is not the network's")
        own = parameters[name]
        wanted = {"step": torch.zeros(()), "exp_avg": own, "exp_avg_sq": own}
        have = {one: moments[f"{one}.{name}"] for one in wanted if f"{one}.{name}" in moments}
        if key.partition(".")[0] not in wanted or _kinds(have) != _kinds(wanted):
            raise ValueError(f"its optimiser has {key} {tuple(moments[key].shape)}, but not what belongs to {name}")
        check_steps(have["step"], name)


def check_steps(steps: torch.Tensor, name: object) -> None:
    """Raise a `ValueError` unless an optimiser can have taken so many steps."""
    if not 0 <= float(steps) < 2**53:
        raise ValueError(f"its optimiser has taken {float(steps)} steps for {name}")


def restore(optimizer: torch.optim.Adam, model: DRLT, moments: dict[str, torch.Tensor]) -> None:
    """Give ``optimizer``, made for ``model``, the state that a checkpoint holds."""
    for name, parameter in model.named_parameters():
        keys = [key for key in moments if key.partition(".")[2] == name]
        optimizer.state[parameter] = {key.partition(".")[0]: moments[key] for key in keys}


def forget(folder: Path, keep: int = KEPT) -> None:
    """Delete all checkpoints in ``folder`` but the newest."""
    for old in numbered(folder)[:-keep]:
        remove(old)


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, export_drlt(load(path).model))


def write_policy(path: Path, content: bytes) -> None:
    """Write the content of ``policy.onnx`` into a checkpoint folder, in place of an older one."""
    with whole(path / POLICY) as partial:
        partial.write_bytes(content)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into, which gets its name when the block ends well.

    Raises:
        InputError: it cannot be written; the older ones are as they were.
    """
    try:
        with whole(path) as partial:
            partial.mkdir()
            yield partial
    except (OSError, SafetensorError) as error:  # the latter where the disk is full
        raise InputError(
            f"cannot write the checkpoint {path}: {first_line(error)}; make room, then go on with --resume"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a checkpoint's damage leads to into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror or error}") from None
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, ArithmeticError, RuntimeError, SafetensorError) as error:
        raise InputError(f"the checkpoint {path} is damaged or of another version: {first_line(error)}") from None
