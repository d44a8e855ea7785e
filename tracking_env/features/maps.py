"""Extractors of feature maps from square crops, by name: the observations of the closed-loop environment.

Unlike the extractors of whole frames (`tracking_env.features.extractors`), they keep the spatial layout, at a fixed
number of pixels per cell. So the map of a template can be compared with the map of a search region.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from tracking_env.errors import InputError, first_line, option
from tracking_env.features import onnx_inference
from tracking_env.features.download import list_matching
from tracking_env.features.onnx_batch import free_sizes
from tracking_env.files import read_bytes, sha256

SEARCH, TEMPLATE = 255, 127
"""Sides in pixels of the two crops, search region and template, as in Siamese trackers such as NanoTrack."""
MAPS = ("cells", "nanotrack", "nanotrack-head")
"""Names that `make_maps` knows."""


class MapExtractor(Protocol):
    """Turns a square crop into a feature map. It is frozen: a crop always has the same map.

    Several threads may call it at the same time, for different episodes.
    """

    @property
    def id(self) -> str:
        """Names the network, its weights and its preprocessing. Equal ids give equal maps."""

    @property
    def channels(self) -> int:
        """C, the number of channels."""

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """The map of a crop.

        Args:
            crop: a search region ``(255, 255, 3)`` or a template ``(127, 127, 3)``, uint8 RGB.

        Returns:
            ``(C, 16, 16)`` for a search region, ``(C, 8, 8)`` for a template, float32.
        """


@runtime_checkable
class Proposer(MapExtractor, Protocol):
    """An extractor that also compares a template with a search region: it proposes a box in each cell."""

    def propose(self, template: np.ndarray, search: np.ndarray) -> np.ndarray:
        """The proposals of all cells.

        Args:
            template: map ``(C, 8, 8)``.
            search: map ``(C, 16, 16)``.

        Returns:
            ``(5, 16, 16)`` float32: a score (a logit), and the box ``cx, cy, w, h`` relative to the search region.
        """


class CellMaps:
    """Colours and gradient orientations in cells of 16 pixels; it has no weights.

    The channels are the cell's mean red, green and blue minus the crop's means, scaled by 2; their standard deviations,
    scaled by 4; and the magnitude-weighted share of gradients in `BINS` unsigned orientations (Dalal and Triggs, 2005).
    """

    BINS = 9
    channels = 6 + BINS
    id = "cells-v1"

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(C, cells, cells)`` float32."""
        cells = (crop.shape[0] + 1) // 16
        # One pixel more than the crop has, so that each cell has 16 x 16.
        frame = cv2.resize(crop, (16 * cells, 16 * cells), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        frame /= 255
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
        magnitude, angle = cv2.cartToPolar(dx, dy)
        np.subtract(angle, np.float32(np.pi), out=angle, where=angle >= np.float32(np.pi))  # faster than a modulo
        angle *= np.float32(self.BINS / np.pi)
        # Rounding can put an angle just below pi into a bin of its own.
        bins = np.minimum(angle, self.BINS - 1, out=angle).astype(np.int64)
        cell = np.arange(16 * cells) // 16
        # One count for all histograms: the index runs over bins, then over cells.
        index = bins * (cells * cells) + (cell[:, None] * cells + cell)
        oriented = np.bincount(index.ravel(), magnitude.ravel(), minlength=self.BINS * cells * cells)
        colours = _cell_means(frame, cells)
        frame -= cv2.resize(colours, frame.shape[:2], interpolation=cv2.INTER_NEAREST)
        deviations = np.sqrt(_cell_means(np.square(frame, out=frame), cells))
        # A cell has 256 pixels. The 0.05 keeps cells small that are flat, whose gradients are noise.
        shares = oriented.reshape(self.BINS, cells, cells) / (256 * (_cell_means(magnitude, cells) + 0.05))
        middle = colours.mean(axis=(0, 1))
        stacked = np.concatenate([2 * (colours - middle), 4 * deviations], axis=-1)
        return np.concatenate([stacked.transpose(2, 0, 1), 4 * shares]).astype(np.float32)


def _cell_means(values: np.ndarray, cells: int) -> np.ndarray:
    """The mean of each cell, ``(16 * cells, 16 * cells[, C])`` -> ``(cells, cells[, C])``."""
    return cv2.resize(values, (cells, cells), interpolation=cv2.INTER_AREA)


class NanoTrackMaps:
    """The frozen backbone of NanoTrack v2, a small network trained to compare crops.

    Args:
        weights: its ``.onnx`` file, or a folder that holds it (``*backbone*.onnx``).
        threads: for one crop; 1 is fastest where several crops share the cores.

    Raises:
        InputError: the file does not exist, or is another network's.
    """

    channels = 48

    def __init__(self, weights: Path, threads: int = 2) -> None:
        self.path, self.threads = _file(weights, "backbone"), threads
        self.id = f"nanotrack-{sha256(self.path)[:8]}"
        # The file states the size of search regions; its layers take templates too.
        try:
            content = free_sizes(read_bytes(self.path), ("batch", "channels", "rows", "columns"))
        except ValueError as error:
            raise InputError(f"{self.path} is no network, or damaged: {first_line(error)}; fetch it again") from None
        self._backbone = onnx_inference.by_onnxruntime(content, label=str(self.path), threads=threads)
        try:
            shape = self(np.zeros((TEMPLATE, TEMPLATE, 3), np.uint8)).shape
        except (ValueError, IndexError) as error:
            raise InputError(f"{self.path} does not run as NanoTrack's backbone: {first_line(error)}") from None
        if shape != (self.channels, 8, 8):
            raise InputError(f"{self.path} gives maps of {shape}, NanoTrack's backbone gives {(self.channels, 8, 8)}")

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(48, cells, cells)`` float32."""
        batch = np.empty((1, 3, *crop.shape[:2]), np.float32)
        batch[0] = cv2.split(crop)[::-1]  # the network takes BGR in [0, 255]
        return self._backbone(batch)[0][0]

    def __reduce__(self) -> tuple[type, tuple[Path, int]]:
        # Open networks do not pickle, so another process opens the files again.
        return type(self), (self.path, self.threads)


class NanoTrackHeadMaps(NanoTrackMaps):
    """NanoTrack v2's backbone and its head, which proposes boxes in a search region. Both are frozen.

    Args:
        weights: the folder of both ``.onnx`` files (``*backbone*.onnx``, ``*head*.onnx``), or the backbone's file.
        threads: see `NanoTrackMaps`.

    Raises:
        InputError: a file does not exist, or is another network's.
    """

    def __init__(self, weights: Path, threads: int = 2) -> None:
        super().__init__(weights, threads)
        path = _file(weights if weights.is_dir() else weights.parent, "head")
        self.id = f"nanotrack-head-{sha256(self.path)[:8]}-{sha256(path)[:8]}"
        self._head = onnx_inference.by_onnxruntime(path, ("input1", "input2"), ("output1", "output2"), threads=threads)
        empty = (np.zeros((self.channels, cells, cells), np.float32) for cells in (8, 16))
        try:
            # A trial on empty maps refuses another network's file now, and not in the first frame.
            shape = self.propose(*empty).shape
        except (ValueError, IndexError) as error:
            raise InputError(f"{path} does not run as NanoTrack's head: {first_line(error)}") from None
        if shape != (5, 16, 16):
            raise InputError(f"{path} gives maps of {shape}, NanoTrack's head gives {(5, 16, 16)}")

    def propose(self, template: np.ndarray, search: np.ndarray) -> np.ndarray:
        """Maps ``(48, 8, 8)`` and ``(48, 16, 16)`` -> ``(5, 16, 16)`` float32: logit, and ``cx, cy, w, h`` relative to
        the search region.
        """
        # The head gives the distances of a box's sides from the point of each cell, in pixels of the crop.
        scores, sides = self._head(template[None], search[None])
        left, top, right, bottom = sides[0]
        points = ((np.arange(16) - 8) * 16 + SEARCH // 2).astype(np.float32)
        x, y = points + (right - left) / 2, points[:, None] + (bottom - top) / 2
        boxes = np.stack([x, y, left + right, top + bottom]) / SEARCH
        # The difference of the scores of the two classes is the target's logit. A box may reach beyond the region, by
        # at most the region's side.
        return np.concatenate([scores[0, 1:] - scores[0, :1], boxes.clip(-1, 2)]).astype(np.float32)


def _file(weights: Path, part: str) -> Path:
    """The file of a part of NanoTrack v2, ``backbone`` or ``head``: the path itself, or the one match in a folder."""
    files = [weights]
    if weights.is_dir():
        files = list_matching(weights, f"nanotrackv2_{part}.onnx", f"*{part}*.onnx")
    if len(files) != 1 or not files[0].is_file():
        raise InputError(
            f"no NanoTrack {part} at {weights}; give the file nanotrack_{part}_sim.onnx of "
            f"github.com/HonglinChu/SiamTrackers, or its folder, with {option('weights')}"
        )
    return files[0]


def make_maps(name: str, weights: str | Path | None = None, threads: int = 2) -> MapExtractor:
    """Build an extractor of maps by name.

    Args:
        name: ``cells`` (no weights), ``nanotrack`` (its backbone) or ``nanotrack-head`` (a `Proposer`).
        weights: for the latter two, the ``.onnx`` file of NanoTrack's backbone, or the folder that holds it; the head
            lies in the same folder.
        threads: of the networks for one crop, see `NanoTrackMaps`.

    Raises:
        InputError: the name is unknown, the weights are missing or damaged, or they are given for ``cells``.

    Example::

        maps = make_maps("cells")
        maps(crop).shape  # (15, 16, 16) for a search region
    """
    if name == "cells":
        if weights is not None:
            raise InputError(f"cells has no weights; leave out {weights}")
        return CellMaps()
    extractors = {"nanotrack": NanoTrackMaps, "nanotrack-head": NanoTrackHeadMaps}
    if name in extractors:
        if weights is None:
            raise InputError(
                f"{name} needs NanoTrack's backbone, nanotrack_backbone_sim.onnx of "
                f"github.com/HonglinChu/SiamTrackers; give the file or its folder with {option('weights')}"
            )
        return extractors[name](Path(weights), threads)
    raise InputError(f"unknown extractor of maps {name!r}; choose one of {', '.join(MAPS)}")
