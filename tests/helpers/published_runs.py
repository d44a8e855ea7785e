"""Runs of every training script, made without training, to be published."""

import json
import types
from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch")

from agents.checkpoints import drlt as checkpoint  # noqa: E402
from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from tracking_env.clients import model_card  # noqa: E402
from tracking_env.features.extractors import make_extractor  # noqa: E402

GRID = make_extractor("grid", None)
RUN = {
    "preset": "small",
    "learner": "reinforce",
    "data": {
        "root": "/home/me/OTB",
        "sequences": "drlt30",
        "test_sequences": None,
        "augment": 4,
        "features": "grid",
        "weights": "/home/me/weights",
        "store": "/home/me/store",
    },
    "schedule": {"lr": 1e-4, "clip_norm": None},
    "out": "/home/me/runs/small",
    "resume": False,
    "seed": 3,
}
MEAN = {part: {"auc": auc, "precision20": 0.5, "mean_iou": 0.4} for part, auc in (("whole", 0.51), ("unseen", 0.345))}
REPORT = {
    "mean": MEAN | {"seen": {"auc": 0.858, "precision20": None, "mean_iou": 0.7}},
    "lines": {"replay-and-freeze": MEAN | {"seen": None}},
    "protocol": "one-pass evaluation",
    "dataset": {
        "name": "otb",
        "training": ["Deer"],
        "training_frames": 23,
        "testing": ["Deer", "Suv"],
        "testing_frames": 1016,
    },
    "fps": {"online": 94.4},
    "device": "cpu",
    "epochs": 7,
    "extractor": GRID.id,
}
DRLT_KIND, SEARCH_KIND, SB3_KIND, EXPERTS_KIND = model_card.KINDS.values()


def write_drlt_run(folder):
    """Write the folder of a run of train/reinforce.py of 7 epochs, with its report."""
    torch.manual_seed(0)
    model = DRLT(GRID.dim, DRLTConfig(observation=7, hidden=6))
    optimizer = torch.optim.Adam(model.parameters())
    checkpoint.export(checkpoint.save(folder / "checkpoints", model, optimizer, GRID.id, 7, RUN))
    (folder / "report.json").write_text(json.dumps(REPORT))


def write_run(kind, folder):
    """Write the folder of a run of train/search.py or train/sb3.py of 40 updates or steps, with its report."""
    torch.manual_seed(0)
    data = RUN["data"] | {"weights": None, "extra": None}
    report = REPORT | {kind.report_key: 40}
    if kind is SEARCH_KIND:
        from agents.checkpoints import region_agent as region_agent_checkpoint
        from agents.region_agent import RegionAgent, RegionAgentConfig
        from tracking_env.features.maps import make_maps
        from train.search_config import parse as parse_search

        maps = make_maps("cells")
        model = RegionAgent(maps.channels, RegionAgentConfig(width=4))
        run = asdict(parse_search(["--width", "4", "--no-memory"]))
        run |= {"data": data | {"features": "cells"}, "start": "/home/me/runs/warm", "out": "/home/me/x"}
        moments = torch.optim.Adam(model.parameters())
        path = region_agent_checkpoint.save_newest(folder / "checkpoints", model, maps.id, 40, run, moments)
        region_agent_checkpoint.export(path)
        report |= {"extractor": maps.id}
    else:
        pytest.importorskip("sb3_contrib")
        from agents.checkpoints import sb3 as sb3_checkpoint
        from agents.sb3 import new_policy

        policy = new_policy("ppo", GRID.dim, 8, sigma=0.01)
        model = types.SimpleNamespace(policy=policy, num_timesteps=40, _n_updates=1, _episode_num=4)
        facts = {"algorithm": "ppo", "features": GRID.dim, "hidden": 8, "extractor": GRID.id, "best": None}
        facts |= {"run": {"algo": "ppo", "data": data, "out": "/home/me/x"}}
        path = sb3_checkpoint.save(folder / "checkpoints", model, facts, training=False)
        sb3_checkpoint.export(path)
        (folder / "checkpoints" / "000000040" / "training.safetensors").write_bytes(b"only for training")
    (folder / "report.json").write_text(json.dumps(report))


def change_config(run, change):
    """Change a checkpoint's configuration by keys such as ``run.data``."""
    path = run / "checkpoints" / "000007" / "config.json"
    config = json.loads(path.read_text())
    for key, value in change.items():
        *parents, name = key.split(".")
        tree = config
        for parent in parents:
            tree = tree[parent]
        tree[name] = value
    path.write_text(json.dumps(config))
