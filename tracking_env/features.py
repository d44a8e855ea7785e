"""What an agent sees of a frame: extractors, and the store that keeps their output on disk."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from tqdm import tqdm

from tracking_env.errors import InputError
from tracking_env.files import PARTIAL, cache_folder, whole
from tracking_env.sequence import Sequence

FEATURE_LIMIT = float(np.finfo(np.float16).max)
"""Features are kept as float16: larger values are clipped to it."""


class Extractor(Protocol):
    """Turns frames into feature vectors; frozen, and the same vector for the same frame."""

    @property
    def id(self) -> str:
        """Names the network, its weights and its preprocessing: equal ids give equal features."""

    @property
    def dim(self) -> int:
        """D, the length of a feature vector."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB -> ``(N, D)`` float32."""


class GridExtractor:
    """Colour and gradient-orientation statistics on a grid: needs no weights and no torch.

    The frame is resized to `CELL` pixels per cell. Each of the 12 x 16 cells holds the means of red, green, blue and
    saturation, and of the gradient's magnitude in four orientations (across, falling, down, rising; bins are centred on
    them), all in [0, 1].
    """

    ROWS, COLUMNS, CELL, ORIENTATIONS = 12, 16, 8, 4

    id = f"grid-{ROWS}x{COLUMNS}-v2"
    dim = ROWS * COLUMNS * (4 + ORIENTATIONS)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB -> ``(N, 1536)`` float32, order rows, columns, channels."""
        return np.stack([self._one(frame) for frame in frames])

    def _one(self, frame: np.ndarray) -> np.ndarray:
        size = self.COLUMNS * self.CELL, self.ROWS * self.CELL
        image = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        high, low = image.max(axis=2), image.min(axis=2)
        saturation = (high - low) / np.maximum(high, 1 / 255)
        grey = image.mean(axis=2)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        magnitude = np.hypot(dx, dy) / 4  # of a step from 0 to 1: 1
        bin_of = np.round(np.arctan2(dy, dx) / np.pi * self.ORIENTATIONS).astype(int) % self.ORIENTATIONS
        oriented = [np.where(bin_of == number, magnitude, 0) for number in range(self.ORIENTATIONS)]
        channels = np.dstack([image, saturation, *oriented])
        cells = channels.reshape(self.ROWS, self.CELL, self.COLUMNS, self.CELL, -1).mean(axis=(1, 3))
        return cells.ravel()


EXTRACTORS = ("grid", "yolo-nano-voc")


def make_extractor(name: str = "grid", weights: str | Path | None = None) -> Extractor:
    """Build an extractor by name.

    Args:
        name: one of `EXTRACTORS`. ``grid`` needs nothing, the others are pretrained networks and need torch.
        weights: the weights file of a pretrained network, or the folder that holds it under its published name; by
            default that folder is ``weights`` in this library's cache folder.

    Raises:
        InputError: the name is unknown, torch is not installed, or the weights are missing or of another network.
    """
    if name not in EXTRACTORS:
        raise InputError(f"unknown extractor {name!r}; choose one of {', '.join(EXTRACTORS)}")
    if name == "grid":
        return GridExtractor()
    try:
        from tracking_env import backbones  # needs torch, which the rest of the library does without
    except ModuleNotFoundError as error:
        raise InputError(f"{name} needs {error.name}; type: pip install 'tracking-env[torch]'") from None
    return backbones.make(name, Path(weights) if weights else cache_folder() / "weights")


class FeatureStore:
    """Features on disk: a folder of one extractor, with one memory-mapped float16 array ``(T, D)`` per sequence.

    Args:
        folder: created when the first features are written. By default a folder of this extractor in the cache folder.
        extractor: what fills it.

    Raises:
        InputError: the folder holds another extractor's features, or something else.
    """

    HEADER = "store.json"
    BATCH = 32  # frames given to the extractor at once

    def __init__(self, extractor: Extractor, folder: Path | None = None) -> None:
        self.extractor = extractor
        self.folder = folder or cache_folder() / "features" / extractor.id
        wanted = {"format": 1, "extractor": extractor.id, "dim": extractor.dim, "dtype": "float16"}
        header = self.folder / self.HEADER
        if header.exists():
            found = self._read(header)
            if found != wanted:
                raise InputError(
                    f"the feature store {self.folder} holds features of {found.get('extractor')!r}, not of "
                    f"{extractor.id!r}; give another folder with --store"
                )
        else:
            if self.folder.is_dir() and not all(one.name.startswith(PARTIAL) for one in self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not a feature store and not empty; give another folder with --store"
                )
            with whole(header) as partial:
                partial.write_text(json.dumps(wanted, indent=1))

    def __getitem__(self, sequence: Sequence) -> np.ndarray:
        """Features of a sequence: ``(T, D)`` float16, a read-only memory map; extracted first where they are not kept.

        The file's name holds the frames' fingerprint, so that changed frames never meet old features.
        """
        path = self._path(sequence)
        if not path.exists():
            self._extract(sequence, path)
        try:
            features = np.load(path, mmap_mode="r")
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"cannot read the features {path}: {error}; delete the file") from None
        if features.shape != (len(sequence), self.extractor.dim):
            raise InputError(f"{path} holds {features.shape}, wanted {(len(sequence), self.extractor.dim)}; delete it")
        return features

    def build(self, sequences: Iterable[Sequence]) -> None:
        """Extract what is missing, with a progress bar on a terminal; a sequence is written whole or not at all."""
        missing = [one for one in sequences if not self._path(one).exists()]
        frames = sum(len(one) for one in missing)
        desc, hidden = f"features {self.extractor.id}", None if frames else True  # None: hidden but on a terminal
        with tqdm(total=frames, desc=desc, unit="frame", disable=hidden) as bar:
            for sequence in missing:
                self._extract(sequence, self._path(sequence), bar)

    def _read(self, header: Path) -> dict[str, Any]:
        try:
            found = json.loads(header.read_text())
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise InputError(f"the feature store's header {header} does not read; delete {self.folder}")
        return found

    def _path(self, sequence: Sequence) -> Path:
        return self.folder / f"{sequence.name}-{sequence.frames.fingerprint}.npy"

    def _extract(self, sequence: Sequence, path: Path, bar: Any = None) -> None:
        features = np.empty((len(sequence), self.extractor.dim), np.float16)
        for start in range(0, len(sequence), self.BATCH):
            batch = range(start, min(start + self.BATCH, len(sequence)))
            values = self.extractor(np.stack([sequence.frames[i] for i in batch]))
            features[batch.start : batch.stop] = np.clip(values, -FEATURE_LIMIT, FEATURE_LIMIT)
            if bar is not None:
                bar.update(len(batch))
        with whole(path) as partial, partial.open("wb") as file:
            np.save(file, features)
