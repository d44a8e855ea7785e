"""Pretrained networks as extractors (torch)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from tracking_env.darknet import Darknet
from tracking_env.errors import InputError


@dataclass(frozen=True)
class Darknets:
    """A published darknet network and what is taken from it.

    Attributes:
        file: published name of the weights file; the cfg lies beside it, named alike.
        taps: indices of the layers whose outputs are the features.
        grid: rows and columns to which each tapped map is averaged.
    """

    file: str
    taps: tuple[int, ...]
    grid: int


NETWORKS = {
    # The finer detection layer (box, objectness and 20 VOC classes for 3 anchors, 75 maps): what is where.
    "yolo-nano-voc": Darknets("MobileNetV2-YOLOv3-Nano-voc.weights", taps=(78,), grid=10),
}


class DarknetExtractor:
    """Maps of a darknet network, averaged to a grid and flattened in the order layer, channel, row, column.

    The frame is resized (not letterboxed) to the network's input, RGB, divided by 255.

    Args:
        name: one of `NETWORKS`.
        weights: the weights file.
    """

    def __init__(self, name: str, weights: Path) -> None:
        self.kind = NETWORKS[name]
        self.network = Darknet(weights.with_suffix(".cfg"), weights, self.kind.taps).eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recipe = f"{self.network.sha256} {self.kind.taps} {self.kind.grid} linear rgb/255"
        self.id = f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
        self.dim = self(np.zeros((1, 32, 32, 3), np.uint8)).shape[1]

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, height, width, 3)`` uint8 RGB -> ``(N, D)`` float32."""
        size = self.network.width, self.network.height
        resized = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in frames])
        # NHWC as it lies in memory is what torch calls channels_last
        x = torch.from_numpy(resized).permute(0, 3, 1, 2).float() / 255
        maps = [F.adaptive_avg_pool2d(one, self.kind.grid).flatten(1) for one in self.network(x)]
        return torch.cat(maps, dim=1).numpy()


def make(name: str, weights: Path) -> DarknetExtractor:
    """Build one of `NETWORKS` from its weights file, or from the folder that holds it under its published name.

    Raises:
        InputError: there is no such file, or it cannot be used.
    """
    path = weights / NETWORKS[name].file if weights.suffix != ".weights" else weights
    if not path.is_file():
        raise InputError(f"no weights for {name} at {path}; give the file {NETWORKS[name].file} with --weights FILE")
    return DarknetExtractor(name, path)
