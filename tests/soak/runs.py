"""Readers of what a run directory and a store of features hold."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from tests.soak.drawn import sequence
from tests.soak.parser import Parser
from tracking_env.features.store import FeatureStore
from train.config import RunConfig
from train.run import Run

RUN = RunConfig(out="run", resume=True)
CONFIG = json.dumps(asdict(RUN)).encode()


def build_run(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_bytes(CONFIG)


def read_run(folder: Path) -> None:
    """What `start` does first, without opening TensorBoard's log."""
    run = Run(replace(RUN, out=str(folder / "run")))
    run._metrics = folder / "run" / "metrics.jsonl"
    run._forget_after(3)


class Mean:
    """The extractor of the store."""

    id, dim = "mean", 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The frame."""
        return frame

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=(1, 2), dtype=np.float32)


def build_store(folder: Path) -> None:
    FeatureStore(Mean(), folder / "store")[sequence()]


def read_store(folder: Path) -> None:
    features = FeatureStore(Mean(), folder / "store")[sequence()]
    assert features.shape == (3, 3) and features.dtype == np.float16
    with np.errstate(invalid="ignore"):  # they are mapped, not looked through: training stops at what is not finite
        np.asarray(features, np.float32).sum()


def stored(name: str) -> Parser:
    """The reader of a file of a good store."""
    with tempfile.TemporaryDirectory() as folder:
        build_store(Path(folder))
        (path,) = Path(folder, "store").glob(name)
        return Parser(f"store/{path.name}", (path.read_bytes(),), read_store, build_store)


PARSERS = {
    "run, config.json": Parser("run/config.json", (CONFIG,), read_run, build_run),
    "run, metrics.jsonl": Parser(
        "run/metrics.jsonl", (b'{"epoch": 1, "reward/l1": -0.5}\n{"epoch": 4}\n',), read_run, build_run
    ),
    "store, npy": stored("*.npy"),
    "store, origin": stored("one-*.json"),
    "store, header": stored("store.json"),
}
