"""The table of published networks that can be extractors: their files, preprocessing and layers."""

import math
from dataclasses import dataclass
from typing import Literal

RANDOM = "random"
"""In place of a weights file: random weights, drawn from a fixed seed."""


@dataclass(frozen=True)
class File:
    """A published file.

    Attributes:
        name: its name on disk.
        urls: its addresses, which are tried in turn; one where no digest was published.
        size: in bytes; None if it is not known.
        sha256: all hexadecimal digits or the first ones; empty if none was published.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Pixels:
    """How a frame becomes a network's input: resized as a whole (not letterboxed), RGB, ``(rgb / 255 - mean) / std``.

    Attributes:
        text: the preprocessing in words, which is part of what an extractor's id is hashed from.
        side: rows and columns of the input; for darknet networks those of the published cfg.
        mean: subtracted from red, green and blue in [0, 1].
        std: by which the difference is divided.
    """

    text: str
    side: int
    mean: tuple[float, float, float] = (0, 0, 0)
    std: tuple[float, float, float] = (1, 1, 1)


@dataclass(frozen=True)
class Network:
    """A network as an extractor.

    Attributes:
        kind: the code that builds it.
        files: its files, the weights first.
        pixels: its preprocessing.
        channels: channels of its feature map, or the length of its feature vector.
        grid: rows and columns to which the map is averaged by default; None for a vector.
        taps: for darknet networks, the indices of the layers whose outputs are the features.
    """

    kind: Literal["darknet", "mobilenet-v2"]
    files: tuple[File, ...]
    pixels: Pixels
    channels: int
    grid: tuple[int, int] | None
    taps: tuple[int, ...] = ()

    @property
    def dim(self) -> int:
        """D, the length of the feature vector."""
        return self.channels * math.prod(self.grid or (1,))


# Darknet divides by 255. The networks of 2015 then begin with a [crop] layer that scales to [-1, 1] (as ROLO did for
# the same weights); those of 2016 and later have no such layer. Both are right; the cfg decides.
CROPPED = Pixels("linear rgb/255 crop*2-1", 448)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = Pixels("linear 224 imagenet", 224, IMAGENET_MEAN, IMAGENET_STD)
# Networks that came from TensorFlow pad on the right and below only where the side is even: 32 k + 1 pixels pad evenly.
TENSORFLOW = Pixels("linear 225 rgb/127.5-1", 225, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

_TORCH = "https://download.pytorch.org/models/"


def _nano(file: str, size: int, sha256: str) -> File:
    """A file of yolo-nano-voc, at the commit that the checksum was taken from, or else at the newest one."""
    base, path = "https://github.com/dog-qiuqiu/MobileNet-Yolo/raw/", f"/MobileNetV2-YOLOv3-Nano/VOC/{file}"
    return File(file, tuple(base + commit + path for commit in ("86c05bfc", "master")), size, sha256)


def _yolo_v1(file: str, size: int) -> tuple[File, ...]:
    """The weights of a YOLO v1. No checksum was published; the size tells it from later files of the same name."""
    return (File(file, (f"https://pjreddie.com/media/files/yolov1/{file}",), size),)


NETWORKS: dict[str, Network] = {
    # The finer detection layer: 75 maps of box, objectness and 20 VOC classes for 3 anchors.
    "yolo-nano-voc": Network(
        "darknet",
        (
            _nano(
                "MobileNetV2-YOLOv3-Nano-voc.weights",
                3_079_020,
                "3dc752a0dee830fb974bfd518d88df924d1eef03868e551786d606cd0f81c210",
            ),
            _nano(
                "MobileNetV2-YOLOv3-Nano-voc.cfg",
                7_009,
                "671b726a719f21cb72d80326195be8ab6862361479ee5d1d4528ed68ae9d6a6b",
            ),
        ),
        Pixels("linear rgb/255", 320),
        channels=75,
        grid=(10, 10),
        taps=(78,),
    ),
    # YOLO v1, as in the paper: the fully connected layer of 4096 numbers. It is the first one in `yolov1`. In
    # `yolov1-small`, which ROLO used and DRLT most likely did, and in `yolov1-tiny` it is the second.
    "yolov1": Network("darknet", _yolo_v1("yolo.weights", 1_086_814_216), CROPPED, 4096, None, (29,)),
    "yolov1-small": Network("darknet", _yolo_v1("yolo-small.weights", 375_881_736), CROPPED, 4096, None, (30,)),
    "yolov1-tiny": Network("darknet", _yolo_v1("yolo-tiny.weights", 180_357_512), CROPPED, 4096, None, (17,)),
    # This one has no hidden fully connected layer; its last hidden layer is a map.
    "yolov1-2016": Network(
        "darknet",
        _yolo_v1("yolov1.weights", 789_312_988),
        Pixels("linear rgb/255", 448),
        channels=256,
        grid=(7, 7),
        taps=(28,),
    ),
    # The last map, averaged to 4 x 4: averaging it to 1 x 1, as classifiers do, would lose where things are.
    "mobilenet-v2": Network(
        "mobilenet-v2",
        (File("mobilenet_v2-b0353104.pth", (_TORCH + "mobilenet_v2-b0353104.pth",), None, "b0353104"),),
        IMAGENET,
        channels=1280,
        grid=(4, 4),
    ),
}
"""The networks by their extractor's name."""


