"""VitTrack of July 2023 as an expert, by onnxruntime: a search region of 256 pixels, 16 x 16 cells.

Network and weights: https://github.com/opencv/opencv_zoo, models/object_tracking_vittrack (Apache-2.0).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.features.model_zoo import IMAGENET_MEAN, IMAGENET_STD
from tracking_env.features.onnx_inference import resolve_device
from tracking_env.search.experts.base import Choice, Colour, Expert, ExpertTracker, Look
from tracking_env.search.experts.geometry import best_cell, hann, square
from tracking_env.search.experts.networks import find_weights, identify, open_network

TEMPLATE_FACTOR, SEARCH_FACTOR = 2.0, 4.0
"""Sides of the crops, in square roots of the box's area."""
_SCALE = (1 / (255 * np.array(IMAGENET_STD))).astype(np.float32)
_SHIFT = (np.array(IMAGENET_MEAN) / np.array(IMAGENET_STD)).astype(np.float32)


def decode(sizes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The network's maps as boxes.

    Args:
        sizes: ``(B, 2, n, n)``: width and height relative to the crop.
        offsets: ``(B, 2, n, n)``: the centre's position in its cell, right and down, in cells.

    Returns:
        ``(B, n, n, 4)``: boxes ``x, y, w, h`` relative to the crop.
    """
    n = sizes.shape[-1]
    cells = np.arange(n)
    centres = np.stack([offsets[:, 0] + cells, offsets[:, 1] + cells[:, None]], axis=-1) / n
    sides = np.moveaxis(sizes, 1, -1)
    return np.concatenate([centres - sides / 2, sides], axis=-1)


def choose(look: Look) -> Choice:
    """The cell with the best score, weighted by a window; its box as it is."""
    cell = best_cell(look.scores * hann(len(look.scores)))
    return Choice(look.boxes[cell].copy(), float(look.scores[cell]), cell)


class VitTrack(Expert):
    """The network of VitTrack. Its template is the crop itself: the network takes both crops.

    Args:
        weights: path of the ``.onnx`` file, or of its folder; by default the downloaded file.
        device: where it computes, see `onnx_inference.open_session`.
        threads: for one frame on the CPU; 1 is fastest where several experts or targets share the cores.

    Raises:
        InputError: the file is missing, damaged or another network's, or there is no such device.
    """

    name = "vittrack"
    lost_below = 0.42
    template_side, search_side, cells, smallest = 128, 256, 16, 4.0

    def __init__(self, weights: Sequence[Path | str] = (), device: str = "cpu", threads: int = 1) -> None:
        device = resolve_device(device)
        self.on_gpu = device != "cpu"
        self.paths = find_weights(self.name, ("*[Vv]it[Tt]rack*.onnx",), weights)
        self._network = open_network(
            self.paths[0], device, threads, ("template", "search"), ("output1", "output2", "output3")
        )
        self.id = identify(self.paths, device)
        self.check()

    def template_region(self, box: np.ndarray) -> np.ndarray:
        """A square of `TEMPLATE_FACTOR`."""
        return square(box, TEMPLATE_FACTOR)

    def search_region(self, box: np.ndarray) -> np.ndarray:
        """A square of `SEARCH_FACTOR`."""
        return square(box, SEARCH_FACTOR)

    def fill(self, frame: np.ndarray) -> Colour:
        """Black."""
        return 0.0, 0.0, 0.0

    def prepare(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(3, side, side)`` float32, normalised by ImageNet's mean and deviation."""
        return (crop * _SCALE - _SHIFT).transpose(2, 0, 1)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """``(B, 3, 128, 128)``, as they are."""
        return images

    def compare(self, images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(B, 3, 256, 256)`` and ``(B, 3, 128, 128)`` -> scores ``(B, 16, 16)`` and boxes ``(B, 16, 16, 4)``."""
        scores, sizes, offsets = self._network(features, images)
        return scores[:, 0], decode(sizes, offsets)

    def choose(self, look: Look, box: np.ndarray) -> Choice:
        """See `choose`; the last box has no influence."""
        return choose(look)


def tracker(weights: Sequence[Path] = (), device: str = "cpu") -> ExpertTracker:
    """VitTrack as a tracker; arguments and errors of `VitTrack`."""
    return ExpertTracker(VitTrack(weights, device, threads=2))
