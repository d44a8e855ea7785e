import importlib.util
import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from tracking_env import rendering
from tracking_env.features.model_zoo import TRACKERS

hypothesis.settings.register_profile("no deadline", deadline=None)  # a slow machine must not fail a test
hypothesis.settings.load_profile("no deadline")

if importlib.util.find_spec("torch"):
    import torch

    torch.set_num_threads(1)  # pytest-xdist already uses the cores


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a training script: a shared cache, one thread, and warnings as errors."""
    return os.environ | {
        "TRACKING_ENV_CACHE": str(tmp_path_factory.mktemp("cache")),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error::UserWarning",
    }


@pytest.fixture
def here(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the same shared cache for training in this process, which starts faster than a new one."""
    monkeypatch.setenv("TRACKING_ENV_CACHE", environment["TRACKING_ENV_CACHE"])


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty cache that is deleted after the test."""
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The list of pictures that OpenCV would have shown in a window."""
    pictures: list[np.ndarray] = []
    monkeypatch.setattr(rendering, "has_display", lambda: True)
    monkeypatch.setattr(rendering, "show", lambda picture, fps: pictures.append(picture))
    monkeypatch.setattr(rendering, "close_window", lambda: None)
    return pictures


@pytest.fixture(scope="session")
def otb_root() -> Path:
    """The folder that holds real OTB sequences, given by the environment variable OTB_ROOT."""
    if not os.environ.get("OTB_ROOT"):
        pytest.skip("OTB_ROOT is not set: it names the folder that holds OTB's sequence folders")
    return Path(os.environ["OTB_ROOT"])


@pytest.fixture(scope="session")
def reference(otb_root: Path) -> Path:
    """Official annotations and a published tracker's results, beside the sequences."""
    folder = otb_root.parent / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference results in {folder}")
    return folder


@pytest.fixture
def nanotrack(otb_root):
    """The folder of NanoTrack's two files."""
    folder = otb_root.parent / "weights"
    if not all(list(folder.glob(f"*{part}*.onnx")) for part in ("backbone", "head")):
        pytest.skip("no NanoTrack weights beside OTB_ROOT")
    return folder


@pytest.fixture
def expert_files(otb_root):
    """The folder of the weights files of NanoTrack v3, FEAR-XS and VitTrack."""
    folder = otb_root.parent / "experts"
    names = [file.name for name in ("nanotrack-v3", "fear-xs", "vittrack") for file in TRACKERS[name]]
    if not all((folder / name).is_file() for name in names):
        pytest.skip("no folder experts beside OTB_ROOT")
    return folder
