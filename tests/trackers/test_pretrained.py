"""The trained agents that come with the code."""

import json

import pytest

from tracking_env.datasets.otb import load
from tracking_env.datasets.synthetic import generate
from tracking_env.evaluation.metrics import overlaps
from tracking_env.registry import TrackerSpec
from tracking_env.search.trained import tracker as tracker_of
from tracking_env.trackers.base import run
from tracking_env.trackers.baselines import static_first_box
from tracking_env.trackers.checkpoint import PRETRAINED, read

FOLDERS = sorted(path for path in PRETRAINED.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_pretrained_agent_is_small_and_contains_no_local_path(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    config = json.loads((folder / "config.json").read_text())
    assert "/" not in json.dumps(config["run"]) and config["run"]["data"]["weights"] is None
    checkpoint = read(folder)
    # The folder has the name of the tracker, or of the features that the closed-loop agent observes.
    assert folder.name == checkpoint.kind or (checkpoint.kind, folder.name) == ("search", "cells")
    names = checkpoint.features[0]
    assert names and all(name in checkpoint.extractor for name in names.split(","))


def test_the_card_names_every_pretrained_agent():
    card = (PRETRAINED / "README.md").read_text()
    assert all(f"`{folder.name}`" in card for folder in FOLDERS)


def test_the_agent_without_weights_follows_held_out_targets():
    tracker = tracker_of()
    ours, still = [], []
    for seed in (500, 501, 502):
        sequence = generate(seed, length=30)
        ours.append(overlaps(run(tracker, sequence).boxes, sequence.boxes).mean())
        still.append(overlaps(static_first_box(sequence), sequence.boxes).mean())
    assert sum(ours) > sum(still) + 0.3


@pytest.mark.otb
def test_the_agent_among_experts_follows_a_real_target(otb_root, expert_files):
    (sequence,) = load(otb_root, "Couple")
    tracker = TrackerSpec("experts", (expert_files,)).make().live()
    assert overlaps(run(tracker, sequence).boxes, sequence.boxes).mean() > 0.5
