"""ResNet-18 and MobileNetV2 in plain torch, up to their last map, for weights as torchvision publishes them.

The layers have torchvision's names. Batch normalisation is folded into the convolutions when weights are read.
"""

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tracking_env.errors import InputError

State = dict[str, Tensor]
BATCH_NORM_EPS = 1e-5


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution whose padding is half its kernel, with the bias that batch normalisation leaves."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups)


class BasicBlock(nn.Module):
    """Two convolutions around which the input is added (He et al., 2016, arXiv:1512.03385, Fig. 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = convolution(inputs, outputs, 3, stride), convolution(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.downsample = nn.Sequential() if same else nn.Sequential(convolution(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, h, w)`` -> ``(N, outputs, h / stride, w / stride)``."""
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + self.downsample(x))


class ResNet18(nn.Module):
    """The 18-layer residual network without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = convolution(3, 64, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = (64, 64, 128, 256, 512)
        for number in range(1, 5):
            inputs, outputs = widths[number - 1 : number + 1]
            first = BasicBlock(inputs, outputs, 1 if number == 1 else 2)
            self.add_module(f"layer{number}", nn.Sequential(first, BasicBlock(outputs, outputs, 1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, 3, h, w)`` -> one map ``(N, 512, h / 32, w / 32)``."""
        x = self.maxpool(torch.relu(self.conv1(x)))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return [x]


class InvertedResidual(nn.Module):
    """Widen, convolve each channel, narrow (Sandler et al., 2018, arXiv:1801.04381, Table 1)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [] if expansion == 1 else [nn.Sequential(convolution(inputs, hidden, 1), nn.ReLU6())]
        depthwise = nn.Sequential(convolution(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6())
        self.conv = nn.Sequential(*widen, depthwise, convolution(hidden, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, h, w)`` -> ``(N, outputs, h / stride, w / stride)``."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 without its classifier."""

    # Table 2 of its paper: expansion, channels, repetitions, stride of the first.
    BLOCKS = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(convolution(3, 32, 3, 2), nn.ReLU6())]
        inputs = 32
        for expansion, outputs, repetitions, first in self.BLOCKS:
            for number in range(repetitions):
                layers.append(InvertedResidual(inputs, outputs, first if number == 0 else 1, expansion))
                inputs = outputs
        layers.append(nn.Sequential(convolution(inputs, 1280, 1), nn.ReLU6()))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, 3, h, w)`` -> one map ``(N, 1280, h / 32, w / 32)``."""
        return [self.features(x)]


CONVNETS: dict[str, type[nn.Module]] = {"resnet-18": ResNet18, "mobilenet-v2": MobileNetV2}


def load(network: nn.Module, path: Path) -> tuple[str, bool]:
    """Fill a network from a ``.pth`` file: torchvision's, or MobileNetV2 with batch normalisation folded before.

    Returns:
        the file's sha256, and whether it was of the second kind (which came from TensorFlow: other preprocessing).

    Raises:
        InputError: the file does not read, or holds another network's weights.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror or error}") from None
    state = read_pth(path)
    if not isinstance(state, dict) or not all(map(_is_plain, [*state, *state.values()])):
        raise InputError(f"{path} holds no weights by name; give a state dict as torchvision publishes it")
    folded = "features.0.c.weight" in state
    try:
        wanted = fold({_torchvision_name(key): one for key, one in state.items()} if folded else state)
        network.load_state_dict(wanted, assign=True)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()[:120]
        kind = type(network).__name__
        raise InputError(
            f"{path} does not hold the weights of {kind}: {reason}; give those that belong to it"
        ) from None
    return sha256, folded


def read_pth(path: Path) -> Any:
    """What a file of `torch.save` holds; no code of it runs, and it takes no more memory than the file does.

    Raises:
        InputError: the file does not read, or holds more than numbers.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > path.stat().st_size:  # torch.save compresses nothing
                raise ValueError(f"unpacks to {unpacked} bytes")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror or error}") from None
    except Exception as error:  # what torch's reader raises of broken files has no end
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"the weights {path} are damaged or no .pth file: {reason}; fetch them again") from None


def _is_plain(one: Any) -> bool:
    """Whether it is a name, or a tensor that lies in memory as a whole: others may stand for far more numbers."""
    if not isinstance(one, Tensor):
        return isinstance(one, str)
    return one.layout == torch.strided and one.numel() * one.element_size() <= one.untyped_storage().nbytes()


def fold(state: State) -> State:
    """Weights and biases of the convolutions (float32), each with the batch normalisation that follows it."""
    made: State = {}
    for key, weight in state.items():
        if not key.endswith(".weight") or weight.ndim != 4:
            continue
        name = key.removesuffix(".weight")
        weight = weight.float()
        if f"{name}.bias" in state:
            bias = state[f"{name}.bias"].float()
        else:
            parent, dot, last = name.rpartition(".")  # conv1 is followed by bn1, downsample.0 by downsample.1
            norm = parent + dot + (str(int(last) + 1) if last.isdigit() else last.replace("conv", "bn"))
            variance, mean = state[f"{norm}.running_var"], state[f"{norm}.running_mean"]
            gain = state[f"{norm}.weight"] / torch.sqrt(variance + BATCH_NORM_EPS)
            weight, bias = weight * gain[:, None, None, None], state[f"{norm}.bias"] - mean * gain
        made |= {key: weight, f"{name}.bias": bias}
    return made


def _torchvision_name(key: str) -> str:
    """``features.2.b.1.c.bias`` -> ``features.2.conv.1.0.bias``; a block's last convolution has no such ``.0``."""
    key = re.sub(r"^(features\.\d+)\.c\.", r"\1.0.", key)
    last = "1" if key.startswith("features.1.") else "2"  # the first block does not widen
    return re.sub(
        r"^(features\.\d+)\.b\.(\d)\.c\.", lambda m: f"{m[1]}.conv.{m[2]}." + ("" if m[2] == last else "0."), key
    )
