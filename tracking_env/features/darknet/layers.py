"""Darknet's layers in torch: those of YOLO v1 to v3, computing what darknet's C source (``src/*_layer.c``) does."""

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
BATCH_NORM_EPS = 1e-6  # darknet adds it to the standard deviation, not to the variance
WIDEST = 4096
"""The largest kernel, stride, padding and number of groups: several times those of any network."""

Shape = tuple[int, int, int]
"""Channels, rows, columns."""


class Layer(nn.Module):
    """One cfg section; this one passes its input on: dropout when not training, and what only decodes or counts.

    Args:
        section: its options.
        index: its number in the cfg.
        shapes: of the network's input and of the layers before it: ``shapes[i + 1]`` is layer i's.

    Attributes:
        sources: indices of the layers it reads besides the one before it.
        shape: of its output; connected layers have one row and one column.
    """

    OPTIONS: ClassVar[set[str] | None] = None  # those it honours: others would change the result unnoticed. None: any
    ACTIVATION = "linear"

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__()
        for key in section:
            if self.OPTIONS is not None and key not in self.OPTIONS | {"type"}:
                where = f"layer {index} of the cfg, [{section['type']}],"
                raise InputError(f"{where} has {key}={section[key]}, which this reader does not know")
        for key, least in (("size", 1), ("stride", 1), ("groups", 1), ("pad", 0), ("padding", 0)):
            if self.OPTIONS is not None and not least <= int(section.get(key, least)) <= WIDEST:
                raise ValueError(f"{key}={section[key]}, wanted {least} to {WIDEST}")
        name = section.get("activation", self.ACTIVATION)
        if name not in ACTIVATIONS:
            wanted = ", ".join(ACTIVATIONS)
            raise InputError(f"layer {index} of the cfg has activation={name}, wanted one of {wanted}")
        self.activation = ACTIVATIONS[name]
        self.sources: list[int] = []
        self.shape = shapes[-1]

    @property
    def stored(self) -> list[tuple[str, int]]:
        """What the weights file holds of this layer, in order: names and how many numbers."""
        return []

    def fill(self, parts: dict[str, np.ndarray], transposed: bool) -> None:
        """Take the numbers of `stored`."""

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``x`` is the output of the layer before; ``sources`` the outputs this layer asked for."""
        return x


class Weighted(Layer):
    """A layer of weights ``(outputs, ...)`` and biases; batch normalisation, where there is any, is folded in."""

    ACTIVATION = "logistic"
    AFTER = False  # whether the numbers of batch normalisation follow the weights

    def _allocate(self, section: Section, outputs: int, *inputs: int) -> None:
        self.weight = nn.Parameter(torch.empty(outputs, *inputs), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(outputs), requires_grad=False)
        self.batch_norm = bool(int(section.get("batch_normalize", 0)))

    @property
    def stored(self) -> list[tuple[str, int]]:
        """Biases and weights, and scales, means and variances between them or (connected) after them."""
        bias, weight = ("bias", self.bias.numel()), ("weight", self.weight.numel())
        norm = [(name, self.bias.numel()) for name in ("scale", "mean", "variance") if self.batch_norm]
        return [bias, weight, *norm] if self.AFTER else [bias, *norm, weight]

    def fill(self, parts: dict[str, np.ndarray], transposed: bool) -> None:
        """Take the numbers, and fold."""
        shape, bias = self.weight.shape, parts["bias"]
        turned = transposed and self.AFTER
        weight = parts["weight"].reshape(shape[::-1]).T if turned else parts["weight"].reshape(shape)
        if self.batch_norm:
            gain = parts["scale"] / (np.sqrt(parts["variance"]) + BATCH_NORM_EPS)
            weight = weight * gain.reshape(-1, *[1] * (len(shape) - 1))
            bias = bias - parts["mean"] * gain
        self.weight, self.bias = _parameter(weight), _parameter(bias)


class Convolutional(Weighted):
    """Convolution with zero padding of half the kernel (``pad=1``) or of so many pixels (``padding``)."""

    OPTIONS: ClassVar = {"filters", "size", "stride", "pad", "padding", "groups", "batch_normalize", "activation"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        channels, *sides = self.shape
        size, self.stride = int(section.get("size", 1)), int(section.get("stride", 1))
        self.padding = size // 2 if int(section.get("pad", 0)) else int(section.get("padding", 0))
        self.groups = int(section.get("groups", 1))
        filters = int(section["filters"])
        if channels % self.groups or filters % self.groups:
            raise ValueError(f"{channels} channels and {filters} filters cannot be split into {self.groups} groups")
        self._allocate(section, filters, channels // self.groups, size, size)
        rows, columns = ((side + 2 * self.padding - size) // self.stride + 1 for side in sides)
        self.shape = filters, rows, columns

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, filters, h', w')``."""
        return self.activation(F.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups))


