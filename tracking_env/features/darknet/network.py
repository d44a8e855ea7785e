"""Darknet networks in torch, built from the sections of a ``.cfg`` and filled from a ``.weights`` file.

Every layer keeps its index in the cfg (the ``[net]`` section not counted), which is how cfg files refer to each other's
layers and how an extractor names the layer it taps. Batch normalisation is folded into the layer before it.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracking_env.errors import InputError, first_line
from tracking_env.features.darknet.files import Section, read_cfg, read_weights
from tracking_env.features.darknet.layers import LAYERS, Layer, Shape

LARGEST = 1 << 26
"""Numbers that a layer may put out for one frame: 256 MB; YOLO v1's largest takes a fifth of it."""


class Darknet(nn.Module):
    """A darknet network that returns chosen layers' outputs; `load` gives it its numbers, until then it has none.

    Args:
        sections: of a cfg, the first being ``[net]``.
        taps: indices of the layers to return; no layer after the last of them is computed or kept.
        name: how errors call the cfg.

    Attributes:
        height, width: of the input, in pixels.
        shapes: of the tapped layers' outputs: channels, rows, columns.
        needs: how many numbers the weights file of the whole cfg holds.

    Raises:
        InputError: a layer type or an option is unknown, or a layer does not fit the one before it.
    """

    def __init__(self, sections: list[Section], taps: tuple[int, ...], name: str = "the cfg") -> None:
        super().__init__()
        header, *rest = sections
        try:
            self.height, self.width = int(header["height"]), int(header["width"])
            shapes: list[Shape] = [_bounded((int(header.get("channels", 3)), self.height, self.width))]
        except (KeyError, ValueError) as error:
            raise InputError(f"[net] of {name} has no proper width and height: {error}") from None
        if not 0 <= min(taps) <= max(taps) < len(rest):
            raise InputError(f"{name} has {len(rest)} layers, wanted the output of layer {max(taps)}; give another cfg")
        self.name, self.taps = name, taps
        layers: list[Layer] = []
        for index, section in enumerate(rest):
            kind = section["type"]
            if kind not in LAYERS:
                raise InputError(f"layer {index} of {name} is [{kind}], which this reader does not know")
            try:
                with torch.device("meta"):  # shapes without memory: the numbers come from the file
                    layer = LAYERS[kind](section, index, shapes)
                _bounded(layer.shape)
            except InputError:
                raise
            except (KeyError, ValueError, TypeError, IndexError, ArithmeticError, RuntimeError) as error:
                raise InputError(f"layer {index} of {name}, [{kind}], is malformed: {first_line(error)}") from None
            layers.append(layer)
            shapes.append(layer.shape)
        self.shapes = [shapes[tap + 1] for tap in taps]
        self.needs = sum(count for layer in layers for _, count in layer.stored)
        self.layers = nn.ModuleList(layers[: max(taps) + 1])

    def load(self, path: Path) -> str:
        """Fill the network from a weights file, and return the file's sha256.

        Raises:
            InputError: the file cannot be read, or does not hold as many numbers as the cfg needs.
        """
        weights = read_weights(path)
        over = len(weights.numbers) - self.needs
        if over:
            raise InputError(
                f"{path} holds {len(weights.numbers)} numbers, {self.name} needs {self.needs}: {abs(over)} too "
                f"{'many' if over > 0 else 'few'}; give the weights that belong to it"
            )
        taken = 0
        for layer in self.layers:
            parts = {}
            for name, count in layer.stored:  # type: ignore[union-attr]
                parts[name] = np.asarray(weights.numbers[taken : taken + count])
                taken += count
            with np.errstate(all="ignore"):
                layer.fill(parts, weights.transposed)  # type: ignore[operator]
            if not all(bool(torch.isfinite(one).all()) for one in layer.parameters()):
                raise InputError(f"{path} holds numbers that are not finite, or variances below 0; fetch it again")
        return weights.sha256

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, 3, height, width)`` RGB in [0, 1] -> the tapped maps ``(N, C, h, w)``, in the order of ``taps``."""
        outputs: list[Tensor] = []
        for layer in self.layers:
            x = layer(x, [outputs[source] for source in layer.sources])  # type: ignore[union-attr]
            outputs.append(x)
        return [outputs[tap] for tap in self.taps]


def _bounded(shape: Shape) -> Shape:
    """The shape of a layer's output.

    Raises:
        ValueError: it is empty, or takes more memory than a network can need.
    """
    if min(shape) < 1 or math.prod(shape) > LARGEST:
        raise ValueError(f"its output is {' x '.join(map(str, shape))} numbers, wanted 1 to {LARGEST}")
    return shape


def read(cfg: Path, weights: Path, taps: tuple[int, ...]) -> Darknet:
    """The network of two files, ready for use.

    Raises:
        InputError: a file is missing or not of this format, the cfg cannot be built, or the sizes do not add up.
    """
    network = Darknet(read_cfg(cfg), taps, cfg.name)
    network.load(weights)
    return network.eval()
