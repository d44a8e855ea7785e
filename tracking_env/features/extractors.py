"""Extractors: frozen networks and descriptors that turn a frame into a feature vector, by name.

This module needs no torch. Pretrained networks are in `pretrained`, which does.
"""

import logging
import re
from pathlib import Path

import cv2
import numpy as np

from tracking_env.errors import InputError, MissingPackageError, option
from tracking_env.features import download
from tracking_env.features.base import Extractor, check_prepared
from tracking_env.features.model_zoo import NETWORKS, RANDOM, File
from tracking_env.files import cache_folder

logger = logging.getLogger(__name__)


class GridExtractor:
    """Colour and gradient-orientation statistics on a grid; it has no weights.

    Each of the 12 x 16 cells holds eight numbers in [0, 1]: the means of red, green, blue and saturation, and the mean
    gradient magnitude in four orientations (across, falling, down, rising), which are the centres of the bins.
    """

    ROWS, COLUMNS, CELL, ORIENTATIONS = 12, 16, 8, 4  # a cell is CELL x CELL pixels of the prepared frame

    id = f"grid-{ROWS}x{COLUMNS}-v2"
    dim = ROWS * COLUMNS * (4 + ORIENTATIONS)

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """``(height, width, 3)`` uint8 RGB -> ``(96, 128, 3)`` uint8 RGB."""
        # Means over areas: large frames shrink a lot, and no pixel may be skipped.
        return cv2.resize(frame, (self.COLUMNS * self.CELL, self.ROWS * self.CELL), interpolation=cv2.INTER_AREA)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, 96, 128, 3)`` uint8 RGB -> ``(N, 1536)`` float32, in the order rows, columns, channels."""
        check_prepared(frames, (self.ROWS * self.CELL, self.COLUMNS * self.CELL))
        return np.stack([self._describe(frame) for frame in frames])

    def _describe(self, frame: np.ndarray) -> np.ndarray:
        image = frame.astype(np.float32) / 255
        high, low = image.max(axis=2), image.min(axis=2)
        # One grey level at least, since black would give 0 / 0.
        saturation = (high - low) / np.maximum(high, 1 / 255)
        grey = image.mean(axis=2)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        magnitude = np.hypot(dx, dy) / 4  # so that a step from 0 to 1 has magnitude 1
        # A step from dark to bright has the orientation of its reverse, so angles count modulo half a turn.
        bin_of = np.round(np.arctan2(dy, dx) / np.pi * self.ORIENTATIONS).astype(int) % self.ORIENTATIONS
        oriented = [np.where(bin_of == number, magnitude, 0) for number in range(self.ORIENTATIONS)]
        channels = np.dstack([image, saturation, *oriented])
        cells = channels.reshape(self.ROWS, self.CELL, self.COLUMNS, self.CELL, -1).mean(axis=(1, 3))
        return cells.ravel()


class PixelExtractor:
    """The frame itself, resized, for policies with a network of their own.

    Args:
        rows: height of the resized frame in pixels.
        columns: its width.
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
        """``(N, rows, columns, 3)`` uint8 RGB -> ``(N, D)`` float32 in [0, 255], in the order rows, columns, RGB."""
        check_prepared(frames, self.shape[:2])
        return frames.reshape(len(frames), self.dim).astype(np.float32)


EXTRACTORS = ("grid", "pixels", *NETWORKS)
"""Names that `make_extractor` knows."""


def make_extractor(name: str = "grid", weights: str | Path | None = None, device: str = "cpu") -> Extractor:
    """Build an extractor by name.

    Args:
        name: one of `EXTRACTORS`. ``grid`` and ``pixels`` need nothing; the others are pretrained networks, which need
            torch. ``:ROWSxCOLUMNS`` after the name of a network (``yolo-nano-voc:20x20``) averages its map to that
            grid; after ``pixels`` it is the size of the picture.
        weights: the weights file of a network, or a folder that holds it under its published name. By default it is
            downloaded to the folder ``weights`` in this library's cache folder. ``random`` leaves the network
            untrained, as a baseline for what training is worth.
        device: where a network computes, see `torch_device.find`. ``grid`` and ``pixels`` always use the CPU.

    Raises:
        InputError: the name is unknown, torch is not installed, the weights are missing or belong to another network,
            or the device does not exist.

    Example::

        extractor = make_extractor("yolo-nano-voc:20x20", "weights/", device="auto")
    """
    kind, grid = _parse(name)
    if kind in ("grid", "pixels"):
        if weights is not None:
            raise InputError(f"{kind} has no weights; leave out {option('weights', weights)}")
        if kind == "pixels":
            return PixelExtractor(*grid) if grid else PixelExtractor()
        if grid:
            raise InputError(f"got {name!r}, but grid is always {GridExtractor.ROWS} x {GridExtractor.COLUMNS}")
        return GridExtractor()
    try:
        from tracking_env.features import pretrained, torch_device  # here, since the rest needs no torch
    except ModuleNotFoundError as error:
        raise MissingPackageError(kind, error, "torch") from None
    target = torch_device.find(device)
    random = str(weights) == RANDOM
    if random:
        logger.warning("%s has random weights: it was never trained", kind)
        weights = None
    files = NETWORKS[kind].files
    if weights is None:
        folder = cache_folder() / "weights"
        # Random weights need no weights file, but the other files describe the layers.
        _download(kind, files[1:] if random else files, folder)
        path = folder / files[0].name
    else:
        path = Path(weights) / files[0].name if Path(weights).is_dir() else Path(weights)
        if not path.is_file():
            raise InputError(f"no weights for {kind} at {path}; give the file {files[0].name} with {option('weights')}")
    return pretrained.make(kind, path, grid, random).to(target)


def _parse(name: str) -> tuple[str, tuple[int, int] | None]:
    """Split ``NAME`` or ``NAME:ROWSxCOLUMNS`` into the name and the grid."""
    match = re.fullmatch(r"(.+?)(?::(\d+)x(\d+))?", name)
    kind = match[1] if match else name
    if kind not in EXTRACTORS:
        known = ", ".join(EXTRACTORS)
        raise InputError(f"unknown extractor {kind!r}; choose one of {known}, with :ROWSxCOLUMNS after it for a grid")
    if not match or match[2] is None:
        return kind, None
    grid = int(match[2]), int(match[3])
    if min(grid) < 1:
        raise InputError(f"got {name!r}, expected a grid of at least 1 row and 1 column, such as {kind}:10x10")
    return kind, grid


def _download(name: str, files: tuple[File, ...], folder: Path) -> None:
    """Download the files that are not in the folder yet, with one warning that says so."""
    missing = [file for file in files if not (folder / file.name).exists()]
    if missing:
        logger.warning("%s: downloading %s to %s", name, " and ".join(file.name for file in missing), folder)
    for file in missing:
        download.fetch(file, folder)
