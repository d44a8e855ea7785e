"""Darknet networks in torch: a ``.cfg`` file gives the layers, a ``.weights`` file their numbers.

Every layer keeps its index in the cfg (the ``[net]`` section not counted), which is how cfg files refer to each other's
layers and how an extractor names the layer it taps. Batch normalisation is folded into the convolutions.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.errors import InputError

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "logistic": torch.sigmoid,
}
KNOWN = {  # layer types and the options that this reader honours; others would change the result unnoticed
    "convolutional": {"filters", "size", "stride", "pad", "padding", "groups", "batch_normalize", "activation"},
    "maxpool": {"size", "stride"},
    "route": {"layers"},
    "shortcut": {"from", "activation"},
    "upsample": {"stride"},
    "yolo": None,  # only decodes what the layer before it computed
}
BATCH_NORM_EPS = 1e-6  # darknet adds it to the standard deviation, not to the variance

Section = dict[str, str]


class Layer(nn.Module):
    """One cfg section. ``sources`` are the indices of the layers it reads besides the one before it."""

    def __init__(self, section: Section, index: int, channels: list[int]) -> None:
        super().__init__()
        self.kind = section["type"]
        if self.kind not in KNOWN:
            raise InputError(f"layer {index} of the cfg is [{self.kind}], which this reader does not know")
        known = KNOWN[self.kind]
        for key in section:
            if known is not None and key not in known | {"type"}:
                raise InputError(f"layer {index} of the cfg, [{self.kind}], has {key}, which this reader does not know")
        self.sources: list[int] = []
        before = channels[-1]
        self.channels = before
        self.stride = int(section.get("stride", 2 if self.kind == "upsample" else 1))
        self.size = int(section.get("size", self.stride if self.kind == "maxpool" else 1))
        default = "logistic" if self.kind == "convolutional" else "linear"
        self.activation = ACTIVATIONS[_choice(section, "activation", default, index)]
        if self.kind == "convolutional":
            self.channels = int(section["filters"])
            padding = self.size // 2 if int(section.get("pad", 0)) else int(section.get("padding", 0))
            groups = int(section.get("groups", 1))
            self.batch_norm = bool(int(section.get("batch_normalize", 0)))
            self.conv = nn.Conv2d(before, self.channels, self.size, self.stride, padding, groups=groups)
        elif self.kind == "shortcut":
            self.sources = _references(section["from"], index)
            if len(self.sources) > 1:
                raise InputError(f"layer {index} of the cfg adds {len(self.sources)} layers; this reader adds one")
        elif self.kind == "route":
            self.sources = _references(section["layers"], index)
            self.channels = sum(channels[source + 1] for source in self.sources)

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        """``x`` is the output of the layer before; ``sources`` the outputs this layer asked for."""
        if self.kind == "convolutional":
            x = self.conv(x)
        elif self.kind == "shortcut":
            x = x + sources[0]
        elif self.kind == "route":
            x = torch.cat(sources, dim=1)
        elif self.kind == "maxpool":  # darknet pads size - 1 pixels in all, the odd one on the right
            low = (self.size - 1) // 2
            high = self.size - 1 - low
            x = F.max_pool2d(F.pad(x, (low, high, low, high), value=-torch.inf), self.size, self.stride)
        elif self.kind == "upsample":
            x = F.interpolate(x, scale_factor=self.stride, mode="nearest")
        return self.activation(x)

    def read(self, numbers: np.ndarray) -> int:
        """Fill this layer from the front of ``numbers`` (float32) and return how many it took."""
        if self.kind != "convolutional":
            return 0
        shape = self.conv.weight.shape
        rows = 4 if self.batch_norm else 1
        vectors, weight = np.split(numbers[: rows * shape[0] + shape.numel()], [rows * shape[0]])
        if len(weight) < shape.numel():
            return rows * shape[0] + shape.numel()  # too short: the caller compares the total
        bias, scale, mean, variance = [*vectors.reshape(rows, shape[0]), *[None] * 3][:4]
        kernel = weight.reshape(shape)
        if self.batch_norm:
            gain = scale / (np.sqrt(variance) + BATCH_NORM_EPS)
            kernel, bias = kernel * gain[:, None, None, None], bias - mean * gain
        self.conv.weight.data = torch.tensor(kernel)
        self.conv.bias.data = torch.tensor(bias)  # type: ignore[union-attr]
        return len(vectors) + len(weight)


class Darknet(nn.Module):
    """A darknet network that returns chosen layers' outputs.

    Args:
        cfg: the ``.cfg`` file.
        weights: the ``.weights`` file that belongs to it.
        taps: indices of the layers to return; no layer after the last of them is computed.

    Raises:
        InputError: a file is missing or not of this format, a layer type is unknown, or the sizes do not add up.
    """

    def __init__(self, cfg: Path, weights: Path, taps: tuple[int, ...]) -> None:
        super().__init__()
        header, *sections = read_cfg(cfg)
        try:
            self.height, self.width = int(header["height"]), int(header["width"])
        except (KeyError, ValueError) as error:
            raise InputError(f"[net] of {cfg} has no proper width and height: {error}") from None
        self.taps = taps
        channels = [int(header.get("channels", 3))]  # channels[i + 1] belongs to layer i
        layers = []
        for index, section in enumerate(sections):
            try:
                layers.append(Layer(section, index, channels))
            except InputError:
                raise
            except (KeyError, ValueError, IndexError) as error:
                raise InputError(f"layer {index} of {cfg}, [{section['type']}], is malformed: {error}") from None
            channels.append(layers[-1].channels)
        numbers, self.sha256 = read_weights(weights)
        taken = 0
        for layer in layers:
            taken += layer.read(numbers[taken:])
        if taken != len(numbers):
            raise InputError(
                f"{weights} holds {len(numbers)} numbers, {cfg.name} needs {taken}; give the weights that belong to it"
            )
        self.layers = nn.ModuleList(layers[: max(taps) + 1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, 3, height, width)`` RGB in [0, 1] -> the tapped maps ``(N, C, h, w)``, in the order of ``taps``."""
        outputs: list[Tensor] = []
        for layer in self.layers:
            x = layer(x, [outputs[source] for source in layer.sources])  # type: ignore[union-attr]
            outputs.append(x)
        return [outputs[tap] for tap in self.taps]


