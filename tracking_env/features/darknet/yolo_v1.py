"""The layers of YOLO v1 (Redmon et al., 2016, arXiv:1506.02640) as published with weights for PASCAL VOC.

Three networks are of 2015: no batch normalisation, a hidden fully connected layer of 4096 numbers, and a ``[crop]``
layer at the start that takes the input from [0, 1] to [-1, 1]. The one of 2016 has batch normalisation, a locally
connected layer in their place, and no ``[crop]``.
"""

import re
from dataclasses import dataclass

from tracking_env.features.darknet.files import Section

SIDE = 448
"""Pixels of the input, in both directions."""


@dataclass(frozen=True)
class Layout:
    """One of the networks, in words: ``64x7s2`` is a convolution of 64 filters of 7 x 7 and stride 2 (1 without ``s``).

    ``M`` is a maximum pooling of 2 x 2, ``fc4096`` a fully and ``local256`` a locally connected layer (3 x 3). All are
    leaky, but those that end with ``-linear``.

    Attributes:
        words: the layers, separated by spaces, without those that have no weights and do nothing when not training.
        batch_norm: the convolutions have batch normalisation.
        crop: the network begins with ``[crop]``.
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


def sections(name: str) -> list[Section]:
    """The cfg of one of `LAYOUTS`: only what matters when not training, ``[net]`` first."""
    layout = LAYOUTS[name]
    side = str(SIDE)
    made: list[Section] = [{"type": "net", "height": side, "width": side, "channels": "3"}]
    if layout.crop:
        made.append({"type": "crop", "crop_height": side, "crop_width": side})
    for word in layout.words.split():
        layer, _, activation = word.partition("-")
        options = {"activation": activation or "leaky"}
        if layer == "M":
            made.append({"type": "maxpool", "size": "2", "stride": "2"})
        elif layer.startswith("fc"):
            made.append({"type": "connected", "output": layer.removeprefix("fc")} | options)
        elif layer.startswith("local"):
            filters = layer.removeprefix("local")
            made.append({"type": "local", "filters": filters, "size": "3", "stride": "1", "pad": "1"} | options)
        else:
            filters, size, stride = re.fullmatch(r"(\d+)x(\d+)(?:s(\d+))?", layer).groups()  # type: ignore[union-attr]
            section = {"type": "convolutional", "filters": filters, "size": size, "stride": stride or "1", "pad": "1"}
            made.append(section | options | ({"batch_normalize": "1"} if layout.batch_norm else {}))
    return made
