"""Drawn frames as JPEG files in OTB's layout, for measurements without a data set."""

from pathlib import Path

import cv2
import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets.synthetic import generate

SIZE = 640, 480  # as large as most of OTB's frames, or larger
LENGTH = 100  # frames of a sequence


def write(root: Path, frames: int, size: Size = SIZE) -> str:
    """Write sequences ``Drawn0``, ... with ``frames`` frames in all; returns their names, separated by commas."""
    starts = range(0, frames, LENGTH)
    names = [f"Drawn{seed}" for seed in range(len(starts))]
    for seed, (name, start) in enumerate(zip(names, starts, strict=True)):
        sequence = generate(seed, min(LENGTH, frames - start), size)
        images = root / name / "img"
        images.mkdir(parents=True)
        for index in range(len(sequence)):
            cv2.imwrite(str(images / f"{index + 1:04d}.jpg"), cv2.cvtColor(sequence.frames[index], cv2.COLOR_RGB2BGR))
        np.savetxt(images.parent / "groundtruth_rect.txt", sequence.boxes, "%.2f", ",")
    return ",".join(names)
