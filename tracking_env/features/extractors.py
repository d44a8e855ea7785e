"""What an agent sees of a frame: extractors by name. Those that need torch are in `backbones`."""

import logging
import re
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.model_zoo import NETWORKS, RANDOM, File
from tracking_env.files import cache_folder

logger = logging.getLogger(__name__)


class Extractor(Protocol):
    """Turns frames into feature vectors; frozen, and the same vector for the same frame."""

    @property
    def id(self) -> str:
        """Names the network, its weights and its preprocessing: equal ids give equal features, but for rounding."""

    @property
    def dim(self) -> int:
        """D, the length of a feature vector."""

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """What may be done to a frame ahead, on another thread: ``(height, width, 3)`` uint8 RGB -> the same, resized.

        The features of a prepared frame are those of the frame.
        """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB, prepared or not -> ``(N, D)`` float32."""


class GridExtractor:
    """Colour and gradient-orientation statistics on a grid: needs no weights and no torch.

    The frame is resized to `CELL` pixels per cell. Each of the 12 x 16 cells holds the means of red, green, blue and
    saturation, and of the gradient's magnitude in four orientations (across, falling, down, rising; bins are centred on
    them), all in [0, 1].
    """

    ROWS, COLUMNS, CELL, ORIENTATIONS = 12, 16, 8, 4

    id = f"grid-{ROWS}x{COLUMNS}-v2"
    dim = ROWS * COLUMNS * (4 + ORIENTATIONS)

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """``(height, width, 3)`` uint8 RGB -> ``(96, 128, 3)`` uint8 RGB."""
        return cv2.resize(frame, (self.COLUMNS * self.CELL, self.ROWS * self.CELL), interpolation=cv2.INTER_AREA)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB -> ``(N, 1536)`` float32, order rows, columns, channels."""
        return np.stack([self._one(frame) for frame in frames])

    def _one(self, frame: np.ndarray) -> np.ndarray:
        image = self.prepare(frame).astype(np.float32) / 255
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


class PixelExtractor:
    """The frame itself, resized, for policies that bring their own network.

    Args:
        rows, columns: size of the picture.
    """

    def __init__(self, rows: int = 84, columns: int = 84) -> None:
        self.shape = rows, columns, 3
        self.id = f"pixels-{rows}x{columns}"
        self.dim = rows * columns * 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """``(height, width, 3)`` uint8 RGB -> ``(rows, columns, 3)`` uint8 RGB."""
        rows, columns, _ = self.shape
        return cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB -> ``(N, D)`` float32 in [0, 255], order rows, columns, channels."""
        return np.stack([self.prepare(frame).ravel() for frame in frames]).astype(np.float32)


EXTRACTORS = ("grid", "pixels", *NETWORKS)
"""Names that `make_extractor` knows."""


def make_extractor(name: str = "grid", weights: str | Path | None = None, device: str = "cpu") -> Extractor:
    """Build an extractor by name.

    Args:
        name: one of `EXTRACTORS`; ``grid`` and ``pixels`` need nothing, the others are pretrained networks and need
            torch. With ``:ROWSxCOLUMNS`` after it (``yolo-nano-voc:20x20``) a network's map is averaged to such a grid,
            and the picture of ``pixels`` has that size.
        weights: the weights file of a pretrained network, or the folder that holds it under its published name. By
            default that is the folder ``weights`` in this library's cache folder, and what is not there is downloaded.
            ``random``: no training at all, to tell what training was worth.
        device: where a network computes, see `devices.find`; ``grid`` and ``pixels`` do without torch, on the CPU.

    Raises:
        InputError: the name is unknown, torch is not installed, the weights are missing or of another network, or there
            is no such device.
    """
    kind, grid = _parse(name)
    if kind in ("grid", "pixels"):
        if weights is not None:
            raise InputError(f"{kind} has no weights; leave out --weights {weights}")
        if kind == "pixels":
            return PixelExtractor(*grid) if grid else PixelExtractor()
        if grid:
            raise InputError(f"got {name!r}, but grid is always {GridExtractor.ROWS} x {GridExtractor.COLUMNS}")
        return GridExtractor()
    try:
        from tracking_env.features import (  # need torch, which the rest of the library does without
            pretrained,
            torch_device,
        )
    except ModuleNotFoundError as error:
        raise InputError(f"{kind} needs {error.name}; type: pip install 'tracking-env[torch]'") from None
    place = torch_device.find(device)
    random = str(weights) == RANDOM
    if random:
        logger.warning("%s has random weights: it was never trained", kind)
        weights = None
    files = NETWORKS[kind].files
    if weights is None:
        folder = cache_folder() / "weights"
        _download(kind, files[1:] if random else files, folder)
        path = folder / files[0].name
    else:
        path = Path(weights) / files[0].name if Path(weights).is_dir() else Path(weights)
        if not path.is_file():
            raise InputError(f"no weights for {kind} at {path}; give the file {files[0].name} with --weights FILE")
    return pretrained.make(kind, path, grid, random).to(place)


def _parse(name: str) -> tuple[str, tuple[int, int] | None]:
    """``NAME`` or ``NAME:ROWSxCOLUMNS``."""
    match = re.fullmatch(r"(.+?)(?::(\d+)x(\d+))?", name)
    kind = match[1] if match else name
    if kind not in EXTRACTORS:
        known = ", ".join(EXTRACTORS)
        raise InputError(f"unknown extractor {kind!r}; choose one of {known}, with :ROWSxCOLUMNS after it for a grid")
    if not match or match[2] is None:
        return kind, None
    grid = int(match[2]), int(match[3])
    if min(grid) < 1:
        raise InputError(f"got {name!r}, wanted a grid of at least 1 row and 1 column, such as {kind}:10x10")
    return kind, grid


def _download(name: str, files: tuple[File, ...], folder: Path) -> None:
    missing = [one for one in files if not (folder / one.name).exists()]
    if missing:
        logger.warning("%s: downloading %s to %s", name, " and ".join(one.name for one in missing), folder)
    for one in missing:
        download.fetch(one, folder)
