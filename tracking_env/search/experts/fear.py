"""FEAR-XS as an expert, by onnxruntime: a search region of 256 pixels, 16 x 16 cells.

Network, weights and constants: https://github.com/PinataFarms/FEARTracker (MIT), Borsuk et al., "FEAR: Fast, Efficient,
Accurate and Robust Visual Tracker", ECCV 2022. The weights are published for CoreML, in half precision.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.features.onnx_inference import resolve_device
from tracking_env.search import regions
from tracking_env.search.experts.base import Choice, Colour, Expert, ExpertTracker, Look
from tracking_env.search.experts.geometry import best_cell, from_sides, grow
from tracking_env.search.experts.networks import find_weights, identify, open_network

STRIDE = 16
TEMPLATE_OFFSET, SEARCH_OFFSET = 0.2, 2.0
"""By how many of its sides the box is grown on each side."""
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
"""RGB, subtracted from the pixels; the network divides by the deviations itself."""


def choose(look: Look) -> Choice:
    """The cell with the best score, its box as it is."""
    cell = best_cell(look.scores)
    return Choice(look.boxes[cell].copy(), float(look.scores[cell]), cell)


class FearXS(Expert):
    """The network of FEAR-XS.

    Args:
        weights: paths of the networks for template and search region (``.mlmodel``, or converted, ``.onnx``), or of
            their folder; by default the downloaded files.
        device: where it computes, see `onnx_inference.open_session`.
        threads: for one frame on the CPU; 1 is fastest where several experts or targets share the cores.

    Raises:
        InputError: a file is missing, damaged or another network's, or there is no such device.
    """

    name = "fear-xs"
    lost_below = 0.96
    template_side, search_side, cells, smallest = 128, 256, 16, 3.0

    def __init__(self, weights: Sequence[Path | str] = (), device: str = "cpu", threads: int = 1) -> None:
        device = resolve_device(device)
        self.on_gpu = device != "cpu"
        init, update = self.paths = find_weights(self.name, ("*[Ii]nit.mlmodel", "*[Tt]racker.mlmodel"), weights)
        self._init = open_network(init, device, threads, ("image",), ("features",))
        self._update = open_network(update, device, threads, ("image", "template_features"), ("cls", "bbox"))
        self.id = identify(self.paths, device)
        self.check()

    def template_region(self, box: np.ndarray) -> np.ndarray:
        """The box grown by `TEMPLATE_OFFSET`; its crop is stretched to a square."""
        return grow(box, 1 + 2 * TEMPLATE_OFFSET)

    def search_region(self, box: np.ndarray) -> np.ndarray:
        """The box grown by `SEARCH_OFFSET`; its crop is stretched to a square."""
        return grow(box, 1 + 2 * SEARCH_OFFSET)

    def fill(self, frame: np.ndarray) -> Colour:
        """The frame's mean colour."""
        return regions.mean_colour(frame)

    def prepare(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(3, side, side)`` float32: RGB less `MEAN`."""
        return (crop - MEAN).transpose(2, 0, 1)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """``(B, 3, 128, 128)`` -> ``(B, 256, 8, 8)``."""
        return self._init(images)[0]

    def compare(self, images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(B, 3, 256, 256)`` and ``(B, 256, 8, 8)`` -> scores ``(B, 16, 16)`` and boxes ``(B, 16, 16, 4)``."""
        logits, sides = self._update(images, features)
        points = STRIDE * (np.arange(self.cells) - self.cells // 2) + self.search_side / 2
        return 1 / (1 + np.exp(-logits[:, 0])), from_sides(sides, points, self.search_side)

    def choose(self, look: Look, box: np.ndarray) -> Choice:
        """See `choose`; the last box has no influence."""
        return choose(look)


def tracker(weights: Sequence[Path] = (), device: str = "cpu") -> ExpertTracker:
    """FEAR-XS as a tracker; arguments and errors of `FearXS`."""
    return ExpertTracker(FearXS(weights, device, threads=2))
