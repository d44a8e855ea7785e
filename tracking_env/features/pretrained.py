"""Pretrained networks as extractors. This module needs torch."""

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
"""Rows and columns."""


class NetworkExtractor:
    """Maps of a frozen network, averaged to a grid and flattened in the order layer, channel, row, column.

    It computes on the network's device: on a GPU in half precision, see `to`. That rounds more than storing features as
    float16 does: by 1 % of a feature's deviation (root mean square, yolo-nano-voc on OTB). It moves a trained agent's
    boxes by 0.0004 of the image and its mean IoU by less than 0.005, so ``id`` is the same on both.

    Args:
        name: name of the network.
        network: ``(N, 3, rows, columns)`` -> a list of maps ``(N, C, h, w)``.
        size: rows and columns of its input.
        pixels: its preprocessing.
        grid: grid to average the maps to; None for a network whose maps have one row and column.
        default: the grid that ``id`` does not name.
        recipe: weights, layers and whatever else the features depend on; hashed into ``id``.
        random: whether the weights are random, which ``id`` then says.

    Raises:
        InputError: the grid is finer than a map.
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
        random: bool = False,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        # Frames come in this order, see below.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.size, self.pixels, self.grid = size, pixels, grid
        self.id = _make_id(name, pixels, grid, default, recipe, random)
        # A trial on a black frame tells the length, and refuses a grid that is too fine.
        self.dim = self(np.zeros((1, *size, 3), np.uint8)).shape[1]

    def to(self, device: torch.device) -> Self:
        """Move the network to a device, to a GPU in half precision, and return the extractor."""
        self.network.to(device=device, dtype=torch.half if device.type == "cuda" else None)
        return self

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """``(height, width, 3)`` uint8 RGB -> the network's input, ``(rows, columns, 3)`` uint8 RGB."""
        return cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_LINEAR)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """``(N, rows, columns, 3)`` uint8 RGB -> ``(N, D)`` float32."""
        check_prepared(frames, self.size)
        weight = next(self.network.parameters())
        x = torch.from_numpy(np.require(frames, requirements=["C", "W"]))
        if weight.is_cuda:  # bytes are a quarter of float32, and the GPU reads pinned memory by itself
            x = x.pin_memory().to(weight.device, non_blocking=True)
        # The permuted view of (N, rows, columns, 3) is what torch calls channels_last.
        x = x.permute(0, 3, 1, 2).float() / 255
        if any(self.pixels.mean) or set(self.pixels.std) != {1}:
            mean, std = (x.new_tensor(values)[:, None, None] for values in (self.pixels.mean, self.pixels.std))
            x = (x - mean) / std
        maps = [self._pool(feature_map) for feature_map in self.network(x.to(weight.dtype))]
        return torch.cat(maps, dim=1).float().cpu().numpy()

    def _pool(self, feature_map: Tensor) -> Tensor:
        """Average a map ``(N, C, h, w)`` to the grid and flatten it."""
        rows, columns = feature_map.shape[2:]
        if self.grid is None:
            return feature_map.flatten(1)
        if rows < self.grid[0] or columns < self.grid[1]:
            got = f"a map of {rows} x {columns}" if max(rows, columns) > 1 else "no map, but a vector"
            raise InputError(
                f"the network gives {got}, the grid has {self.grid[0]} x {self.grid[1]}; give a smaller grid, or leave "
                "it out"
            )
        return F.adaptive_avg_pool2d(feature_map, self.grid).flatten(1)


def _make_id(
    name: str, pixels: Pixels, grid: Grid | None, default: Grid | None, recipe: tuple[str, ...], random: bool
) -> str:
    """An extractor's id, such as ``yolo-nano-voc-5x5-869b9e35``: the last part is a hash of all that matters."""
    first, *others = recipe
    side = None if grid is None else grid[0] if grid[0] == grid[1] else f"{grid[0]}x{grid[1]}"
    # Stores and checkpoints hold these ids, so words and order must stay.
    text = " ".join([first, str(side), pixels.text, *others])
    words = [name]
    if grid and grid != default:
        words.append(f"{grid[0]}x{grid[1]}")
    if random:
        words.append(RANDOM)
    return "-".join([*words, hashlib.sha256(text.encode()).hexdigest()[:8]])


def make(name: str, weights: Path, grid: Grid | None = None, random: bool = False) -> NetworkExtractor:
    """Build one of `model_zoo.NETWORKS` as an extractor.

    Args:
        name: the network's name.
        weights: its weights file. A darknet network's cfg lies beside it under the same name; YOLO v1 needs none, but
            uses one if it is there.
        grid: rows and columns to average its map to; by default those of `model_zoo.NETWORKS`.
        random: whether to draw weights instead of reading the file.

    Raises:
        InputError: the weights are damaged or belong to another network, or the grid is finer than the map.
    """
    network = NETWORKS[name]
    if network.kind == "darknet":
        return _make_darknet(name, network, weights, grid or network.grid, random)
    with torch.device("meta"):  # shapes without memory: the weights come later
        module = mobilenet_v2.MobileNetV2()
    pixels = network.pixels
    if random:
        _randomise(module)
        digest = RANDOM
    else:
        digest, from_tensorflow = mobilenet_v2.load(module, weights)
        if from_tensorflow:
            pixels = TENSORFLOW
    size = pixels.side, pixels.side
    return NetworkExtractor(name, module, size, pixels, grid or network.grid, network.grid, (digest,), random)


def _make_darknet(name: str, network: Network, weights: Path, grid: Grid | None, random: bool) -> NetworkExtractor:
    cfg, cfg_digest = weights.with_suffix(".cfg"), ""
    if name in yolo_v1.LAYOUTS and not cfg.exists():
        module = Darknet(yolo_v1.make_sections(name), network.taps, name)
    else:
        module = Darknet(read_cfg(cfg), network.taps, cfg.name)
        cfg_digest = sha256(cfg)
    if sum(shape[0] for shape in module.shapes) != network.channels:
        got = " and ".join(str(shape) for shape in module.shapes)
        raise InputError(
            f"layer {network.taps} of {cfg} gives {got}, expected {network.channels} channels; is it {name}'s?"
        )
    if random:
        _randomise(module)
    recipe = [f"{RANDOM if random else module.load(weights)} {network.taps}"]
    if cfg_digest and cfg_digest not in [file.sha256 for file in network.files]:
        recipe.append(cfg_digest)  # perhaps other layers than the published ones: other features
    size = module.height, module.width
    return NetworkExtractor(name, module, size, network.pixels, grid, network.grid, tuple(recipe), random)


def _randomise(module: nn.Module) -> None:
    """Draw weights that keep the size of values from layer to layer (He et al., 2015, arXiv:1502.01852); seeded."""
    module.to_empty(device="cpu")
    # One seed for all: the id does not tell one draw from another.
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
