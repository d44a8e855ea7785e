"""Darknet's layers in torch, as far as YOLO v1 to v3 have them: the base class and the layers without weights.

They compute what darknet's C source (``src/*_layer.c``) does.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.errors import InputError
from tracking_env.features.darknet.files import Section

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "logistic": torch.sigmoid,
}
LARGEST_OPTION = 4096
"""Largest kernel size, stride, padding and number of groups that is read: several times that of any network."""

Shape = tuple[int, int, int]
"""Channels, rows, columns."""


class Layer(nn.Module):
    """One section of a cfg. This class returns its input: it serves for dropout, and for layers that only decode.

    Args:
        section: the section's options.
        index: the layer's number in the cfg.
        shapes: output shapes of the layers before it; ``shapes[0]`` is the network's input,
            ``shapes[i + 1]`` the output of layer i.

    Attributes:
        sources: indices of the layers it reads besides the one before it.
        shape: shape of its output; connected layers have one row and one column.

    Raises:
        InputError: the section has an unknown option or activation.
        ValueError: an option has a value that is out of range or does not fit the layer before.
    """

    # The options that the layer supports; None for any. Others are refused, since they would change the result.
    OPTIONS: ClassVar[set[str] | None] = None
    ACTIVATION = "linear"

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__()
        for key in section:
            # A layer that returns its input may have any options.
            if self.OPTIONS is not None and key not in self.OPTIONS | {"type"}:
                raise InputError(
                    f"layer {index} of the cfg, [{section['type']}], has {key}={section[key]}, which this reader does "
                    "not support"
                )
        for key, least in (("size", 1), ("stride", 1), ("groups", 1), ("pad", 0), ("padding", 0)):
            if self.OPTIONS is not None and not least <= int(section.get(key, least)) <= LARGEST_OPTION:
                raise ValueError(f"{key}={section[key]}, expected {least} to {LARGEST_OPTION}")
        name = section.get("activation", self.ACTIVATION)
        if name not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise InputError(f"layer {index} of the cfg has activation={name}, expected one of {known}")
        self.activation = ACTIVATIONS[name]
        self.sources: list[int] = []
        self.shape = shapes[-1]

    @property
    def stored(self) -> list[tuple[str, int]]:
        """The layer's parts in the weights file, in order: their names and how many numbers each has."""
        return []

    def fill(self, parts: dict[str, np.ndarray], transposed: bool) -> None:
        """Set the layer's weights from the parts of `stored`.

        Args:
            parts: flat float32 arrays by name.
            transposed: whether the file stores matrices of connected layers as ``(in, out)``.
        """

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """The layer's output, for the output ``x`` ``(N, C, h, w)`` of the layer before and those of its `sources`."""
        return x


class Maxpool(Layer):
    """Maximum over windows. Darknet pads size - 1 pixels in all, with the odd one on the right and below."""

    OPTIONS: ClassVar = {"size", "stride"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.stride = int(section.get("stride", 1))
        self.size = int(section.get("size", self.stride))
        channels, *sides = self.shape
        rows, columns = ((side - 1) // self.stride + 1 for side in sides)
        self.shape = channels, rows, columns

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, C, h', w')``."""
        low = (self.size - 1) // 2
        high = self.size - 1 - low
        # Padded by minus infinity, which is never the maximum.
        return F.max_pool2d(F.pad(x, (low, high, low, high), value=-torch.inf), self.size, self.stride)


class Crop(Layer):
    """The middle of the image, with its values scaled from [0, 1] to [-1, 1] (unless ``noadjust``).

    The networks of 2015 begin with it. So their input is often described as [-1, 1], although darknet divides by 255.
    """

    # All but the first three affect training images only.
    OPTIONS: ClassVar = {"crop_height", "crop_width", "noadjust", "flip", "angle", "saturation", "exposure", "shift"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.adjust = not int(section.get("noadjust", 0))
        rows, columns = int(section["crop_height"]), int(section["crop_width"])
        if rows > self.shape[1] or columns > self.shape[2]:
            raise ValueError(f"{rows} x {columns} of {self.shape[1]} x {self.shape[2]} pixels cannot be cropped")
        self.shape = self.shape[0], rows, columns

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, C, crop_height, crop_width)``."""
        _, rows, columns = self.shape
        top, left = (x.shape[2] - rows) // 2, (x.shape[3] - columns) // 2
        x = x[:, :, top : top + rows, left : left + columns]
        return x * 2 - 1 if self.adjust else x


class Route(Layer):
    """The outputs of other layers, concatenated along the channels."""

    OPTIONS: ClassVar = {"layers"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.sources = _references(section["layers"], index)
        inputs = [shapes[source + 1] for source in self.sources]
        if len({shape[1:] for shape in inputs}) > 1:
            raise ValueError(f"it joins layers of different sizes: {', '.join(map(str, inputs))}")
        self.shape = sum(shape[0] for shape in inputs), *inputs[0][1:]

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """Maps ``(N, C_i, h, w)`` of the sources -> ``(N, sum of C_i, h, w)``; ``x`` is not used."""
        return torch.cat(sources, dim=1)


class Shortcut(Layer):
    """The sum of the layer before and one other layer."""

    OPTIONS: ClassVar = {"from", "activation"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.sources = _references(section["from"], index)
        if len(self.sources) > 1:
            raise InputError(f"layer {index} of the cfg adds {len(self.sources)} layers; this reader adds one")
        if shapes[self.sources[0] + 1] != self.shape:
            raise ValueError(f"it adds {shapes[self.sources[0] + 1]} to {self.shape}")

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` twice -> ``(N, C, h, w)``."""
        return self.activation(x + sources[0])


class Upsample(Layer):
    """Every pixel repeated ``stride`` times in both directions."""

    OPTIONS: ClassVar = {"stride"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.stride = int(section.get("stride", 2))
        self.shape = self.shape[0], self.shape[1] * self.stride, self.shape[2] * self.stride

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, C, stride h, stride w)``."""
        return F.interpolate(x, scale_factor=self.stride, mode="nearest")


def _references(text: str, index: int) -> list[int]:
    """The layer numbers in an option of layer ``index``; negative ones count back from it."""
    numbers = [int(part) for part in text.split(",")]
    absolute = [index + number if number < 0 else number for number in numbers]
    if not all(0 <= number < index for number in absolute):
        raise ValueError(f"{text} points outside the layers before it")
    return absolute
