"""The store that keeps what extractors make of frames on disk."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tracking_env.errors import InputError
from tracking_env.extractors import Extractor
from tracking_env.files import PARTIAL, cache_folder, whole
from tracking_env.sequence import Sequence

FEATURE_LIMIT = float(np.finfo(np.float16).max)
"""Features are kept as float16: larger values are clipped to it."""


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