class Connected(Weighted):
    """A fully connected layer over the input flattened in the order channel, row, column."""

    OPTIONS: ClassVar = {"output", "batch_normalize", "activation"}
    AFTER = True

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self._allocate(section, int(section["output"]), int(np.prod(self.shape)))
        self.shape = int(section["output"]), 1, 1

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, output, 1, 1)``."""
        return self.activation(F.linear(x.flatten(1), self.weight, self.bias))[..., None, None]


class Local(Layer):
    """A convolution whose weights differ from place to place."""

    OPTIONS: ClassVar = {"filters", "size", "stride", "pad", "activation"}
    ACTIVATION = "logistic"

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        channels, *sides = self.shape
        self.size, self.stride = int(section.get("size", 1)), int(section.get("stride", 1))
        self.padding = int(section.get("pad", 0))  # in pixels, unlike a convolution's
        if self.padding and self.size != 3:
            raise ValueError(f"pad={self.padding} with size={self.size}; darknet's output only fits where size is 3")
        rows, columns = ((side + 2 * self.padding - self.size) // self.stride + 1 for side in sides)
        self.shape = int(section["filters"]), rows, columns
        inputs = channels * self.size**2
        self.weight = nn.Parameter(torch.empty(rows * columns, self.shape[0], inputs), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(self.shape), requires_grad=False)

    @property
    def stored(self) -> list[tuple[str, int]]:
        """Biases ``(filters, rows, columns)``, weights ``(rows * columns, filters, channels * size * size)``."""
        return [("bias", self.bias.numel()), ("weight", self.weight.numel())]

    def fill(self, parts: dict[str, np.ndarray], transposed: bool) -> None:
        """Take the numbers."""
        self.bias = _parameter(parts["bias"].reshape(self.bias.shape))
        self.weight = _parameter(parts["weight"].reshape(self.weight.shape))

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, filters, h', w')``."""
        patches = F.unfold(x, self.size, padding=self.padding, stride=self.stride)  # (N, C * size * size, places)
        sums = torch.einsum("pfk,nkp->nfp", self.weight, patches)
        return self.activation(sums.unflatten(2, self.shape[1:]) + self.bias)


class Maxpool(Layer):
    """Maximum over windows; darknet pads size - 1 pixels in all, the odd one on the right and below."""

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
        return F.max_pool2d(F.pad(x, (low, high, low, high), value=-torch.inf), self.size, self.stride)


class Crop(Layer):
    """The middle of the image, and its values taken from [0, 1] to [-1, 1] (unless ``noadjust``).

    This is how the networks of 2015 begin, and why their input is said to be in [-1, 1] though darknet divides by 255.
    """

    # All but the first three change training images only.
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
    """Other layers' outputs, one after the other along the channels."""

    OPTIONS: ClassVar = {"layers"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.sources = _references(section["layers"], index)
        found = [shapes[source + 1] for source in self.sources]
        if len({shape[1:] for shape in found}) > 1:
            raise ValueError(f"it joins layers of different sizes: {', '.join(map(str, found))}")
        self.shape = sum(shape[0] for shape in found), *found[0][1:]

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """Of the sources only."""
        return torch.cat(sources, dim=1)


class Shortcut(Layer):
    """The sum of the layer before and of one other."""

    OPTIONS: ClassVar = {"from", "activation"}

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self.sources = _references(section["from"], index)
        if len(self.sources) > 1:
            raise InputError(f"layer {index} of the cfg adds {len(self.sources)} layers; this reader adds one")
        if shapes[self.sources[0] + 1] != self.shape:
            raise ValueError(f"it adds {shapes[self.sources[0] + 1]} to {self.shape}")

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> the same."""
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


def _parameter(numbers: np.ndarray) -> nn.Parameter:
    """A copy, for the numbers of a file are mapped from it."""
    return nn.Parameter(torch.tensor(np.ascontiguousarray(numbers)), requires_grad=False)


def _references(text: str, index: int) -> list[int]:
    """Layer numbers of a cfg: negative ones count back from ``index``."""
    numbers = [int(part) for part in text.split(",")]
    absolute = [index + number if number < 0 else number for number in numbers]
    if not all(0 <= number < index for number in absolute):
        raise ValueError(f"{text} points outside the layers before it")
    return absolute
