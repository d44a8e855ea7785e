"""The layers of YOLO v1 (Redmon et al., 2016, arXiv:1506.02640) as published with weights for PASCAL VOC.

The three networks of 2015 have a hidden fully connected layer of 4096 numbers and no batch normalisation. They begin
with a ``[crop]`` layer that scales the input from [0, 1] to [-1, 1]. The network of 2016 has batch normalisation, a
locally connected layer in place of the fully connected ones, and no ``[crop]``.
"""

import re
from dataclasses import dataclass

from tracking_env.features.darknet.files import Section

SIDE = 448
"""Width and height of the input in pixels."""


@dataclass(frozen=True)
class Layout:
    """The layers of a network in words.

    ``64x7s2`` is a convolution with 64 filters of 7 x 7 and stride 2 (1 without ``s``). ``M`` is a maximum pooling of
    2 x 2, ``fc4096`` a fully connected layer, ``local256`` a locally connected layer of 3 x 3. The activation is leaky
    unless a word ends with ``-linear``.

    Attributes:
        words: the layers, separated by spaces; layers that only matter in training are left out.
        batch_norm: whether the convolutions have batch normalisation.
        crop: whether the network begins with ``[crop]``.
    """

    words: str
    batch_norm: bool = False
    crop: bool = True


TWENTY_FOUR = " ".join(
    [
        "64x7s2 M 192x3 M 128x1 256x3 256x1 512x3 M",
        *["256x1 512x3"] * 4,
        "512x1 1024x3 M",
        *["512x1 1024x3"] * 2,
        "1024x3 1024x3s2 1024x3 1024x3",
    ]
)
LAYOUTS = {
    "yolov1": Layout(f"{TWENTY_FOUR} fc4096 fc1470-linear"),  # yolo.cfg of 2015: the network of the YOLO paper
    "yolov1-small": Layout(f"{TWENTY_FOUR} fc512 fc4096 fc1470-linear"),  # yolo-small.cfg
    "yolov1-tiny": Layout(  # yolo-tiny.cfg of 2015; its first fully connected layer has no activation
        "16x3 M 32x3 M 64x3 M 128x3 M 256x3 M 512x3 M 1024x3 1024x3 1024x3 fc256-linear fc4096 fc1470-linear"
    ),
    "yolov1-2016": Layout(f"{TWENTY_FOUR} local256 fc1715-linear", batch_norm=True, crop=False),  # yolov1.cfg
}


def make_sections(name: str) -> list[Section]:
    """The sections of the cfg of one of `LAYOUTS`, ``[net]`` first, without options that only matter in training."""
    layout = LAYOUTS[name]
    side = str(SIDE)
    sections: list[Section] = [{"type": "net", "height": side, "width": side, "channels": "3"}]
    if layout.crop:
        sections.append({"type": "crop", "crop_height": side, "crop_width": side})
    for word in layout.words.split():
        layer, _, activation = word.partition("-")
        options = {"activation": activation or "leaky"}
        if layer == "M":
            sections.append({"type": "maxpool", "size": "2", "stride": "2"})
        elif layer.startswith("fc"):
            sections.append({"type": "connected", "output": layer.removeprefix("fc")} | options)
        elif layer.startswith("local"):
            filters = layer.removeprefix("local")
            sections.append({"type": "local", "filters": filters, "size": "3", "stride": "1", "pad": "1"} | options)
        else:
            filters, size, stride = re.fullmatch(r"(\d+)x(\d+)(?:s(\d+))?", layer).groups()  # type: ignore[union-attr]
            section = {"type": "convolutional", "filters": filters, "size": size, "stride": stride or "1", "pad": "1"}
            sections.append(section | options | ({"batch_normalize": "1"} if layout.batch_norm else {}))
    return sections
