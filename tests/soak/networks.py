"""Readers of other projects' networks: configurations and weights of darknet, and weights of PyTorch."""

import io
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.soak.parser import Parser
from tracking_env.features import mobilenet_v2
from tracking_env.features.darknet.files import read_cfg
from tracking_env.features.darknet.network import Darknet

HEADER = np.array([0, 2, 0, 0, 0], "<i4").tobytes()
CFG = b"""[net]
width=8
height=8
channels=3
[convolutional]
filters=2
size=3
stride=2
pad=1
batch_normalize=1
activation=leaky
[maxpool]
size=2
stride=2
[route]
layers=-1,-1
[upsample]
stride=2
[connected]
output=3
activation=linear
"""


def darknet_weights() -> bytes:
    """Weights for `CFG`, all ones."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "net.cfg")
        file.write_bytes(CFG)
        return HEADER + np.ones(Darknet(read_cfg(file), (0,)).needs, "<f4").tobytes()


def read_darknet(folder: Path) -> None:
    """Build the network and load its weights. Run it if it is small, so that an unusable network fails."""
    network = Darknet(read_cfg(folder / "net.cfg"), (0,), "net.cfg")
    if (folder / "net.weights").exists():
        network.load(folder / "net.weights")
        (out,) = network(torch.zeros(1, network.shapes[0][0] and 3, network.height, network.width))
        assert torch.isfinite(out).all()
    elif network.needs < 10**5 and network.height * network.width < 10**4:
        (folder / "filled").write_bytes(HEADER + np.zeros(network.needs, "<f4").tobytes())
        network.load(folder / "filled")
        channels = int(read_cfg(folder / "net.cfg")[0].get("channels", 3))
        if channels < 100:
            network(torch.zeros(1, channels, network.height, network.width))


class SmallNetwork(nn.Module):
    """A convolution with torchvision's names of weights."""

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):
            self.features = nn.Sequential(nn.Conv2d(1, 2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


def pth_file() -> bytes:
    norm = {f"features.1.{name}": torch.ones(2) for name in ("weight", "bias", "running_mean", "running_var")}
    file = io.BytesIO()
    torch.save({"features.0.weight": torch.ones(2, 1, 3, 3)} | norm, file)
    return file.getvalue()


def read_pth(folder: Path) -> None:
    network = SmallNetwork()
    mobilenet_v2.load(network, folder / "net.pth")
    assert network(torch.zeros(1, 1, 4, 4)).shape == (1, 2, 2, 2)


PARSERS = {
    "darknet cfg": Parser("net.cfg", (CFG,), read_darknet),
    "darknet weights": Parser(
        "net.weights", (darknet_weights(),), read_darknet, lambda folder: (folder / "net.cfg").write_bytes(CFG)
    ),
    "torch weights": Parser("net.pth", (pth_file(),), read_pth),
}
