"""Readers of sequence folders: annotations in three layouts, and frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.drawn import BOXES, encoded, text
from tests.soak.parser import Parser
from tracking_env.datasets import otb, other_benchmarks
from tracking_env.datasets.sequence import read_image
from tracking_env.datasets.validation.folder import check


def images(folder: Path, name: str) -> Path:
    """Three frames, named by ``name`` and their number."""
    folder.mkdir(parents=True)
    for number in range(1, 4):
        (folder / name.format(number)).write_bytes(encoded(".png"))
    return folder


def build_bag(folder: Path) -> None:
    (images(folder / "bag", "{:08d}.png") / "groundtruth.txt").write_bytes(text(BOXES))


def read_otb(folder: Path) -> None:
    check(folder)
    otb.load(folder, "mine")[0].relative.sum()


def read_layout(kind: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> None:
        other_benchmarks.recognise(folder)
        for one in other_benchmarks.load(folder, kind):
            one.relative.sum()

    return read


PARSERS = {
    "OTB annotations": Parser(
        "mine/groundtruth_rect.txt",
        (text(BOXES), b"\xef\xbb\xbf" + text(BOXES, "\t")),
        read_otb,
        lambda folder: images(folder / "mine" / "img", "{:04d}.png"),
    ),
    "VOT annotations": Parser(
        "bag/groundtruth.txt",
        (text(np.tile(BOXES, 2)), text(BOXES), b"1,2,3,4\n0\n1\n"),
        read_layout("vot"),
        build_bag,
    ),
    "GOT-10k flags": Parser("bag/absence.label", (b"0\n1\n0\n",), read_layout("got10k"), build_bag),
    "list of sequences": Parser("list.txt", (b"bag\n",), read_layout("got10k"), build_bag),
    "frame, JPEG": Parser("a.jpg", (encoded(".jpg"),), lambda folder: read_image(folder / "a.jpg")),
    "frame, PNG": Parser("a.png", (encoded(".png"),), lambda folder: read_image(folder / "a.png")),
}
