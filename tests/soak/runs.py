"""Readers of the files in a run directory and in a feature store."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from tests.soak.parser import Parser
from tests.soak.sample_files import make_sequence
from tracking_env.features.store import FeatureStore
from train.config import RunConfig
from train.run.directory import RunDirectory
from train.run.log import METRICS, drop_metrics_after

RUN = RunConfig(out="run", resume=True)
CONFIG = json.dumps(asdict(RUN)).encode()


def write_run(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_bytes(CONFIG)


def read_run(folder: Path) -> None:
    """Read the files that a resumed run reads, without opening TensorBoard's log."""
    run = RunDirectory(replace(RUN, out=str(folder / "run")))
    drop_metrics_after(folder / "run" / METRICS, run.unit, 3)


class MeanExtractor:
    """The mean colour of each frame."""

    id, dim = "mean", 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The frame itself."""
        return frame

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=(1, 2), dtype=np.float32)


def write_store(folder: Path) -> None:
    FeatureStore(MeanExtractor(), folder / "store")[make_sequence()]


def read_store(folder: Path) -> None:
    features = FeatureStore(MeanExtractor(), folder / "store")[make_sequence()]
    assert features.shape == (3, 3) and features.dtype == np.float16
    # The store maps the file without reading it; training stops at features that are not finite.
    with np.errstate(invalid="ignore"):
        np.asarray(features, np.float32).sum()


def store_parser(pattern: str) -> Parser:
    """The parser of a file in a feature store."""
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder))
        (path,) = Path(folder, "store").glob(pattern)
        return Parser(f"store/{path.name}", (path.read_bytes(),), read_store, write_store)


PARSERS = {
    "run, config.json": Parser("run/config.json", (CONFIG,), read_run, write_run),
    "run, metrics.jsonl": Parser(
        "run/metrics.jsonl", (b'{"epoch": 1, "reward/l1": -0.5}\n{"epoch": 4}\n',), read_run, write_run
    ),
    "store, npy": store_parser("*.npy"),
    "store, origin": store_parser("sample-*.json"),
    "store, header": store_parser("store.json"),
}
