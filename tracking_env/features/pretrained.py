"""Pretrained networks as extractors (torch)."""

import hashlib
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.errors import InputError
from tracking_env.features import mobilenet_v2
from tracking_env.features.base import check_prepared
from tracking_env.features.darknet import yolo_v1
from tracking_env.features.darknet.files import read_cfg
from tracking_env.features.darknet.network import Darknet
from tracking_env.features.model_zoo import NETWORKS, RANDOM, TENSORFLOW, Network, Pixels
from tracking_env.files import sha256

Grid = tuple[int, int]


class NetworkExtractor:
    """Maps of a network, averaged to a grid and flattened in the order layer, channel, row, column.

    It computes where its network lies: on a GPU in half precision, see `to`. That rounds more than keeping features as
    float16 does: by 1 % of a feature's deviation (root mean square, yolo-nano-voc on OTB), which moves a trained
    agent's boxes by 0.0004 of the image and its mean IoU by less than 0.005. So ``id`` does not tell the two apart.

    Args:
        name: of the network.
        network: ``(N, 3, side, side)`` -> a list of maps ``(N, C, h, w)``.
        size: rows and columns of its input.
        pixels: its preprocessing.
        grid: rows and columns to average maps to, or None where they have one row and column.
        default: the grid that goes without saying in ``id``.
        recipe: weights and layers, and what else the features depend on.
        marked: whether the weights are random.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        size: Grid,
        pixels: Pixels,
        grid: Grid | None,
        default: Grid | None,
        recipe: tuple[str, ...],
        marked: bool = False,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.size, self.pixels, self.grid = size, pixels, grid
        first, *more = recipe
        side = None if grid is None else grid[0] if grid[0] == grid[1] else f"{grid[0]}x{grid[1]}"
        text = " ".join([first, str(side), pixels.text, *more])
        said = [name, *([f"{grid[0]}x{grid[1]}"] if grid and grid != default else []), *([RANDOM] if marked else [])]
        self.id = "-".join([*said, hashlib.sha256(text.encode()).hexdigest()[:8]])
        self.dim = self(np.zeros((1, *size, 3), np.uint8)).shape[1]

    def to(self, device: torch.device) -> Self:
        """Move the network, to a GPU in half precision; returns the extractor."""
        self.network.to(device=device, dtype=torch.half if device.type == "cuda" else None)
        return self

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """``(height, width, 3)`` uint8 RGB -> the network's input, ``(rows, columns, 3)`` uint8 RGB."""
        return cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_LINEAR)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, rows, columns, 3)`` uint8 RGB -> ``(N, D)`` float32."""
        check_prepared(frames, self.size)
        like, x = next(self.network.parameters()), torch.from_numpy(np.require(frames, requirements=["C", "W"]))
        if like.is_cuda:  # a quarter of float32's bytes, from memory that the GPU reads by itself
            x = x.pin_memory().to(like.device, non_blocking=True)
        # NHWC as it lies in memory is what torch calls channels_last
        x = x.permute(0, 3, 1, 2).float() / 255
        if any(self.pixels.mean) or set(self.pixels.std) != {1}:
            mean, std = (x.new_tensor(one)[:, None, None] for one in (self.pixels.mean, self.pixels.std))
            x = (x - mean) / std
        maps = [self._pool(one) for one in self.network(x.to(like.dtype))]
        return torch.cat(maps, dim=1).float().cpu().numpy()

    def _pool(self, one: Tensor) -> Tensor:
        sides = one.shape[2:]
        if self.grid is None:
            return one.flatten(1)
        if sides[0] < self.grid[0] or sides[1] < self.grid[1]:
            has = f"a map of {sides[0]} x {sides[1]}" if max(sides) > 1 else "no map, but a vector"
            wanted = f"{self.grid[0]} x {self.grid[1]}"
            raise InputError(f"the network gives {has}, wanted {wanted}; give a smaller grid, or leave it out")
        return F.adaptive_avg_pool2d(one, self.grid).flatten(1)


def make(name: str, weights: Path, grid: Grid | None = None, random: bool = False) -> NetworkExtractor:
    """Build one of `zoo.NETWORKS`.

    Args:
        name: which one.
        weights: its weights file. Beside a darknet network's file lies its cfg, named alike; of YOLO v1 the layers are
            known, but a cfg that lies there has its way.
        grid: rows and columns to average its map to; by default the published entry's.
        random: leave the weights file unread and draw its numbers.

    Raises:
        InputError: the weights are damaged or belong to another network, or the grid is finer than the map.
    """
    kind = NETWORKS[name]
    if kind.kind == "darknet":
        return _make_darknet(name, kind, weights, grid or kind.grid, random)
    with torch.device("meta"):  # shapes without memory: the numbers come from the file
        network = mobilenet_v2.MobileNetV2()
    if random:
        _randomise(network)
        digest, pixels = RANDOM, kind.pixels
    else:
        digest, from_tensorflow = mobilenet_v2.load(network, weights)
        pixels = TENSORFLOW if from_tensorflow else kind.pixels
    size = pixels.side, pixels.side
    return NetworkExtractor(name, network, size, pixels, grid or kind.grid, kind.grid, (digest,), random)


def _make_darknet(name: str, kind: Network, weights: Path, grid: Grid | None, random: bool) -> NetworkExtractor:
    cfg, more = weights.with_suffix(".cfg"), []
    if name in yolo_v1.LAYOUTS and not cfg.exists():
        network = Darknet(yolo_v1.sections(name), kind.taps, name)
    else:
        network = Darknet(read_cfg(cfg), kind.taps, cfg.name)
        cfg_digest = sha256(cfg)
        if cfg_digest not in [file.sha256 for file in kind.files]:
            more = [cfg_digest]  # perhaps other layers than the published ones: other features
    if sum(shape[0] for shape in network.shapes) != kind.channels:
        found = " and ".join(str(shape) for shape in network.shapes)
        raise InputError(f"layer {kind.taps} of {cfg} gives {found}, wanted {kind.channels} channels; is it {name}'s?")
    if random:
        _randomise(network)
    digest = RANDOM if random else network.load(weights)
    size = network.height, network.width
    recipe = (f"{digest} {kind.taps}", *more)
    return NetworkExtractor(name, network, size, kind.pixels, grid, kind.grid, recipe, random)


def _randomise(network: nn.Module) -> None:
    """Numbers that keep the size of values from layer to layer (He et al., 2015, arXiv:1502.01852), always the same."""
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for one in network.parameters():
        if one.ndim > 1:
            nn.init.kaiming_normal_(one, generator=generator)
        else:
            nn.init.zeros_(one)
