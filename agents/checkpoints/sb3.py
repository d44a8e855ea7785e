"""Checkpoints of Stable-Baselines3's algorithms, without a pickle.

==========================  ===================================================================================
``config.json``             ``algorithm``, ``features`` (D, or the numbers of a flat observation), ``hidden``,
                            ``extractor`` (its id), ``steps`` (of the environment), ``counters`` (SB3's), ``best`` (the
                            best score so far) and ``run`` (the whole configuration of the run); of a closed loop also
                            ``environment`` (its id) and ``actions`` (numbers of an action)
``model.safetensors``       the policy's weights, the normaliser of the features among them
``training.safetensors``    the optimisers' state and SAC's entropy coefficient
``replay.safetensors``      the replay buffer (SAC, TD3)
``policy.onnx``             the policy again, for use without torch; only after training
==========================  ===================================================================================

``training`` and ``replay`` are only in checkpoints to resume from, not in the best model's. Folders are named by their
steps and are written whole or not at all. Loading one runs no code from it, unlike SB3's own ``model.zip``, a pickle.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, load_model, save_file
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from agents.checkpoints.base import check_kinds, check_steps, forget, reading, write_policy, writing
from agents.checkpoints.sb3_onnx import export_sb3
from agents.replay import FlatReplayBuffer, FrameReplayBuffer
from agents.sb3 import ALGORITHMS, new_policy
from tracking_env.errors import InputError
from tracking_env.files import read_json, remove

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")
"""Counters of an algorithm; SB3 gives no public names for them."""


@dataclass(frozen=True)
class Checkpoint:
    """Folder and ``config.json`` of a checkpoint."""

    path: Path
    algorithm: str
    features: int
    hidden: int
    extractor: str
    steps: int
    counters: dict[str, int]
    best: float | None
    run: dict[str, Any]
    environment: str = "OTBTrack-v0"
    actions: int | None = None

    def policy(self) -> BasePolicy:
        """The policy, on the CPU.

        Raises:
            InputError: the weights are missing, damaged, or of another network than ``config.json`` says.
        """
        with reading(self.path):
            count = sum(weights.numel() for weights in load_file(self.path / "model.safetensors").values())
            # Compare with the two first layers before the network takes memory: a damaged file may name a huge one.
            if count < self.hidden * (self.features + self.hidden):
                raise ValueError("its weights are not those of the network that it names")
            policy = new_policy(self.algorithm, self.features, self.hidden, 1.0, self.actions)  # the weights hold sigma
            load_model(policy, self.path / "model.safetensors")
            return policy

    def restore(self, model: BaseAlgorithm) -> None:
        """Give a new algorithm with the same options the state of this checkpoint.

        Raises:
            InputError: a file is missing or damaged.
        """
        with reading(self.path):
            load_model(model.policy, self.path / "model.safetensors", device=str(model.device))
            saved = load_file(self.path / "training.safetensors", device=str(model.device))
            for name, optimizer in _optimizers(model):
                state: dict[int, dict[str, Any]] = {}
                for key in [key for key in saved if key.startswith(f"{name}/")]:
                    _, row, part = key.split("/")
                    value = saved[key]
                    is_integer = part == "step" and not value.is_floating_point()  # RMSprop's steps are Python's int
                    state.setdefault(int(row), {})[part] = int(value) if is_integer else value
                _check_state(optimizer, state)
                optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
            for name in _variables(model):
                getattr(model, name).data.copy_(saved[name])
            buffer = getattr(model, "replay_buffer", None)
            if isinstance(buffer, FrameReplayBuffer | FlatReplayBuffer):
                steps = load_file(self.path / "replay.safetensors")
                rows = len(steps["actions"])
                for name, tensor in buffer.tensors().items():
                    tensor[:rows] = steps[name]
                buffer.pos, buffer.full = self.counters["pos"], rows == buffer.buffer_size
            for name in COUNTERS:
                setattr(model, name, self.counters[name])


def save(
    folder: Path,
    model: BaseAlgorithm,
    facts: dict[str, Any],
    keep: int = 2,
    training: bool = True,
) -> Path:
    """Write a checkpoint into ``folder`` and delete all but the ``keep`` newest.

    Args:
        folder: the run's folder of checkpoints.
        model: the algorithm.
        facts: ``algorithm``, ``features``, ``hidden``, ``extractor``, ``best`` and ``run``, see above.
        keep: number of checkpoints that stay.
        training: whether to write the files that a run resumes from.

    Raises:
        InputError: it cannot be written; older checkpoints stay.
    """
    path = folder / f"{model.num_timesteps:09d}"
    buffer = getattr(model, "replay_buffer", None) if training else None
    counters = {name: getattr(model, name) for name in COUNTERS} | {"pos": buffer.pos if buffer else 0}
    if path.exists():
        remove(path)  # a resumed run repeats steps and writes the same content again
    with writing(path) as partial:
        content = facts | {"steps": model.num_timesteps, "counters": counters}
        (partial / "config.json").write_text(json.dumps(content, indent=1))
        save_file(_weights(model.policy), partial / "model.safetensors")
        if training:
            save_file(_training(model), partial / "training.safetensors")
        if isinstance(buffer, FrameReplayBuffer | FlatReplayBuffer):
            # Most of the buffer may still be empty, and it is the largest file by far.
            rows = buffer.size()
            save_file({name: array[:rows] for name, array in buffer.tensors().items()}, partial / "replay.safetensors")
    forget(folder, keep)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: it is no checkpoint of train/sb3.py, or damaged.
    """
    with reading(path):
        content = read_json(path / "config.json")
        if "algorithm" not in content:
            raise InputError(f"{path} is a checkpoint of train/reinforce.py; its tracker is drlt")
        sizes = {"features": int, "hidden": int, "steps": int}
        check_kinds(content, sizes | {"algorithm": str, "extractor": str, "counters": dict, "run": dict})
        check_kinds(content["counters"], dict.fromkeys(content["counters"], int))
        if content["algorithm"] not in ALGORITHMS:
            raise KeyError(content["algorithm"])
        actions = content.get("actions")
        if type(actions) not in (int, type(None)) or not isinstance(content.get("environment", ""), str):
            raise ValueError(f"its actions are {actions!r}")
        if min(content["features"], content["hidden"], 1 if actions is None else actions) < 1:
            raise ValueError("it names no network")
        return Checkpoint(path, **content)


