"""Checkpoints: a folder with the network (its normaliser included), the optimiser's state and what they belong to.

==========================  ===================================================================================
``config.json``             ``features`` (D), ``extractor`` (its id), ``network`` (`DRLTConfig`), ``epoch`` (epochs
                            done), ``progress`` (where the run is in its schedule) and ``run`` (the whole
                            configuration of the run)
``model.safetensors``       weights and normaliser
``heads.safetensors``       what the estimator learned besides (`agents.heads`), if anything
``optimizer.safetensors``   Adam's moments and step count, by parameter
==========================  ===================================================================================

Folders are named by their epoch and appear whole or not at all; loading one runs no code of it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from agents.drlt import DRLT, DRLTConfig
from tracking_env.errors import InputError
from tracking_env.features.extractors import Extractor, make_extractor
from tracking_env.files import read_json, remove, whole
from tracking_env.trackers.base import PolicyTracker

KEPT = 2  # checkpoints of one run that are left on disk
_HEADS = "heads."  # before the names of the heads' parameters in the optimiser's file


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network, Adam's state by parameter, the extractor's id, epochs done, and the run.

    Also the weights of the estimator's heads, and where the run is in its schedule, as they were given.
    """

    model: DRLT
    optimizer: dict[str, torch.Tensor]
    extractor: str
    epoch: int
    run: dict[str, Any]
    heads: dict[str, torch.Tensor] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)


def save(
    folder: Path,
    model: DRLT,
    optimizer: torch.optim.Adam,
    extractor: str,
    epoch: int,
    run: dict[str, Any],
    heads: nn.Module | None = None,
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
        for name, parameter in _parameters(model, heads).items()
        for key, value in optimizer.state[parameter].items()
    }
    if not path.exists():
        with writing(path) as partial:
            (partial / "config.json").write_text(json.dumps(config, indent=1))
            save_file(model.state_dict(), partial / "model.safetensors")
            save_file(moments, partial / "optimizer.safetensors")
            if heads is not None and heads.state_dict():
                save_file(heads.state_dict(), partial / "heads.safetensors")
    forget(folder)
    return path


def newest(folder: Path) -> Path:
    """The checkpoint of the latest epoch in ``folder``.

    Raises:
        InputError: there is none.
    """
    found = epochs(folder)
    if not found:
        raise InputError(f"no checkpoint in {folder}; train first, or give the folder of a run that has one")
    return found[-1]


def find(folder: Path) -> Path:
    """The checkpoint that a folder stands for: itself, or the newest one of a run's folder or of one of checkpoints.

    Raises:
        InputError: there is none.
    """
    if (folder / "model.safetensors").exists():
        return folder
    inside = folder / "checkpoints"
    return newest(inside if inside.is_dir() else folder)


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: a file is missing, damaged, or of another network than the config says.
    """
    with reading(path):
        config = {"progress": {}} | read_json(path / "config.json")  # not in those of the first version
        if "algorithm" in config:
            raise InputError(f"{path} is a checkpoint of train/sb3.py; type --tracker sb3")
        check_kinds(config, {"features": int, "extractor": str, "epoch": int, "progress": dict, "run": dict})
        weights = load_file(path / "model.safetensors")
        with torch.device("meta"):  # no memory for a network that the weights are not of
            model = DRLT(config["features"], DRLTConfig(**config["network"]))
        expected = model.state_dict()
        check_weights(weights, expected)
        model.to_empty(device=device).load_state_dict(weights)
        moments = load_file(path / "optimizer.safetensors", device=str(device))
        heads = load_file(path / "heads.safetensors") if (path / "heads.safetensors").exists() else {}
        check_moments(moments, dict(model.named_parameters()) | {f"{_HEADS}{key}": one for key, one in heads.items()})
        return Checkpoint(
            model, moments, config["extractor"], config["epoch"], config["run"], heads, config["progress"]
        )


class TrainedTracker(PolicyTracker):
    """A checkpoint's network as a tracker on raw frames; ``id`` names its weights and its extractor.

    ``sigma`` is the deviation of the Gaussian that it was trained as, relative to the image; None of one without. It is
    one number for all frames: it does not know when it is sure.
    """

    id: str
    sigma: float | None = None
    spread: np.ndarray | None = None

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame."""
        super().init(frame, box)
        height, width, _ = frame.shape
        self.spread = None if self.sigma is None else self.sigma * np.array([width, height, width, height])


