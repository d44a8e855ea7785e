"""What an agent sees of a frame: extractors."""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tracking_env.errors import InputError
from tracking_env.files import cache_folder


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