def _weights(policy: BasePolicy) -> dict[str, torch.Tensor]:
    """The policy's weights, each once: of several names of one tensor the first. `load_model` knows the others.

    Safetensors' own `save_model` also writes the other names, in an order that changes from call to call. Equal weights
    would be different files, and so trackers of different ids.
    """
    weights: dict[str, torch.Tensor] = {}
    places = set()
    for name, tensor in sorted(policy.state_dict().items()):
        place = tensor.data_ptr(), tensor.shape
        if tensor.numel() == 0 or place not in places:
            weights[name] = tensor.contiguous()
            places.add(place)
    return weights


def _training(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """The content of ``training.safetensors``."""
    tensors = {name: getattr(model, name).detach() for name in _variables(model)}
    for name, optimizer in _optimizers(model):
        for row, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{row}/{part}": torch.as_tensor(value) for part, value in state.items()}
    return tensors


def _optimizers(model: BaseAlgorithm) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    """The optimisers of an algorithm, by their names in SB3."""
    for name in model._get_torch_save_params()[0]:
        value: Any = model
        for attribute in name.split("."):
            value = getattr(value, attribute)
        if isinstance(value, torch.optim.Optimizer):
            yield name, value


def _check_state(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]]) -> None:
    """Raise a `ValueError` unless this is a possible state of the optimiser, by number of parameter."""
    # A2C uses RMSprop, all other algorithms Adam.
    names = {"exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.Adam) else {"square_avg"}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for row, parts in state.items():
        if row not in range(len(parameters)):
            raise ValueError(f"its optimiser's parameter {row} is not the network's")
        shapes = {name: torch.as_tensor(value).shape for name, value in parts.items()}
        if shapes != dict.fromkeys(names, parameters[row].shape) | {"step": torch.Size()}:
            raise ValueError(f"its optimiser's parameter {row} is not the network's")
        check_steps(torch.as_tensor(parts["step"]), f"parameter {row}")


def _variables(model: BaseAlgorithm) -> list[str]:
    """Names of learned tensors outside the policy, such as SAC's entropy coefficient."""
    return model._get_torch_save_params()[1]


def policy_content(path: Path) -> bytes:
    """The content of ``policy.onnx`` for the weights of a checkpoint folder.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    return export_sb3(load(path).policy())


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, policy_content(path))
