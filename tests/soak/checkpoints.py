"""Readers of checkpoints of the training scripts."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from torch import nn

from agents.arbiter import Arbiter, ArbiterConfig
from agents.checkpoints import arbiter as arbiter_checkpoint
from agents.checkpoints import drlt as checkpoint
from agents.checkpoints import region_agent as region_agent_checkpoint
from agents.checkpoints import sb3 as sb3_checkpoint
from agents.checkpoints.base import restore
from agents.drlt import DRLT, DRLTConfig
from agents.region_agent import RegionAgent, RegionAgentConfig
from agents.sb3 import SB3Agent, observation_space, policy_options
from tests.soak.parser import make_parsers
from tracking_env.trackers.checkpoint import read
from train.run.schedule import Progress


def update(optimizer: torch.optim.Optimizer, *modules: nn.Module) -> None:
    """Take an optimizer step on all parameters."""
    sum(parameter.sum() for module in modules for parameter in module.parameters()).backward()
    optimizer.step()


def saved_files(save: Callable[[Path], Path]) -> dict[str, bytes]:
    """The contents of a checkpoint's files, by name."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in save(Path(folder, "checkpoints")).iterdir()}


def read_for_tracking(folder: Path) -> None:
    """Read the checkpoint as the trackers do."""
    name, weights = read(folder).features
    assert all(part is None or isinstance(part, str) for part in (name, weights))


def drlt_files() -> dict[str, bytes]:
    model = DRLT(5, DRLTConfig(observation=3, hidden=4))
    optimizer = torch.optim.Adam(model.parameters())
    update(optimizer, model)
    progress = asdict(Progress(3, 1, 1, -0.5, 0))
    return saved_files(lambda folder: checkpoint.save(folder, model, optimizer, "mean", 3, {"seed": 0}, progress))


def read_drlt(folder: Path) -> None:
    """Load the checkpoint and take a step, so that an unusable checkpoint fails."""
    loaded = checkpoint.load(folder)
    read_for_tracking(folder)
    Progress.read(loaded.progress)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    restore(optimizer, loaded.model, loaded.optimizer)
    size = loaded.model.feature_mean.numel()
    mean, _ = loaded.model(torch.zeros(1, 2, size), torch.zeros(1, 2, 4))
    mean.sum().backward()
    optimizer.step()


def region_agent_files() -> dict[str, bytes]:
    model = RegionAgent(3, RegionAgentConfig(width=4))
    optimizer = torch.optim.Adam(model.parameters())
    update(optimizer, model)
    run: dict[str, Any] = {"data": {"features": "cells"}}
    return saved_files(lambda folder: region_agent_checkpoint.save(folder, model, "cells", 3, run, optimizer))


def read_region_agent(folder: Path) -> None:
    """Load the checkpoint, take a step, and begin a sequence."""
    loaded = region_agent_checkpoint.load(folder)
    read_for_tracking(folder)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    restore(optimizer, loaded.model, loaded.optimizer)
    update(optimizer, loaded.model)
    loaded.model.begin(torch.zeros(1, loaded.model.channels, 8, 8), torch.full((1, 4), 0.5))


def arbiter_files() -> dict[str, bytes]:
    model = Arbiter(42, 2, ArbiterConfig(width=4, hidden=3))
    optimizer = torch.optim.Adam(model.parameters())
    update(optimizer, model)
    run: dict[str, Any] = {"data": {"features": "grey,colour"}}
    experts = ["grey v1", "colour v1"]
    return saved_files(lambda folder: arbiter_checkpoint.save(folder, model, experts, 3, run, optimizer))


def read_arbiter(folder: Path) -> None:
    """Load the checkpoint, take a step, and decide a frame."""
    loaded = arbiter_checkpoint.load(folder)
    read_for_tracking(folder)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    restore(optimizer, loaded.model, loaded.optimizer)
    update(optimizer, loaded.model)
    loaded.model.act(np.zeros(loaded.model.features, np.float32))


class SpacesEnv(gym.Env):
    """The spaces of an environment, which an algorithm needs; no more."""

    observation_space, action_space = observation_space(5), gym.spaces.Box(0, 1, (4,))


def make_ppo() -> PPO:
    return PPO("MultiInputPolicy", SpacesEnv(), policy_kwargs=policy_options("ppo", 3, 0.01), device="cpu")


def sb3_files() -> dict[str, bytes]:
    facts = {"algorithm": "ppo", "features": 5, "hidden": 3, "extractor": "mean", "best": None, "run": {}}
    model = make_ppo()
    update(model.policy.optimizer, model.policy)
    return saved_files(lambda folder: sb3_checkpoint.save(folder, model, facts))


def read_sb3(folder: Path) -> None:
    """Load the policy for tracking, and the algorithm for more training."""
    loaded = sb3_checkpoint.load(folder)
    read_for_tracking(folder)
    SB3Agent(loaded.policy())
    model = make_ppo()
    loaded.restore(model)
    update(model.policy.optimizer, model.policy)


PARSERS = {
    **make_parsers("checkpoint", drlt_files(), read_drlt),
    **make_parsers("search checkpoint", region_agent_files(), read_region_agent),
    **make_parsers("arbiter checkpoint", arbiter_files(), read_arbiter),
    **make_parsers("SB3 checkpoint", sb3_files(), read_sb3),
}
