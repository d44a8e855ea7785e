"""MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381) in plain torch, without its classifier.

The layers have torchvision's names. Batch normalisation is folded into the convolutions when weights are read, so the
network itself has none.
"""

import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tracking_env.errors import InputError
from tracking_env.files import require_file, sha256

State = dict[str, Tensor]
"""A state dict: tensors by the names of parameters and buffers."""
BATCH_NORM_EPS = 1e-5


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution whose padding is half its kernel, with the bias that batch normalisation leaves."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel, narrow (Table 1 of the paper)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [] if expansion == 1 else [nn.Sequential(convolution(inputs, hidden, 1), nn.ReLU6())]
        depthwise = nn.Sequential(convolution(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6())
        # No activation at the end: it would lose information where channels are few (section 3.2 of the paper).
        self.conv = nn.Sequential(*widen, depthwise, convolution(hidden, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, h, w)`` -> ``(N, outputs, h / stride, w / stride)``."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 up to its last map; `load` fills in its weights."""

    # Table 2 of the paper: expansion, channels, repetitions, stride of the first repetition.
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
        for expansion, outputs, repetitions, first_stride in self.BLOCKS:
            for number in range(repetitions):
                layers.append(InvertedResidual(inputs, outputs, first_stride if number == 0 else 1, expansion))
                inputs = outputs
        layers.append(nn.Sequential(convolution(inputs, 1280, 1), nn.ReLU6()))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, 3, h, w)`` -> one map ``(N, 1280, h / 32, w / 32)``."""
        return [self.features(x)]


def load(network: nn.Module, path: Path) -> tuple[str, bool]:
    """Fill a `MobileNetV2` from a ``.pth`` file: torchvision's, or a port from TensorFlow without batch normalisation.

    Returns:
        The file's sha256, and whether it is of the second kind, which needs other preprocessing.

    Raises:
        InputError: the file does not read, or holds another network's weights.
    """
    digest = sha256(path)
    state = read_pth(path)
    if not isinstance(state, dict) or not all(map(_is_plain, [*state, *state.values()])):
        raise InputError(f"{path} holds no weights by name; give a state dict as torchvision publishes it")
    from_tensorflow = "features.0.c.weight" in state
    try:
        if from_tensorflow:
            state = {_torchvision_name(key): tensor for key, tensor in state.items()}
        # The network was made without memory, so it takes the file's tensors as its own.
        network.load_state_dict(fold(state), assign=True)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()[:120]  # torch lists what is missing line by line
        kind = type(network).__name__
        raise InputError(
            f"{path} does not hold the weights of {kind}: {reason}; give those that belong to it"
        ) from None
    return digest, from_tensorflow


def read_pth(path: Path) -> Any:
    """The object in a file of `torch.save`; no code of the file runs, and it takes no more memory than the file does.

    Raises:
        InputError: the file does not read, or holds more than numbers.
    """
    require_file(path, "the weights ")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > path.stat().st_size:  # torch.save compresses nothing
                raise ValueError(f"unpacks to {unpacked} bytes")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror or error}") from None
    except Exception as error:  # torch's reader raises errors of any type for broken files
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"the weights {path} are damaged or no .pth file: {reason}; fetch them again") from None


def _is_plain(item: Any) -> bool:
    """Whether it is a name, or a tensor whose numbers all lie in memory.

    Sparse and expanded tensors of a small file may stand for far more numbers than it holds.
    """
    if not isinstance(item, Tensor):
        return isinstance(item, str)
    return item.layout == torch.strided and item.numel() * item.element_size() <= item.untyped_storage().nbytes()


def fold(state: State) -> State:
    """Weights and biases of the convolutions (float32), each with the batch normalisation that follows it."""
    folded: State = {}
    for key, weight in state.items():
        if not key.endswith(".weight") or weight.ndim != 4:
            continue
        name = key.removesuffix(".weight")
        weight = weight.float()
        if f"{name}.bias" in state:
            bias = state[f"{name}.bias"].float()
        else:
            parent, _, number = name.rpartition(".")
            norm = f"{parent}.{int(number) + 1}"  # features.0.0 is followed by features.0.1
            variance, mean = state[f"{norm}.running_var"], state[f"{norm}.running_mean"]
            gain = state[f"{norm}.weight"] / torch.sqrt(variance + BATCH_NORM_EPS)
            weight, bias = weight * gain[:, None, None, None], state[f"{norm}.bias"] - mean * gain
        folded |= {key: weight, f"{name}.bias": bias}
    return folded


def _torchvision_name(key: str) -> str:
    """``features.2.b.1.c.bias`` -> ``features.2.conv.1.0.bias``; a block's last convolution has no such ``.0``."""
    key = re.sub(r"^(features\.\d+)\.c\.", r"\1.0.", key)
    last = "1" if key.startswith("features.1.") else "2"  # the first block does not widen
    return re.sub(
        r"^(features\.\d+)\.b\.(\d)\.c\.", lambda m: f"{m[1]}.conv.{m[2]}." + ("" if m[2] == last else "0."), key
    )
