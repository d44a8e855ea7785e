"""Policies of Stable-Baselines3 and sb3-contrib as trackers, of whichever environment they were trained in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tracking_env.errors import InputError, option
from tracking_env.features.maps import MAPS, make_maps
from tracking_env.search.ensemble.action import action_size
from tracking_env.search.ensemble.observation import observation_names
from tracking_env.search.ensemble.tracker import EnsembleTracker
from tracking_env.search.experts import make_experts
from tracking_env.search.ready import flatten_window, move_box
from tracking_env.search.window import WindowTracker
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers import trained
from tracking_env.trackers.base import Tracker
from tracking_env.trackers.ready import ReadyBox, ReadyPolicy
from tracking_env.trackers.trained import weights_file

SEARCH, EXPERTS = "OTBTrackSearch-v0", "OTBTrackExperts-v0"
"""The ids of the closed loops, as runs of train/sb3.py name them."""


NUMBERS = len(observation_names(["an expert"]))
"""What each expert adds to an observation."""


class SB3WindowTracker(WindowTracker):
    """A policy of ``OTBTrackSearch-v0`` as a tracker.

    Args:
        policy: chooses an action for each observation of the environment.
        maps: the extractor that it was trained with.
        id: tells the model and the extractor from others.
    """

    def __init__(self, policy: Any, maps: Any, id: str) -> None:
        super().__init__(policy, maps)
        self.id = id


def tracker(
    checkpoint: Path | None = None, weights: Sequence[Path] = (), features: str | None = None, trust: bool = False
) -> Tracker:
    """A policy of Stable-Baselines3 or sb3-contrib.

    Args:
        checkpoint: folder of a run of train/sb3.py, of which the newest checkpoint is taken, or of one checkpoint; or a
            file that ``model.save`` of any SB3 or sb3-contrib algorithm wrote. Its environment is known from its
            spaces. If it was trained under `VecNormalize`, the statistics are read from ``vecnormalize.pkl`` beside
            it.
        weights: one path: the extractor's weights file or its folder, or the folder of the experts' files; by default
            what the run was given.
        features: of such a file: the extractor that it was trained on, or the experts, with commas between them; by
            default grid, pixels, cells or nanotrack-v3,fear-xs.
        trust: read such a file, although that runs code that is in it.

    Raises:
        InputError: there is no model, or it is a pickle and not trusted. Or it is no tracker, or its extractor cannot
            be built or is not the one that it was trained on.
    """
    if checkpoint is None or not checkpoint.is_file():
        if features is not None:
            raise InputError(
                f"the run in {checkpoint} says what it was trained on; leave out {option('features', features)}"
            )
        if checkpoint is None or _environment(checkpoint) not in (SEARCH, EXPERTS):
            return trained.sb3(checkpoint, weights)
        return _closed_loop(checkpoint, weights)

    from tracking_env.trackers import sb3_model  # here, since it loads torch

    model = sb3_model.read(checkpoint, trust)
    observation: Any = model.observation_space
    action: Any = model.action_space
    digest = sb3_model.digest(checkpoint)
    file = weights_file(weights)
    if _is_of_experts(observation, action):
        count = observation.shape[0] // NUMBERS
        names = (features or "nanotrack-v3,fear-xs").split(",")
        if len(names) != count or action.shape[0] not in (action_size(count, False), action_size(count, True)):
            raise InputError(
                f"{checkpoint} decides among {count} experts, and {features or 'the default'} names {len(names)}; name "
                f"those that it was trained with, with commas between them, with {option('features')}"
            )
        experts = make_experts(names, file)
        identities = ", ".join(f"{expert.name} {expert.id}" for expert in experts)
        pausing = action.shape[0] == action_size(count, True)
        return EnsembleTracker(model, experts, f"{checkpoint.name} {digest} {identities}", pausing)
    kind = getattr(observation, "kind", None) or getattr(action, "kind", None)
    if kind == "window" or (isinstance(observation, spaces.Dict) and "search" in observation.spaces):
        if features is not None and features not in MAPS:
            raise InputError(
                f"{checkpoint} was trained in {SEARCH}; its {option('features')} are one of {', '.join(MAPS)}"
            )
        maps = make_maps(features or "cells", file)
        _check_channels(checkpoint, observation, maps.channels)
        return SB3WindowTracker(_on_windows(model), maps, f"{checkpoint.name} {digest} {maps.id}")
    return sb3_model.frame_tracker(model, checkpoint, file, features)


def _environment(folder: Path) -> Any:
    """The id that a run of train/sb3.py names; None for its oldest runs, which knew one environment only."""
    return ck.read(folder, "sb3").config.get("environment")


def _closed_loop(folder: Path, weights: Sequence[Path]) -> Tracker:
    """A run of train/sb3.py in a closed loop, from its ``policy.onnx``."""
    loaded, file = ck.read(folder, "sb3"), weights_file(weights)
    name, run_file = loaded.features
    policy = loaded.policy()
    identity = f"{loaded.config['algorithm']} {loaded.path.name} {loaded.digest} {loaded.extractor}"
    if loaded.config["environment"] == EXPERTS:
        experts = make_experts(str(name).split(","), file or run_file)
        loaded.check_extractor(", ".join(f"{expert.name} {expert.id}" for expert in experts))
        return EnsembleTracker(policy, experts, identity)
    maps = make_maps(name or "cells", file or run_file)
    loaded.check_extractor(maps.id)
    ready = ReadyPolicy(policy, flatten_window, lambda action, seen: move_box(action, seen["location"]))
    return SB3WindowTracker(ready, maps, identity)


def _on_windows(model: Any) -> ReadyPolicy:
    """A model on the observations and actions of ``OTBTrackSearch-v0``, whichever wrappers it was trained with."""
    observation, action = model.observation_space, model.action_space

    def decide(numbers: np.ndarray, seen: dict[str, np.ndarray]) -> np.ndarray:
        if isinstance(action, ReadyBox):
            return move_box(numbers, seen["location"])
        return (numbers - action.low) / (action.high - action.low)  # a box in the region, on another scale

    return ReadyPolicy(model, flatten_window if isinstance(observation, ReadyBox) else dict, decide)


def _is_of_experts(observation: Any, action: Any) -> bool:
    """Whether spaces are those of ``OTBTrackExperts-v0``, whose actions are always more numbers than a box has."""
    if not (isinstance(observation, spaces.Box) and isinstance(action, spaces.Box)) or len(observation.shape) != 1:
        return False
    return action.shape != (4,) and observation.shape[0] % NUMBERS == 0


def _check_channels(path: Path, observation: Any, channels: int) -> None:
    """Raise an `InputError` unless a model that sees feature maps sees as many channels as the extractor gives."""
    if isinstance(observation, spaces.Dict) and (seen := observation["search"].shape or (0,))[0] != channels:
        raise InputError(
            f"{path} was trained on maps of {seen[0]} channels, not {channels}; name its extractor with "
            f"{option('features')}"
        )