def _pinned(commit: str, path: str) -> tuple[str, ...]:
    """The address of a file of a GitHub repository at a commit; ``commit`` begins with the repository."""
    return (f"https://github.com/{commit.replace('@', '/raw/')}/{path}",)


_NANOTRACK = "HonglinChu/SiamTrackers@248663fde6bf7c40190cf10ee396d5662919ecd3"
_NANOTRACK_V2 = "HonglinChu/SiamTrackers@c2ff8479624b12ef2dcd830c47f2495a2c4852d4"
_FEAR = "PinataFarms/FEARTracker@0a3bd039918909c79c1b7e55a4bfb7807520abde"
_OPENCV_ZOO = "opencv/opencv_zoo@bae1b126c3e93a265eab32a1ff8157e9831772e7"

TRACKERS = {
    # The commit of OpenCV's own download list (opencv_extra), whose SHA-1 the files have.
    "nano": (
        File(
            "nanotrackv2_backbone.onnx",
            _pinned(_NANOTRACK_V2, "NanoTrack/models/nanotrackv2/nanotrack_backbone_sim.onnx"),
            1_056_849,
            "530bdd0cd00f19afab79a863e71ba71e3312395a5dc9151af675082bdaaa2fc4",
        ),
        File(
            "nanotrackv2_head.onnx",
            _pinned(_NANOTRACK_V2, "NanoTrack/models/nanotrackv2/nanotrack_head_sim.onnx"),
            726_198,
            "0d8c0637be849f092cc7236cae02e55c8b9455ebe37ba50601d6115db4247cd9",
        ),
    ),
    "nanotrack-v3": (
        File(
            "nanotrackv3_backbone.onnx",
            _pinned(_NANOTRACK, "NanoTrack/models/nanotrackv3/nanotrack_backbone.onnx"),
            1_431_635,
            "50be1320abf9384fd3479ea829f95e244cf3f3838190c5ab60c750fb8c1ce828",
        ),
        File(
            "nanotrackv3_head.onnx",
            _pinned(_NANOTRACK, "NanoTrack/models/nanotrackv3/nanotrack_head.onnx"),
            1_183_740,
            "75357903be3f4817c965af16cb5a11fd32b1467f597a408405a98635ac63f61d",
        ),
    ),
    # CoreML's format: they are converted in memory when they are opened.
    "fear-xs": (
        File(
            "fear_xs_init.mlmodel",
            _pinned(_FEAR, "evaluate/FEARDemo/FEARDemo/TrackerInit.mlmodel"),
            1_529_755,
            "4e14305e2f35fd8d48da86d0b1bc81d174cd2b3984bfc0a3aefae5bdd47fb44d",
        ),
        File(
            "fear_xs_tracker.mlmodel",
            _pinned(_FEAR, "evaluate/FEARDemo/FEARDemo/Tracker.mlmodel"),
            2_705_930,
            "2c01e12ee22f4effcbe0b4d68120b5ff99929c46280c0b9dca0c46230b7de47f",
        ),
    ),
    "vittrack": (
        File(
            "vittrack_2023jul.onnx",
            _pinned(_OPENCV_ZOO, "models/object_tracking_vittrack/vitTracker.onnx"),
            767_836,
            "ac1418b43519a5118dba03e1db181b5ca83f3a61b76582841ce8a725d8bfa249",
        ),
    ),
}
"""The weights files of pretrained trackers, by the trackers' names."""