def tracker(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedTracker:
    """The network of a checkpoint as a tracker on raw frames, with the extractor that it was trained on.

    Args:
        checkpoint: folder of a run, of which the newest checkpoint is taken, or of one checkpoint.
        weights: the extractor's weights file or its folder, one path; by default what the run was given.

    Raises:
        InputError: there is no checkpoint, or its extractor cannot be built, or gives other features than the run had.
    """
    if checkpoint is None:
        raise InputError("a trained agent needs its weights; give --checkpoint RUN, a folder of train/reinforce.py")
    path = find(checkpoint)
    file = weights_file(weights)
    loaded = load(path)
    extractor = checked_extractor(path, loaded.run, loaded.extractor, file)
    made = TrainedTracker(loaded.model.eval(), extractor)
    made.sigma = _sigma(loaded)
    digest = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()[:8]
    made.id = f"{path.name} {digest} {extractor.id}"
    return made


def weights_file(weights: Sequence[Path]) -> Path | None:
    """The extractor's weights file or its folder, if one was given.

    Raises:
        InputError: more than one was.
    """
    if len(weights) > 1:
        raise InputError(f"got {len(weights)} weights files, an extractor has one; give --weights FILE")
    return weights[0] if weights else None


def checked_extractor(path: Path, run: dict[str, Any], wanted: str, weights: Path | None) -> Extractor:
    """The extractor that a checkpoint was trained on.

    Args:
        path: of the checkpoint, for messages.
        run: the configuration of its run.
        wanted: the extractor's id.
        weights: its weights file or their folder; by default what the run was given.

    Raises:
        InputError: it cannot be built, or is another one.
    """
    features, file = trained_on(path, run)
    extractor = make_extractor(features or "grid", weights or file)
    if extractor.id != wanted:
        raise InputError(
            f"the checkpoint {path} was trained on {wanted}, not on {extractor.id}; give the weights that it was "
            "trained with: --weights FILE"
        )
    return extractor


def _sigma(loaded: Checkpoint) -> float | None:
    """Of the last epoch's policy; None of a network that was not trained by sampling."""
    if "log_sigma" in loaded.heads:
        return float(loaded.heads["log_sigma"].exp())
    options = loaded.run.get("reinforce")
    if not isinstance(options, dict) or loaded.run.get("learner") == "supervised":
        return None
    sigma = options.get("sigma_end") or options.get("sigma")
    return sigma if isinstance(sigma, float) else None


def trained_on(path: Path, run: dict[str, Any]) -> tuple[str | None, str | None]:
    """The extractor's name and its weights file that a run was given, as far as its configuration says.

    Raises:
        InputError: it says something else there.
    """
    data = run.get("data", {})
    found = (data.get("features"), data.get("weights")) if isinstance(data, dict) else (data, data)
    if not all(one is None or isinstance(one, str) for one in found):
        raise InputError(f"the checkpoint {path} is damaged or of another version: its run's data is {data!r}"[:300])
    return found


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


def restore(
    optimizer: torch.optim.Adam, model: DRLT, moments: dict[str, torch.Tensor], heads: nn.Module | None = None
) -> None:
    """Give ``optimizer``, made for ``model`` and ``heads``, the state that a checkpoint holds."""
    for name, parameter in _parameters(model, heads).items():
        keys = [key for key in moments if key.partition(".")[2] == name]
        optimizer.state[parameter] = {key.partition(".")[0]: moments[key] for key in keys}


def _parameters(model: DRLT, heads: nn.Module | None) -> dict[str, nn.Parameter]:
    own = {f"{_HEADS}{name}": parameter for name, parameter in heads.named_parameters()} if heads is not None else {}
    return dict(model.named_parameters()) | own


def epochs(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, the newest last."""
    return sorted(
        (path for path in folder.glob("*") if path.name.isdigit() and path.is_dir()), key=lambda p: int(p.name)
    )


def forget(folder: Path, keep: int = KEPT) -> None:
    """Delete all checkpoints in ``folder`` but the newest."""
    for old in epochs(folder)[:-keep]:
        remove(old)


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
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot write the checkpoint {path}: {reason}; make room, then go on with --resume") from None


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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the checkpoint {path} is damaged or of another version: {reason}") from None
