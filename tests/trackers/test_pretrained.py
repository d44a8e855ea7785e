"""The trained agents that come with the code."""

import json

import gymnasium as gym
import numpy as np
import pytest

from tracking_env.datasets.otb import load
from tracking_env.datasets.synthetic import generate
from tracking_env.envs import FlatObservation, SymmetricAction
from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import overlaps
from tracking_env.registry import TrackerSpec, make_tracker
from tracking_env.trackers import load_policy, pretrained_names
from tracking_env.trackers.base import run
from tracking_env.trackers.baselines import static_first_box
from tracking_env.trackers.checkpoint import PRETRAINED, read

KINDS = {"experts": "experts", "cells": "search", "drlt-drawn": "drlt", "drlt-otb": "drlt", "ppo-drawn": "sb3"}
"""The tracker that runs each agent."""
FOLDERS = sorted(path for path in PRETRAINED.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_pretrained_agent_is_small_and_contains_no_local_path(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) < 4_000_000
    config = json.loads((folder / "config.json").read_text())
    assert "/" not in json.dumps(config["run"]) and config["run"]["data"]["weights"] is None
    checkpoint = read(folder)
    assert checkpoint.kind == KINDS[folder.name]
    names = checkpoint.features[0]
    assert names and all(name in checkpoint.extractor for name in names.split(","))


def test_the_card_names_every_pretrained_agent():
    card = (PRETRAINED / "README.md").read_text()
    assert all(f"`{folder.name}`" in card for folder in FOLDERS)


def test_each_agent_loads_by_its_name(tmp_path, monkeypatch):
    assert pretrained_names() == [folder.name for folder in FOLDERS] == sorted(KINDS)
    assert [read(PRETRAINED / name).path for name in KINDS] == [PRETRAINED / name for name in KINDS]
    with pytest.raises(InputError, match=r"no checkpoint in drlt-draw \(did you mean 'drlt-drawn'\?\); train first"):
        load_policy("drlt-draw")
    with pytest.raises(InputError, match="or one that comes with the package: drlt-drawn, drlt-otb"):
        make_tracker("drlt")
    # A folder of the user's own comes first.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    with pytest.raises(InputError, match="no checkpoint in cells"):
        load_policy("cells")


@pytest.mark.parametrize("name", ["cells", "drlt-drawn", "ppo-drawn"])
def test_an_agent_without_weights_follows_held_out_targets(name):
    tracker = make_tracker(KINDS[name], checkpoint=name)
    ours, still = [], []
    for seed in (500, 501, 502):
        sequence = generate(seed, length=30)
        ours.append(overlaps(run(tracker, sequence).boxes, sequence.boxes).mean())
        still.append(overlaps(static_first_box(sequence), sequence.boxes).mean())
    # The mean gain of the weakest is 0.17.
    assert sum(ours) > sum(still) + 0.3


def test_a_policy_acts_in_its_environment():
    whole = gym.make("OTBTrack-v0", sequences="synthetic:501", split="all", clip_length=None)
    closed = gym.make("OTBTrackSearch-v0", sequences="synthetic:501", split="all")
    for name, env in {"drlt-drawn": whole, "ppo-drawn": FlatObservation(SymmetricAction(closed))}.items():
        policy, state, ious, over = load_policy(name), None, [], False
        observation, _ = env.reset(seed=0)
        while not over:
            action, state = policy.act(observation, state)
            observation, _, terminated, truncated, info = env.step(action)
            ious.append(info["iou"])
            over = terminated or truncated
        assert np.mean(ious) > 0.4, name


@pytest.mark.otb
def test_the_agent_among_experts_follows_a_real_target(otb_root, expert_files):
    (sequence,) = load(otb_root, "Couple")
    tracker = TrackerSpec("experts", (expert_files,)).make().live()
    assert overlaps(run(tracker, sequence).boxes, sequence.boxes).mean() > 0.5
