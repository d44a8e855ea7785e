"""What must hold of a folder in which a job was broken off: each file that has its final name is whole."""

import hashlib
import json
from pathlib import Path

import numpy as np

from tests.helpers.file_server import SHA256
from tracking_env.features.store import FeatureStore
from tracking_env.files import PARTIAL

Content = dict[str, bytes]


def finished(folder: Path, pattern: str) -> list[Path]:
    """The files that have their final names."""
    names = [one for one in folder.glob(pattern) if one.is_file()]
    return [one for one in names if not any(part.startswith(PARTIAL) for part in one.relative_to(folder).parts)]


def stored(folder: Path) -> Content:
    """Features and what is said of them."""
    found = {}
    for path in finished(folder / "store", "*"):
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(found[path.name])
        else:
            assert path.with_suffix(".json").exists(), f"{path.name} is of unknown origin"
            np.load(path).sum()
    assert FeatureStore.HEADER in found or len(found) == 0
    return found


def evaluated(folder: Path) -> Content:
    """Boxes; of the seconds only that there are as many."""
    found = {}
    for path in finished(folder / "results", "**/*.*"):
        found[str(path.relative_to(folder))] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.name.endswith("_time.txt"):
            found[str(path.relative_to(folder))] = str(np.loadtxt(path).shape).encode()
    return found


def fetched(folder: Path) -> Content:
    """The file, checked by its sum."""
    path = folder / "weights" / "a.weights"
    if not path.exists():
        return {}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return {path.name: path.read_bytes()}
