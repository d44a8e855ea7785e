"""Check and read the files of a finished or stopped job: every file with its final name must be complete."""

import hashlib
import json
from pathlib import Path

import numpy as np

from tests.helpers.file_server import SHA256
from tracking_env.datasets.video import VideoFrames
from tracking_env.features.store import FeatureStore
from tracking_env.files import PARTIAL

Contents = dict[str, bytes]
"""Contents of files by name."""


def finished_files(folder: Path, pattern: str) -> list[Path]:
    """The files that have their final names, and lie in no unfinished folder."""
    paths = []
    for path in folder.glob(pattern):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(PARTIAL) for part in parts):
            paths.append(path)
    return paths


def read_store(folder: Path) -> Contents:
    """The files of a feature store. Each array must have its description beside it."""
    contents = {}
    for path in finished_files(folder / "store", "*"):
        contents[path.name] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(contents[path.name])
        else:
            assert path.with_suffix(".json").exists(), f"{path.name} has no description"
            np.load(path).sum()
    assert FeatureStore.HEADER in contents or not contents
    return contents


def read_evaluation(folder: Path) -> Contents:
    """The result files of an evaluation. Of the files of seconds only their lengths, since these times vary."""
    contents = {}
    for path in finished_files(folder / "results", "**/*.*"):
        name = str(path.relative_to(folder))
        contents[name] = path.read_bytes()
        if path.suffix == ".json":
            json.loads(contents[name])
        elif path.name.endswith("_time.txt"):
            contents[name] = str(np.loadtxt(path).shape).encode()
    return contents


def read_tracked(folder: Path) -> Contents:
    """The files of a tracked video. Of the JSON without what differs between equal jobs, of the overlay the frames."""
    contents = {}
    for path in finished_files(folder / "tracked", "*/*"):
        content = path.read_bytes()
        if path.suffix == ".json":
            facts = json.loads(content)
            content = json.dumps([[row["frame"], row["box"]] for row in facts["boxes"]]).encode()
        elif path.suffix == ".mp4":
            content = str(len(VideoFrames(path))).encode()
        contents[path.name] = content
    return contents


def read_report(folder: Path) -> Contents:
    """The page and its plots, whole."""
    contents = {
        str(path.relative_to(folder)): path.read_bytes() for path in finished_files(folder / "report", "**/*.*")
    }
    for name, content in contents.items():
        ends = {".html": b"</html>", ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}
        assert content.rstrip().endswith(ends[Path(name).suffix]), f"{name} is not whole"
    return contents


def read_download(folder: Path) -> Contents:
    """The downloaded file, whose checksum must be right."""
    path = folder / "weights" / "a.weights"
    if not path.exists():
        return {}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return {path.name: path.read_bytes()}
