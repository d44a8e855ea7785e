"""NanoTrack v3 as an expert, by onnxruntime: a search region of 255 pixels, 15 x 15 cells.

Network, weights and constants: https://github.com/HonglinChu/SiamTrackers, NanoTrack (Apache-2.0). OpenCV's
``TrackerNano`` runs version 2, the tracker ``nano``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.features.onnx_inference import resolve_device
from tracking_env.search import regions
from tracking_env.search.experts.base import Choice, Colour, Expert, ExpertTracker, Look
from tracking_env.search.experts.geometry import best_cell, from_sides, hann
from tracking_env.search.experts.networks import find_weights, identify, open_network

STRIDE = 16
WINDOW, PENALTY, SIZE_RATE = 0.455, 0.138, 0.348
"""Share of the window in a cell's value; strength of the penalty on changes; share of the new size in the next one."""


def change_penalty(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """How close boxes are to the last one in scale and aspect ratio.

    Args:
        boxes: ``(..., 4)`` with sides above 0.
        box: ``(4,)``, in the same unit.

    Returns:
        ``(...)`` in (0, 1]; 1 for the same scale and ratio.
    """
    width, height = boxes[..., 2], boxes[..., 3]
    scale = _padded_side(width, height) / _padded_side(box[2], box[3])
    ratio = (box[2] / box[3]) / (width / height)
    change = np.maximum(scale, 1 / scale) * np.maximum(ratio, 1 / ratio)
    return np.exp(-PENALTY * (change - 1))


def _padded_side(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    padding = (width + height) / 2
    return np.sqrt((width + padding) * (height + padding))


def choose(look: Look, box: np.ndarray) -> Choice:
    """The cell with the best score, penalised for changes and weighted by a window; its size is smoothed.

    Args:
        look: ``n x n`` cells around ``box``.
        box: the last pixel box ``(4,)``.

    Returns:
        The centre of the cell's box. The size moves from the last one by a share that grows with the score.
    """
    penalty = change_penalty(look.boxes, box)
    value = penalty * look.scores * (1 - WINDOW) + hann(len(look.scores)) * WINDOW
    cell = best_cell(value)
    target, score = look.boxes[cell], float(look.scores[cell])
    rate = penalty[cell] * score * SIZE_RATE
    sides = (1 - rate) * box[2:] + rate * target[2:]
    centre = target[:2] + target[2:] / 2
    return Choice(np.concatenate([centre - sides / 2, sides]), score, cell)


class NanoTrackV3(Expert):
    """The network of NanoTrack v3.

    Args:
        weights: paths of backbone and head (``.onnx``), or of their folder; by default the downloaded files.
        device: where it computes, see `onnx_inference.open_session`.
        threads: for one frame on the CPU; 1 is fastest where several experts or targets share the cores.

    Raises:
        InputError: a file is missing, damaged or another network's, or there is no such device.
    """

    name = "nanotrack-v3"
    lost_below = 0.98
    template_side, search_side, cells, smallest = 127, 255, 15, 10.0

    def __init__(self, weights: Sequence[Path | str] = (), device: str = "cpu", threads: int = 1) -> None:
        device = resolve_device(device)
        self.on_gpu = device != "cpu"
        backbone, head = self.paths = find_weights(self.name, ("*backbone*.onnx", "*head*.onnx"), weights)
        # The backbone's file states the size of search crops; its layers take templates too.
        self._backbone = open_network(backbone, device, threads, free=("batch", "channels", "rows", "columns"))
        # The head's depth-wise product of template and search region is made for a batch of 1.
        self._head = open_network(head, device, threads, ("input1", "input2"), ("output1", "output2"), free=())
        self.id = identify(self.paths, device)
        self.check()

    def template_region(self, box: np.ndarray) -> np.ndarray:
        """The square that Siamese trackers give a target as context, see `regions.around`."""
        return regions.around(box, 1.0)

    def search_region(self, box: np.ndarray) -> np.ndarray:
        """The square around it with the same scale as the template's crop."""
        return regions.around(box, self.search_side / self.template_side)

    def fill(self, frame: np.ndarray) -> Colour:
        """The frame's mean colour."""
        return regions.mean_colour(frame)

    def prepare(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(3, side, side)`` float32: BGR in [0, 255]."""
        return crop[..., ::-1].transpose(2, 0, 1).astype(np.float32)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """``(B, 3, 127, 127)`` -> ``(B, 96, 8, 8)``."""
        return self._backbone(images)[0]

    def compare(self, images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(B, 3, 255, 255)`` and ``(B, 96, 8, 8)`` -> scores ``(B, 15, 15)`` and boxes ``(B, 15, 15, 4)``."""
        maps = self._backbone(images)[0]
        pairs = zip(features[:, None], maps[:, None], strict=True)
        logits, sides = (
            np.concatenate(outputs) for outputs in zip(*(self._head(*pair) for pair in pairs), strict=True)
        )
        background, target = logits[:, 0], logits[:, 1]
        scores = 1 / (1 + np.exp(background - target))
        points = STRIDE * (np.arange(self.cells) - self.cells // 2) + self.search_side / 2
        return scores, from_sides(sides, points, self.search_side)

    def choose(self, look: Look, box: np.ndarray) -> Choice:
        """See `choose`."""
        return choose(look, box)


def tracker(weights: Sequence[Path] = (), device: str = "cpu") -> ExpertTracker:
    """NanoTrack v3 as a tracker; arguments and errors of `NanoTrackV3`."""
    return ExpertTracker(NanoTrackV3(weights, device, threads=2))
