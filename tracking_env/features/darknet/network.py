"""Darknet networks in torch, built from the sections of a ``.cfg`` and filled from a ``.weights`` file.

Layers are numbered as in the cfg, without the ``[net]`` section. Cfg files refer to other layers by these numbers, and
an extractor names the layers it taps by them. Batch normalisation is folded into the layer before it.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracking_env.errors import InputError, first_line
from tracking_env.features.darknet.files import Section, read_cfg, read_weights
from tracking_env.features.darknet.layers import Crop, Layer, Maxpool, Route, Shape, Shortcut, Upsample
from tracking_env.features.darknet.weighted_layers import Connected, Convolutional, Local

LARGEST_OUTPUT = 1 << 26
"""Numbers that a layer may put out for one frame (256 MB): five times YOLO v1's largest."""
LAYERS: dict[str, type[Layer]] = {
    "convolutional": Convolutional,
    "connected": Connected,
    "local": Local,
    "maxpool": Maxpool,
    "crop": Crop,
    "dropout": Layer,
    "route": Route,
    "shortcut": Shortcut,
    "upsample": Upsample,
    "yolo": Layer,
    "detection": Layer,
}
"""The layer types by the name of their section."""


class Darknet(nn.Module):
    """A darknet network that returns the outputs of chosen layers. `load` gives it its weights.

    Args:
        sections: sections of a cfg; the first is ``[net]``.
        taps: indices of the layers to return; layers after the last of them are left out.
        name: the cfg's name in error messages.

    Attributes:
        height: of the input, in pixels.
        width: of the input, in pixels.
        shapes: shapes of the tapped outputs: channels, rows, columns.
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
            raise InputError(f"{name} has {len(rest)} layers, expected a layer {max(taps)}; give another cfg")
        self.name, self.taps = name, taps
        layers: list[Layer] = []
        for index, section in enumerate(rest):
            kind = section["type"]
            if kind not in LAYERS:
                raise InputError(f"layer {index} of {name} is [{kind}], which this reader does not support")
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
        # Layers after the taps are not computed. They count above, since the file holds their numbers too.
        self.layers = nn.ModuleList(layers[: max(taps) + 1])

    def load(self, path: Path) -> str:
        """Fill the network from a weights file.

        Returns:
            The file's sha256, 64 hexadecimal digits.

        Raises:
            InputError: the file cannot be read, or does not hold as many numbers as the cfg needs.
        """
        weights = read_weights(path)
        surplus = len(weights.numbers) - self.needs
        if surplus:
            raise InputError(
                f"{path} holds {len(weights.numbers)} numbers, {self.name} needs {self.needs}: {abs(surplus)} too "
                f"{'many' if surplus > 0 else 'few'}; give the weights that belong to it"
            )
        position = 0
        for layer in self.layers:
            parts = {}
            for name, count in layer.stored:  # type: ignore[union-attr]
                parts[name] = np.asarray(weights.numbers[position : position + count])
                position += count
            with np.errstate(all="ignore"):  # checked below
                layer.fill(parts, weights.transposed)  # type: ignore[operator]
            if not all(bool(torch.isfinite(parameter).all()) for parameter in layer.parameters()):
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
    """Return a layer's output shape if it can be right.

    Raises:
        ValueError: it is empty, or takes more memory than a network can need.
    """
    if min(shape) < 1 or math.prod(shape) > LARGEST_OUTPUT:
        raise ValueError(f"its output is {' x '.join(map(str, shape))} numbers, expected 1 to {LARGEST_OUTPUT}")
    return shape


def read(cfg: Path, weights: Path, taps: tuple[int, ...]) -> Darknet:
    """Read a network from its two files, ready for use.

    Args:
        cfg: the ``.cfg`` file.
        weights: the ``.weights`` file.
        taps: indices of the layers whose outputs are returned.

    Raises:
        InputError: a file is missing or not of this format, the cfg cannot be built, or the sizes do not add up.
    """
    network = Darknet(read_cfg(cfg), taps, cfg.name)
    network.load(weights)
    return network.eval()
