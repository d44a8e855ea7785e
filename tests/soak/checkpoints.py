"""Readers of checkpoints, of all three training scripts."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from torch import nn

from agents import checkpoint, pointing_checkpoint, sb3_checkpoint
from agents.drlt import DRLT, DRLTConfig
from agents.heads import Heads
from agents.pointing import Pointing, PointingConfig
from agents.reinforce import ReinforceConfig
from agents.sb3 import SB3Agent, policy_options, spaces_of
from tests.soak.parser import each
from tracking_env.trackers.checkpoint import read
from train.schedule import Progress

OPTIONS = ReinforceConfig(baseline="value", learn_sigma=True)


def learn(optimizer: torch.optim.Optimizer, *modules: nn.Module) -> None:
    """A step on all parameters."""
    sum(one.sum() for module in modules for one in module.parameters()).backward()
    optimizer.step()


def files(save: Callable[[Path], Path]) -> dict[str, bytes]:
    """The files of a checkpoint, by name."""
    with tempfile.TemporaryDirectory() as folder:
        return {one.name: one.read_bytes() for one in save(Path(folder, "one")).iterdir()}


def tracked(folder: Path) -> None:
    """As the trackers read it."""
    name, weights = read(folder).features
    assert all(part is None or isinstance(part, str) for part in (name, weights))


def drlt() -> dict[str, bytes]:
    model, heads = DRLT(5, DRLTConfig(observation=3, hidden=4)), Heads(4, OPTIONS)
    optimizer = torch.optim.Adam([*model.parameters(), *heads.parameters()])
    learn(optimizer, model, heads)
    where = asdict(Progress(3, 1, 1, -0.5, 0))
    return files(lambda folder: checkpoint.save(folder, model, optimizer, "mean", 3, {"seed": 0}, heads, where))


def read_drlt(folder: Path) -> None:
    """Load, and take a step: what was loaded must be usable."""
    loaded = checkpoint.load(folder)
    tracked(folder)
    Progress.read(loaded.progress)
    heads = Heads(loaded.model.config.hidden, OPTIONS)
    heads.take(loaded.heads)
    optimizer = torch.optim.Adam([*loaded.model.parameters(), *heads.parameters()])
    checkpoint.restore(optimizer, loaded.model, loaded.optimizer, heads)
    size = loaded.model.feature_mean.numel()
    mean, _ = loaded.model(torch.zeros(1, 2, size), torch.zeros(1, 2, 4))
    mean.sum().backward()
    optimizer.step()


def pointing() -> dict[str, bytes]:
    model = Pointing(3, PointingConfig(width=4))
    optimizer = torch.optim.Adam(model.parameters())
    learn(optimizer, model)
    run: dict[str, Any] = {"data": {"features": "cells"}}
    return files(lambda folder: pointing_checkpoint.save(folder, model, "cells", 3, run, optimizer))


def read_pointing(folder: Path) -> None:
    """Load, take a step, and begin a sequence."""
    loaded = pointing_checkpoint.load(folder)
    tracked(folder)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    pointing_checkpoint.restore(optimizer, loaded.model, loaded.optimizer)
    learn(optimizer, loaded.model)
    loaded.model.begin(torch.zeros(1, loaded.model.channels, 8, 8), torch.full((1, 4), 0.5))


class Spaces(gym.Env):
    """What an algorithm must know of an environment."""

    observation_space, action_space = spaces_of(5), gym.spaces.Box(0, 1, (4,))


def ppo() -> PPO:
    return PPO("MultiInputPolicy", Spaces(), policy_kwargs=policy_options("ppo", 3, 0.01), device="cpu")


def sb3() -> dict[str, bytes]:
    facts = {"algorithm": "ppo", "features": 5, "hidden": 3, "extractor": "mean", "best": None, "run": {}}
    model = ppo()
    learn(model.policy.optimizer, model.policy)
    return files(lambda folder: sb3_checkpoint.save(folder, model, facts))


def read_sb3(folder: Path) -> None:
    """As a tracker, and to go on with."""
    loaded = sb3_checkpoint.load(folder)
    tracked(folder)
    SB3Agent(loaded.policy())
    model = ppo()
    loaded.restore(model)
    learn(model.policy.optimizer, model.policy)


PARSERS = {
    **each("checkpoint", drlt(), read_drlt),
    **each("search checkpoint", pointing(), read_pointing),
    **each("SB3 checkpoint", sb3(), read_sb3),
}
