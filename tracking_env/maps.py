"""What a closed-loop agent sees of a square crop: extractors of feature maps, by name.

`features` has the extractors of whole frames. These keep where things are, at a fixed number of pixels per cell, so
that the map of a template can be compared with that of a search region.
"""

import hashlib
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tracking_env.errors import InputError

SEARCH, TEMPLATE = 255, 127
"""Pixels, the sides of the two crops, as in the Siamese trackers that `nanotrack` comes from."""
MAPS = ("cells", "nanotrack")


class MapExtractor(Protocol):
    """Turns a square crop into a feature map; frozen, and the same map for the same crop."""

    @property
    def id(self) -> str:
        """Names the network, its weights and its preprocessing: equal ids give equal maps."""

    @property
    def channels(self) -> int:
        """C, numbers per cell."""

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """``(255, 255, 3)`` or ``(127, 127, 3)`` uint8 RGB -> ``(C, 16, 16)`` or ``(C, 8, 8)`` float32."""


class CellMaps:
    """Colours and gradient orientations in cells of 16 pixels: needs no weights.

    Channels: the cell's mean red, green and blue less the crop's own (0.5 where it has half of the range); their
    deviations; and the magnitude-weighted share of gradients in `BINS` unsigned orientations (Dalal and Triggs, 2005).
    """

    BINS = 9
    channels = 6 + BINS
    id = "cells-v1"

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(C, cells, cells)`` float32."""
        cells = (crop.shape[0] + 1) // 16
        frame = cv2.resize(crop, (16 * cells, 16 * cells), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
        magnitude, angle = cv2.cartToPolar(dx, dy)
        bins = np.minimum((angle % np.pi) * (self.BINS / np.pi), self.BINS - 1).astype(np.int64)
        at = np.arange(16 * cells) // 16
        index = (bins * cells + at[:, None]) * cells + at
        oriented = np.bincount(index.ravel(), magnitude.ravel(), minlength=self.BINS * cells * cells)
        blocks = frame.reshape(cells, 16, cells, 16, 3)
        colours, deviations = blocks.mean(axis=(1, 3)), blocks.std(axis=(1, 3))
        total = magnitude.reshape(cells, 16, cells, 16).sum(axis=(1, 3))
        shares = oriented.reshape(self.BINS, cells, cells) / (total + 0.05 * 256)
        middle = colours.mean(axis=(0, 1))
        stacked = np.concatenate([2 * (colours - middle), 4 * deviations], axis=-1)
        return np.concatenate([stacked.transpose(2, 0, 1), 4 * shares]).astype(np.float32)


class NanoTrackMaps:
    """The backbone of NanoTrack v2, a small network trained to compare crops; OpenCV runs it, frozen.

    Args:
        weights: its ``.onnx`` file, or the folder that holds it (``*backbone*.onnx``).

    Raises:
        InputError: there is no such file, or it is another network's.
    """

    channels = 48

    def __init__(self, weights: Path) -> None:
        found = sorted(weights.glob("*backbone*.onnx")) if weights.is_dir() else [weights]
        if len(found) != 1 or not found[0].is_file():
            raise InputError(
                f"no NanoTrack backbone at {weights}; give the file nanotrack_backbone_sim.onnx of "
                "github.com/HonglinChu/SiamTrackers, or its folder, with --weights"
            )
        self.path = found[0]
        self.id = f"nanotrack-{hashlib.sha256(self.path.read_bytes()).hexdigest()[:8]}"
        # One network per size of crop: OpenCV plans anew whenever the size changes.
        self._networks = {side: self._read() for side in (SEARCH, TEMPLATE)}
        try:
            shape = self(np.zeros((TEMPLATE, TEMPLATE, 3), np.uint8)).shape
        except cv2.error as error:
            raise InputError(f"{self.path} does not run as NanoTrack's backbone: {error.err}") from None
        if shape != (self.channels, 8, 8):
            raise InputError(f"{self.path} gives maps of {shape}, NanoTrack's backbone gives {(self.channels, 8, 8)}")

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(48, cells, cells)`` float32; it takes BGR in [0, 255]."""
        network = self._networks[len(crop)]
        network.setInput(np.ascontiguousarray(crop.transpose(2, 0, 1)[None, ::-1], dtype=np.float32))
        return network.forward()[0].copy()

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)

    def _read(self) -> cv2.dnn.Net:
        try:
            return cv2.dnn.readNetFromONNX(str(self.path))
        except cv2.error as error:
            raise InputError(f"OpenCV cannot read {self.path}: {error.err}; fetch it again") from None


def make_maps(name: str, weights: str | Path | None = None) -> MapExtractor:
    """An extractor of maps by name.

    Args:
        name: ``cells`` (no weights) or ``nanotrack``.
        weights: of nanotrack, the ``.onnx`` file of its backbone or the folder that holds it.

    Raises:
        InputError: the name is unknown, or the weights are missing, damaged or not wanted.
    """
    if name == "cells":
        if weights is not None:
            raise InputError(f"cells has no weights; leave out {weights}")
        return CellMaps()
    if name == "nanotrack":
        if weights is None:
            raise InputError(
                "nanotrack needs its backbone, nanotrack_backbone_sim.onnx of github.com/HonglinChu/SiamTrackers; "
                "give the file or its folder with --weights (weights=...)"
            )
        return NanoTrackMaps(Path(weights))
    raise InputError(f"unknown extractor of maps {name!r}; choose one of {', '.join(MAPS)}")
