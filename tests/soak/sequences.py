"""Readers of sequence folders: annotations in three layouts, and frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.parser import Parser
from tests.soak.sample_files import BOXES, encode_boxes, encode_frame
from tracking_env.datasets import layouts, otb, other_benchmarks
from tracking_env.datasets.images import read_image
from tracking_env.datasets.validation.folder import check


def write_frames(folder: Path, pattern: str) -> Path:
    """Write three frames, named by a pattern of their number, and return the folder."""
    folder.mkdir(parents=True)
    for number in range(1, 4):
        (folder / pattern.format(number)).write_bytes(encode_frame(".png"))
    return folder


def write_bag(folder: Path) -> None:
    (write_frames(folder / "bag", "{:08d}.png") / "groundtruth.txt").write_bytes(encode_boxes(BOXES))


def read_otb(folder: Path) -> None:
    check(folder)
    otb.load(folder, "mine")[0].relative.sum()


def layout_reader(layout: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> None:
        layouts.detect_layout(folder)
        for sequence in other_benchmarks.load(folder, layout):
            sequence.relative.sum()

    return read


PARSERS = {
    "OTB annotations": Parser(
        "mine/groundtruth_rect.txt",
        (encode_boxes(BOXES), b"\xef\xbb\xbf" + encode_boxes(BOXES, "\t")),
        read_otb,
        lambda folder: write_frames(folder / "mine" / "img", "{:04d}.png"),
    ),
    "VOT annotations": Parser(
        "bag/groundtruth.txt",
        (encode_boxes(np.tile(BOXES, 2)), encode_boxes(BOXES), b"1,2,3,4\n0\n1\n"),
        layout_reader("vot"),
        write_bag,
    ),
    "GOT-10k flags": Parser("bag/absence.label", (b"0\n1\n0\n",), layout_reader("got10k"), write_bag),
    "list of sequences": Parser("list.txt", (b"bag\n",), layout_reader("got10k"), write_bag),
    "frame, JPEG": Parser("a.jpg", (encode_frame(".jpg"),), lambda folder: read_image(folder / "a.jpg")),
    "frame, PNG": Parser("a.png", (encode_frame(".png"),), lambda folder: read_image(folder / "a.png")),
}
