"""Readers of a stranger's agent: its ``policy.onnx``, and what ``tracking-env push`` reads of a run."""

import json
from pathlib import Path

import numpy as np

from agents.arbiter import Arbiter, ArbiterConfig
from agents.checkpoints.onnx_export import export_arbiter
from tests.soak.checkpoints import drlt_files
from tests.soak.parser import Parser
from tracking_env.clients import hub
from tracking_env.trackers.onnx_policy import OnnxPolicy

CHECKPOINT = Path("run/checkpoints/000003")
POLICY = export_arbiter(Arbiter(42, 2, ArbiterConfig(width=4, hidden=3)))
DRLT = drlt_files()
PART = {"auc": 0.5, "precision20": 0.4, "mean_iou": 0.3}
REPORT = {
    "epochs": 3,
    "extractor": "mean",
    "protocol": "one-pass evaluation",
    "mean": {"whole": PART, "seen": None, "unseen": PART},
    "lines": {"static": {"whole": PART, "seen": None, "unseen": None}},
    "dataset": {"name": "otb", "training": ["Deer"], "training_frames": 23, "testing": ["Suv"], "testing_frames": 945},
    "fps": {"online": 94.4},
    "device": "cpu",
}


def run_policy(folder: Path) -> None:
    """Open the policy and decide a frame."""
    policy = OnnxPolicy(folder / "policy.onnx")
    prediction, _ = policy.predict({name: np.zeros(shape, np.float32) for name, shape in policy.observation.items()})
    assert np.isfinite(prediction.action).all()


def write_run(folder: Path) -> None:
    """A finished run's newest checkpoint and its report."""
    files = {name: content for name, content in DRLT.items() if name != "optimizer.safetensors"}
    (folder / CHECKPOINT).mkdir(parents=True)
    for name, content in (files | {"policy.onnx": POLICY}).items():
        (folder / CHECKPOINT / name).write_bytes(content)
    (folder / "run" / "report.json").write_text(json.dumps(REPORT))


def publish(folder: Path) -> None:
    """Publish into a folder. The card must be a card, whatever the texts in it are."""
    hub.push(folder / CHECKPOINT, str(folder / "published"))
    card = (folder / "published" / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in card if line.startswith("---")] == ["---", "---"]
    assert len([line for line in card if line.startswith("```")]) == 4


PARSERS = {
    "policy.onnx": Parser("policy.onnx", (POLICY,), run_policy),
    "push, config.json": Parser(f"{CHECKPOINT}/config.json", (DRLT["config.json"],), publish, write_run),
    "push, report.json": Parser("run/report.json", (json.dumps(REPORT).encode(),), publish, write_run),
    "push, policy.onnx": Parser(f"{CHECKPOINT}/policy.onnx", (POLICY,), publish, write_run),
}
