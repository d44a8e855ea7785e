"""Drawn frames as JPEG files in OTB's layout: what measurements decode where no data set is at hand."""

from pathlib import Path

import cv2
import numpy as np

from tracking_env.synthetic import generate

SIZE = 640, 480  # as most of OTB's, or larger
LENGTH = 100  # frames of a sequence


def write(root: Path, frames: int) -> None:
    """Sequences ``Drawn0``, ... of so many frames in all."""
    for seed, start in enumerate(range(0, frames, LENGTH)):
        sequence = generate(seed, min(LENGTH, frames - start), SIZE)
        images = root / f"Drawn{seed}" / "img"
        images.mkdir(parents=True)
        for index in range(len(sequence)):
            cv2.imwrite(str(images / f"{index + 1:04d}.jpg"), cv2.cvtColor(sequence.frames[index], cv2.COLOR_RGB2BGR))
        np.savetxt(images.parent / "groundtruth_rect.txt", sequence.boxes, "%.2f", ",")
