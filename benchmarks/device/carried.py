"""What travels to the machine with the GPU: features and true boxes of a data set, in place of its frames.

A folder with

* ``sequences.json``: the extractor's id, and each sequence's name, frame size, boxes and attributes;
* ``NAME.npy``: its features, ``(T, D)`` float16;
* ``wheels/``: packages that the machine lacks.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.features.store import FeatureStore
from tracking_env.files import read_json, write_atomically

LIST = "sequences.json"
LIMIT = 64 << 20
"""Bytes that may travel, with the checkout."""


class NoFrames:
    """The frames of a sequence of which only the size is known."""

    fingerprint = "carried"

    def __init__(self, count: int, size: Size) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        raise InputError("frames were not carried, only their features")


class Carried:
    """Sequences without frames, and their features by sequence, as `FeatureStore` gives them.

    Args:
        folder: written by `write`.

    Attributes:
        extractor: id of the features' extractor.
        dim: D.
        sequences: all of them.
    """

    def __init__(self, folder: Path) -> None:
        content = read_json(folder / LIST)
        self.extractor, self.dim = content["extractor"], content["dim"]
        self.sequences = [
            Sequence(
                row["name"],
                NoFrames(len(row["boxes"]), tuple(row["size"])),
                row["boxes"],
                tuple(row["attributes"]),
                row["dataset"],
            )
            for row in content["sequences"]
        ]
        self._features = {sequence.name: np.load(folder / f"{sequence.name}.npy") for sequence in self.sequences}

    def __getitem__(self, sequence: Sequence) -> np.ndarray:
        """Features ``(T, D)`` float16."""
        return self._features[sequence.name]


def write(folder: Path, sequences: list[Sequence], store: FeatureStore) -> None:
    """Write the folder of these sequences; a file that is there already is replaced."""
    rows: list[dict[str, Any]] = []
    for sequence in sequences:
        np.save(folder / f"{sequence.name}.npy", store[sequence])
        rows.append(
            {
                "name": sequence.name,
                "size": sequence.size,
                "boxes": sequence.boxes.tolist(),
                "attributes": sequence.attributes,
                "dataset": sequence.dataset,
            }
        )
    content = {"extractor": store.extractor.id, "dim": store.extractor.dim, "sequences": rows}
    with write_atomically(folder / LIST) as partial:
        partial.write_text(json.dumps(content))
