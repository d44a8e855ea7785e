"""Checkpoints of the closed-loop agent, and the agent as a tracker on raw frames.

==========================  ===================================================================================
``config.json``             ``agent`` (``pointing``), ``channels``, ``proposals`` (whether the maps have them), ``maps``
                            (the extractor's id), ``network`` (`PointingConfig`), ``done`` (updates) and ``run`` (the
                            run's whole configuration)
``model.safetensors``       weights
``optimizer.safetensors``   Adam's moments and step count, by parameter; not of an agent to be used only
``policy.onnx``             the network once more, to be run by onnxruntime (`agents.pointing_onnx`); where it is there
==========================  ===================================================================================

Folders appear whole or not at all; loading one runs no code of it. Those in `PRETRAINED` come with the code.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from agents import pointing_onnx
from agents.checkpoint import (
    check_kinds,
    check_moments,
    check_weights,
    find,
    forget,
    reading,
    trained_on,
    weights_file,
    writing,
)
from agents.pointing import Pointing, PointingConfig
from agents.pointing_onnx import Exported
from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.features.maps import make_maps
from tracking_env.files import read_json, remove, whole
from tracking_env.search.window import GazeTracker

EXPORTED = "policy.onnx"
"""In a checkpoint's folder: the network as one graph, see `export`."""
PRETRAINED = Path(__file__).parents[1] / "tracking_env" / "trackers" / "pretrained"
"""Trained agents by their extractor's name; ``README.md`` says how they came to be, and what they are worth."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network, Adam's state by parameter, the maps' id, updates done, and the run."""

    model: Pointing
    optimizer: dict[str, Tensor]
    maps: str
    done: int
    run: dict[str, Any]


def save(
    path: Path, model: Pointing, maps: str, done: int, run: dict[str, Any], optimizer: torch.optim.Adam | None = None
) -> Path:
    """Write a checkpoint to ``path``, in place of one that is there.

    Args:
        path: its folder.
        model: the network.
        maps: the extractor's id.
        done: updates.
        run: the run's configuration.
        optimizer: of the model, to go on from here.

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
        remove(path)  # of the same updates, broken off and done again: the same content
    with writing(path) as partial:
        (partial / "config.json").write_text(json.dumps(content, indent=1))
        save_file(model.state_dict(), partial / "model.safetensors")
        if optimizer is not None:
            moments = {
                f"{key}.{name}": value
                for name, parameter in model.named_parameters()
                for key, value in optimizer.state.get(parameter, {}).items()
            }
            save_file(moments, partial / "optimizer.safetensors")
    return path


def save_newest(
    folder: Path, model: Pointing, maps: str, done: int, run: dict[str, Any], optimizer: torch.optim.Adam
) -> Path:
    """Write the checkpoint of so many updates into a run's folder and delete all but the newest two."""
    path = save(folder / f"{done:06d}", model, maps, done, run, optimizer)
    forget(folder)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        InputError: a file is missing, damaged, or of another agent or network than the config says.
    """
    with reading(path):
        config = read_json(path / "config.json")
        if config.get("agent") != "pointing":
            raise ValueError("it is no agent of train/search.py")
        check_kinds(config, {"channels": int, "maps": str, "network": dict, "done": int, "run": dict})
        network, weights = PointingConfig(**config["network"]), load_file(path / "model.safetensors")
        check_kinds(asdict(network), get_type_hints(PointingConfig))
        if config["channels"] < 1:
            raise ValueError(f"its channels are {config['channels']}")
        proposals = bool(config.get("proposals", False))
        with torch.device("meta"):  # no memory for a network that the weights are not of
            check_weights(weights, Pointing(config["channels"], network, proposals).state_dict())
        model = Pointing(config["channels"], network, proposals)
        model.load_state_dict(weights)
        moments = path / "optimizer.safetensors"
        optimizer = load_file(moments) if moments.exists() else {}
        check_moments(optimizer, dict(model.named_parameters()))
        return Checkpoint(model, optimizer, config["maps"], config["done"], config["run"])


def export(path: Path) -> None:
    """Add ``policy.onnx`` to a checkpoint folder, in place of an older one.

    Raises:
        InputError: the checkpoint cannot be read, the package to export with is missing, or the file cannot be written.
    """
    content = pointing_onnx.export(load(path).model)
    with whole(path / EXPORTED) as partial:
        partial.write_bytes(content)


def restore(optimizer: torch.optim.Adam, model: Pointing, moments: dict[str, Tensor]) -> None:
    """Give a new optimiser of ``model`` the state that a checkpoint holds."""
    for name, parameter in model.named_parameters():
        state = {
            key: moments[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in moments
        }
        if state:
            optimizer.state[parameter] = state


class TrainedGaze(GazeTracker):
    """A checkpoint's network as a tracker on raw frames; ``id`` names its weights and its extractor.

    ``spread`` is how far its cells are from agreeing on the box said last, see `Decision.spread`, in pixels.
    """

    id: str
    policy: Pointing | Exported
    spread: np.ndarray | None = None

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The policy's box, with its centre in the image."""
        said, self.state = self.policy.say(self.gaze.look(frame), self.state)
        self.spread = said.spread.astype(np.float64) * self.gaze.region[2]
        return self.gaze.point(said.box, (frame.shape[1], frame.shape[0]))


def tracker(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedGaze:
    """The closed-loop agent as a tracker on raw frames, with the extractor that it was trained on.

    Args:
        checkpoint: folder of a run, of which the newest checkpoint is taken, or of one checkpoint; by default the one
            of `PRETRAINED` for nanotrack-head where its weights are given, else that for cells, which needs none.
        weights: the extractor's weights file or its folder, one path; by default what the run was given.

    Raises:
        InputError: there is no checkpoint, or its extractor cannot be built, or is another one.
    """
    path = find(checkpoint or PRETRAINED / ("nanotrack-head" if weights else "cells"))
    file, loaded = weights_file(weights), load(path)
    features, given = trained_on(path, loaded.run)
    maps = make_maps(features or "cells", file or given)
    if maps.id != loaded.maps:
        raise InputError(
            f"the checkpoint {path} was trained on {loaded.maps}, not on {maps.id}; give the weights that it was "
            "trained with: --weights FILE"
        )
    made = TrainedGaze(_policy(path / EXPORTED, loaded.model), maps, bool(loaded.run.get("glance", True)))
    digest = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()[:8]
    made.id = f"{path.name} {digest} {maps.id}"
    return made


def _policy(exported: Path, model: Pointing) -> Pointing | Exported:
    """What decides soonest: a network's exported form, where it is there and can be run."""
    if not onnx_inference.ONNXRUNTIME or not exported.exists():
        return model.eval()
    try:
        return Exported(exported.read_bytes(), model)
    except InputError as error:
        raise InputError(f"cannot use {exported}: {error}; delete it, or export it anew") from None
