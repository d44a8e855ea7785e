"""Darknet's layers with weights: convolutional, connected and locally connected."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.features.darknet.files import Section
from tracking_env.features.darknet.layers import Layer, Shape

BATCH_NORM_EPS = 1e-6  # darknet adds it to the standard deviation, not to the variance


class Weighted(Layer):
    """A layer with weights ``(outputs, ...)`` and biases ``(outputs,)``. Batch normalisation is folded into them."""

    ACTIVATION = "logistic"
    NORM_AFTER_WEIGHTS = False  # the order in the file

    def _allocate(self, section: Section, outputs: int, *inputs: int) -> None:
        self.weight = nn.Parameter(torch.empty(outputs, *inputs), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(outputs), requires_grad=False)
        self.batch_norm = bool(int(section.get("batch_normalize", 0)))

    @property
    def stored(self) -> list[tuple[str, int]]:
        """Biases and weights; scales, means and variances lie between them, or after them in connected layers."""
        bias, weight = ("bias", self.bias.numel()), ("weight", self.weight.numel())
        norm = [(name, self.bias.numel()) for name in ("scale", "mean", "variance") if self.batch_norm]
        return [bias, weight, *norm] if self.NORM_AFTER_WEIGHTS else [bias, *norm, weight]

    def fill(self, parts: dict[str, np.ndarray], transposed: bool) -> None:
        """Set weights and biases, with batch normalisation folded in; arguments as of `Layer.fill`."""
        shape, bias = self.weight.shape, parts["bias"]
        if transposed and isinstance(self, Connected):
            weight = parts["weight"].reshape(shape[::-1]).T
        else:
            weight = parts["weight"].reshape(shape)
        if self.batch_norm:
            # Folded in once, so that a frame passes one operation instead of two.
            gain = parts["scale"] / (np.sqrt(parts["variance"]) + BATCH_NORM_EPS)
            weight = weight * gain.reshape(-1, *[1] * (len(shape) - 1))
            bias = bias - parts["mean"] * gain
        self.weight, self.bias = _parameter(weight), _parameter(bias)


class Convolutional(Weighted):
    """Convolution with zero padding: half the kernel (``pad=1``), or ``padding`` pixels."""

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
    NORM_AFTER_WEIGHTS = True

    def __init__(self, section: Section, index: int, shapes: list[Shape]) -> None:
        super().__init__(section, index, shapes)
        self._allocate(section, int(section["output"]), int(np.prod(self.shape)))
        self.shape = int(section["output"]), 1, 1

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, output, 1, 1)``."""
        return self.activation(F.linear(x.flatten(1), self.weight, self.bias))[..., None, None]


class Local(Layer):
    """A locally connected layer: a convolution with other weights at each place."""

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
        """Set weights and biases, which have no batch normalisation; arguments as of `Layer.fill`."""
        self.bias = _parameter(parts["bias"].reshape(self.bias.shape))
        self.weight = _parameter(parts["weight"].reshape(self.weight.shape))

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, filters, h', w')``."""
        patches = F.unfold(x, self.size, padding=self.padding, stride=self.stride)  # (N, C * size * size, places)
        # Axes: place p, filter f, number k of a patch, frame n.
        sums = torch.einsum("pfk,nkp->nfp", self.weight, patches)
        return self.activation(sums.unflatten(2, self.shape[1:]) + self.bias)


def _parameter(numbers: np.ndarray) -> nn.Parameter:
    """A parameter with a copy of the numbers, which themselves are mapped from the file."""
    return nn.Parameter(torch.tensor(np.ascontiguousarray(numbers)), requires_grad=False)