def read_cfg(path: Path) -> list[Section]:
    """The sections of a cfg file, in order, each with its ``type``; the first is ``[net]``.

    Raises:
        InputError: the file is missing or is no cfg.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"cannot read the darknet cfg {path}: {error.strerror}; put it beside its weights") from None
    sections: list[Section] = []
    for number, line in enumerate((line.split("#")[0].strip() for line in lines), start=1):
        if line.startswith("["):
            sections.append({"type": line.strip("[]")})
        elif line:
            key, equals, value = line.partition("=")
            if not equals or not sections:
                raise InputError(f"{path}, line {number}: got {line[:40]!r}, wanted [section] or key=value")
            sections[-1][key.strip()] = value.strip()
    if not sections or sections[0]["type"] not in ("net", "network"):
        raise InputError(f"{path} is no darknet cfg: it does not begin with [net]")
    return sections


def read_weights(path: Path) -> tuple[np.ndarray, str]:
    """The float32 numbers of a weights file after its header, and the file's sha256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror}") from None
    if len(data) < 20:
        raise InputError(f"{path} is no darknet weights file: {len(data)} bytes, the header alone takes 16 or 20")
    major, minor, _ = np.frombuffer(data, "<i4", count=3)
    start = 20 if major * 10 + minor >= 2 and major < 1000 and minor < 1000 else 16  # `seen` grew to 64 bits
    if (len(data) - start) % 4:
        raise InputError(f"{path} is truncated: {len(data)} bytes are no whole number of float32 after the header")
    return np.frombuffer(data, "<f4", offset=start), hashlib.sha256(data).hexdigest()


def _choice(section: Section, key: str, default: str, index: int) -> str:
    value = section.get(key, default)
    if value not in ACTIVATIONS:
        raise InputError(f"layer {index} of the cfg has {key}={value}, wanted one of {', '.join(ACTIVATIONS)}")
    return value


def _references(text: str, index: int) -> list[int]:
    """Layer numbers of a cfg: negative ones count back from ``index``."""
    numbers = [int(part) for part in text.split(",")]
    absolute = [index + number if number < 0 else number for number in numbers]
    if not all(0 <= number < index for number in absolute):
        raise ValueError(f"{text} points outside the layers before it")
    return absolute
