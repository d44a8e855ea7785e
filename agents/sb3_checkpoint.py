"""Checkpoints of Stable-Baselines3's algorithms, without a pickle; and any SB3 model as a tracker.

==========================  ===================================================================================
``config.json``             ``algorithm``, ``features`` (D), ``hidden``, ``extractor`` (its id), ``steps`` (of the
                            environment), ``counters`` (SB3's), ``best`` (the best score so far) and ``run`` (the whole
                            configuration of the run)
``model.safetensors``       the policy's weights, the normaliser of the features among them
``training.safetensors``    the optimisers' state and SAC's entropy coefficient
``replay.safetensors``      the replay buffer (SAC, TD3)
==========================  ===================================================================================

The last two are of a checkpoint to go on from, and not of a best model. Folders are named by their steps and appear
whole or not at all; loading one runs no code of it. SB3's own files, ``model.zip``, are pickles: those do.
"""

import hashlib
import inspect
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, load_model, save_file, save_model
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file

from agents.checkpoint import (
    TrainedTracker,
    check_kinds,
    check_steps,
    checked_extractor,
    find,
    forget,
    reading,
    weights_file,
    writing,
)
from agents.replay import FrameReplayBuffer
from agents.sb3 import ALGORITHMS, SB3Agent, new_policy
from tracking_env.errors import InputError
from tracking_env.features.extractors import make_extractor
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


def tracker(
    checkpoint: Path | None = None, weights: Sequence[Path] = (), features: str | None = None, trust: bool = False
) -> TrainedTracker:
    """A trained SB3 policy as a tracker on raw frames.

    Args:
        checkpoint: folder of a run of train/sb3.py, of which the newest checkpoint is taken, or of one checkpoint; or a
            file that ``model.save`` of any SB3 or sb3-contrib algorithm wrote.
        weights: the extractor's weights file or its folder, one path; by default what the run was given.
        features: of such a file: the extractor that it was trained on; by default grid, or pixels where it sees
            pictures. What `VecNormalize` knew lies in another file and is not applied.
        trust: read such a file, although that runs code that is in it.

    Raises:
        InputError: there is no model, it is no tracker, its extractor cannot be built or gives other features than it
            was trained on, or it is a pickle and not trusted.
    """
    if checkpoint is None:
        raise InputError("a trained agent needs its weights; give --checkpoint RUN, a folder of train/sb3.py")
    file = weights_file(weights)
    if checkpoint.is_file():
        return _foreign(checkpoint, file, features, trust)
    if features is not None:
        raise InputError(f"the run in {checkpoint} says what it was trained on; leave out --features {features}")
    loaded = load(find(checkpoint))
    extractor = checked_extractor(loaded.path, loaded.run, loaded.extractor, file)
    made = TrainedTracker(SB3Agent(loaded.policy()), extractor)
    made.id = f"{loaded.algorithm} {loaded.path.name} {_digest(loaded.path / 'model.safetensors')} {extractor.id}"
    return made


def _foreign(path: Path, weights: Path | None, features: str | None, trust: bool) -> TrainedTracker:
    """A model that ``model.save`` wrote, whatever the algorithm: its policy alone is built again."""
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is no SB3 model; give what model.save wrote, or a folder of train/sb3.py")
    if not trust:
        raise InputError(
            f"{path} holds pickles, and to read those is to run code that its maker chose; if you trust where it comes "
            "from, add --trust (folders of train/sb3.py need none)"
        )
    try:
        data, parameters, _ = load_from_zip_file(path, device="cpu")
        assert data is not None
        made = data["policy_class"]
        wanted = inspect.signature(made).parameters
        options = {"lr_schedule": lambda _: 0.0, "use_sde": data.get("use_sde", False)} | data["policy_kwargs"]
        options = {name: value for name, value in options.items() if name in wanted}
        policy: BasePolicy = made(data["observation_space"], data["action_space"], **options)
        policy.load_state_dict(parameters["policy"])  # type: ignore[arg-type]  # a dict of tensors, not a tensor
    except Exception as error:  # whatever the code in it does
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot read the SB3 model {path}: {reason}") from None
    agent = SB3Agent(policy)
    pictures = agent.shape is not None and len(agent.shape) == 3
    if features is None and pictures:
        assert agent.shape is not None
        rows, columns = agent.shape[1:] if agent.shape[0] == 3 else agent.shape[:2]
        features = f"pixels:{rows}x{columns}"
    extractor = make_extractor(features or "grid", weights)
    if extractor.dim != agent.features:
        raise InputError(
            f"{path} was trained on {agent.features} features a frame, {extractor.id} gives {extractor.dim}; name its "
            "extractor with --features"
        )
    made_tracker = TrainedTracker(agent, extractor)
    made_tracker.id = f"{path.name} {_digest(path)} {extractor.id}"
    return made_tracker


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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
