"""Checkpoints of Stable-Baselines3's algorithms, without a pickle.

==========================  ===================================================================================
``config.json``             ``algorithm``, ``features`` (D), ``hidden``, ``extractor`` (its id), ``steps`` (of the
                            environment), ``counters`` (SB3's), ``best`` (the best score so far) and ``run`` (the whole
                            configuration of the run)
``model.safetensors``       the policy's weights, the normaliser of the features among them
``training.safetensors``    the optimisers' state and SAC's entropy coefficient
``replay.safetensors``      the replay buffer (SAC, TD3)
``policy.onnx``             the policy once more, to be run without torch; of a finished run
==========================  ===================================================================================

``training`` and ``replay`` are of a checkpoint to go on from, and not of a best model. Folders are named by their steps
and appear whole or not at all; loading one runs no code of it. SB3's own files, ``model.zip``, are pickles: those do.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, load_model, save_file, save_model
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from agents.checkpoint import check_kinds, check_steps, forget, reading, write_policy, writing
from agents.replay import FrameReplayBuffer
from agents.sb3 import ALGORITHMS, new_policy
from agents.sb3_onnx import export_sb3
from tracking_env.errors import InputError
from tracking_env.files import read_json, remove

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")
"""What an algorithm counts besides; SB3 gives no other names for it."""


@dataclass(frozen=True)
class Checkpoint:
    """A read checkpoint: where it lies and what its ``config.json`` says."""

    path: Path
    algorithm: str
    features: int
    hidden: int
    extractor: str
    steps: int
    counters: dict[str, int]
    best: float | None
    run: dict[str, Any]

    def policy(self) -> BasePolicy:
        """The policy, on the CPU.

        Raises:
            InputError: the weights are missing, damaged, or of another network than the config says.
        """
        with reading(self.path):
            numbers = sum(one.numel() for one in load_file(self.path / "model.safetensors").values())
            if numbers < self.hidden * (self.features + 4 + self.hidden):  # its two first layers; before it is made
                raise ValueError("its weights are not those of the network that it names")
            made = new_policy(self.algorithm, self.features, self.hidden, sigma=1.0)  # any: it is among the weights
            load_model(made, self.path / "model.safetensors")
            return made

    def restore(self, model: BaseAlgorithm) -> None:
        """Give a new algorithm, made with the same options, everything that this checkpoint holds.

        Raises:
            InputError: a file is missing or damaged.
        """
        with reading(self.path):
            load_model(model.policy, self.path / "model.safetensors", device=str(model.device))
            saved = load_file(self.path / "training.safetensors", device=str(model.device))
            for name, optimizer in _optimizers(model):
                state: dict[int, dict[str, Any]] = {}
                for key in [key for key in saved if key.startswith(f"{name}/")]:
                    _, row, what = key.split("/")
                    value = saved[key]
                    integer = what == "step" and not value.is_floating_point()  # RMSprop counts in Python
                    state.setdefault(int(row), {})[what] = int(value) if integer else value
                _check_state(optimizer, state)
                optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
            for name in _variables(model):
                getattr(model, name).data.copy_(saved[name])
            buffer = getattr(model, "replay_buffer", None)
            if isinstance(buffer, FrameReplayBuffer):
                kept = load_file(self.path / "replay.safetensors")
                rows = len(kept["actions"])
                for name, tensor in buffer.tensors().items():
                    tensor[:rows] = kept[name]
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
    """Write a checkpoint of the steps done into ``folder`` and delete all but the newest ``keep``.

    Args:
        folder: of the run's checkpoints.
        model: the algorithm, on environments of the run's kind.
        facts: ``algorithm``, ``features``, ``hidden``, ``extractor``, ``best`` and ``run``, see above.
        keep: how many are left.
        training: write what is needed to go on, too.

    Raises:
        InputError: it cannot be written; the older ones are as they were.
    """
    path = folder / f"{model.num_timesteps:09d}"
    buffer = getattr(model, "replay_buffer", None) if training else None
    counters = {name: getattr(model, name) for name in COUNTERS} | {"pos": buffer.pos if buffer else 0}
    if path.exists():
        remove(path)  # of the same steps, broken off and done again: the same content
    with writing(path) as partial:
        content = facts | {"steps": model.num_timesteps, "counters": counters}
        (partial / "config.json").write_text(json.dumps(content, indent=1))
        save_model(model.policy, str(partial / "model.safetensors"))
        if training:
            save_file(_training(model), partial / "training.safetensors")
        if isinstance(buffer, FrameReplayBuffer):
            rows = buffer.size()
            save_file({name: one[:rows] for name, one in buffer.tensors().items()}, partial / "replay.safetensors")
    forget(folder, keep)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: it is not one, or damaged.
    """
    with reading(path):
        content = read_json(path / "config.json")
        if "algorithm" not in content:
            raise InputError(f"{path} is a checkpoint of train/reinforce.py; type --tracker drlt")
        sizes = {"features": int, "hidden": int, "steps": int}
        check_kinds(content, sizes | {"algorithm": str, "extractor": str, "counters": dict, "run": dict})
        check_kinds(content["counters"], dict.fromkeys(content["counters"], int))
        if content["algorithm"] not in ALGORITHMS:
            raise KeyError(content["algorithm"])
        if min(content["features"], content["hidden"]) < 1:
            raise ValueError("it names no network")
        return Checkpoint(path, **content)


def _training(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    tensors = {name: getattr(model, name).detach() for name in _variables(model)}
    for name, optimizer in _optimizers(model):
        for row, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{row}/{what}": torch.as_tensor(value) for what, value in state.items()}
    return tensors


def _optimizers(model: BaseAlgorithm) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    for name in model._get_torch_save_params()[0]:
        found: Any = model
        for part in name.split("."):
            found = getattr(found, part)
        if isinstance(found, torch.optim.Optimizer):
            yield name, found


def _check_state(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]]) -> None:
    """Raise a `ValueError` unless this is what the optimiser keeps of some of its parameters."""
    names = {"exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.Adam) else {"square_avg"}
    own = [one for group in optimizer.param_groups for one in group["params"]]
    for row, kept in state.items():
        shapes = {what: torch.as_tensor(value).shape for what, value in kept.items()}
        if row not in range(len(own)) or shapes != dict.fromkeys(names, own[row].shape) | {"step": torch.Size()}:
            raise ValueError(f"its optimiser's parameter {row} is not the network's")
        check_steps(torch.as_tensor(kept["step"]), f"parameter {row}")


def _variables(model: BaseAlgorithm) -> list[str]:
    return model._get_torch_save_params()[1]


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    write_policy(path, export_sb3(load(path).policy()))
