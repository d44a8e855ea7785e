"""What all checkpoints share: how their folders are written, read and checked.

Folders are written whole or not at all. Loading one runs no code from it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tracking_env.errors import InputError, first_line, is_out_of_memory, option
from tracking_env.files import remove, require_file, write_atomically
from tracking_env.trackers.checkpoint import POLICY, numbered

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Network = TypeVar("Network", bound=torch.nn.Module)
Config = TypeVar("Config", bound="DataclassInstance")
KEPT = 2
"""Number of checkpoints of one run that stay on disk."""


def write_network(
    path: Path, config: Mapping[str, Any], model: torch.nn.Module, optimizer: torch.optim.Adam | None = None
) -> None:
    """Write a checkpoint folder: ``config.json``, the weights and, to resume from here, the state of the optimiser.

    Raises:
        InputError: it cannot be written.
    """
    with writing(path) as partial:
        (partial / "config.json").write_text(json.dumps(config, indent=1))
        save_file(model.state_dict(), partial / "model.safetensors")
        if optimizer is not None:
            save_file(moments_of(optimizer, model), partial / "optimizer.safetensors")


def read_network(path: Path, make: Callable[[], Network]) -> tuple[Network, dict[str, torch.Tensor]]:
    """The network of a checkpoint folder that `write_network` wrote, and the optimiser's state, empty if there is none.

    Args:
        path: the folder.
        make: makes the network that its configuration describes, with any weights.

    Raises:
        ValueError: its weights or the optimiser's state are another network's.
    """
    weights = load_file(path / "model.safetensors")
    with torch.device("meta"):  # compare shapes before any memory is taken
        check_weights(weights, make().state_dict())
    model = make().eval()
    model.load_state_dict(weights)
    moments = path / "optimizer.safetensors"
    optimizer = load_file(moments) if moments.exists() else {}
    check_moments(optimizer, dict(model.named_parameters()))
    return model, optimizer


def read_config(config: Mapping[str, Any], kind: type[Config]) -> Config:
    """A network's configuration, a dataclass, from its fields in ``config.json``.

    Raises:
        TypeError: a field is unknown.
        ValueError: a value has another type, or is out of range.
    """
    made = kind(**config)
    # The dataclass accepts any JSON value, so a damaged file could name a fraction as a size.
    check_kinds({each.name: getattr(made, each.name) for each in fields(made)}, get_type_hints(kind))
    return made


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
