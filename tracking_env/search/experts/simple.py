"""Two weak experts that need no files: one compares grey values, the other colours. For a first try, and for tests."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tracking_env.errors import InputError
from tracking_env.search import regions
from tracking_env.search.experts.base import Choice, Colour, Expert, Look
from tracking_env.search.experts.geometry import best_cell, grow, hann

SIDE, CONTEXT, POOL = 32, 3, 5
"""Pixels of a template; the search region's sides over the template's; places per cell and side of the score map."""
BINS = 8
"""Per colour channel."""


class SimpleExpert(Expert):
    """What both share: the box keeps its size, and the best place near the last one wins."""

    template_side, search_side, smallest = SIDE, CONTEXT * SIDE, 8.0
    cells = ((CONTEXT - 1) * SIDE + 1) // POOL
    window = 0.2

    def __init__(self, weights: Sequence[Path | str] = (), device: str = "cpu", threads: int = 1) -> None:
        if weights:
            raise InputError(f"{self.name} has no weights; leave out {weights[0]}")
        self.paths, self.id = [], "v1"

    def template_region(self, box: np.ndarray) -> np.ndarray:
        """The box itself."""
        return box

    def search_region(self, box: np.ndarray) -> np.ndarray:
        """The box with sides three times as long."""
        return grow(box, CONTEXT)

    def fill(self, frame: np.ndarray) -> Colour:
        """The frame's mean colour."""
        return regions.mean_colour(frame)

    def prepare(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> ``(3, side, side)`` float32 in [0, 1]."""
        return crop.transpose(2, 0, 1).astype(np.float32) / 255

    def compare(self, images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores ``(B, n, n)`` in [0, 1] of the best place in each cell, and boxes of the template's size there."""
        scores = np.empty((len(images), self.cells, self.cells))
        boxes = np.full((len(images), self.cells, self.cells, 4), 1 / CONTEXT)
        for index, (image, template) in enumerate(zip(images, features, strict=True)):
            places = self.match(image, template)[: POOL * self.cells, : POOL * self.cells]
            blocks = (
                places.reshape(self.cells, POOL, self.cells, POOL).swapaxes(1, 2).reshape(self.cells, self.cells, -1)
            )
            best = blocks.argmax(axis=-1)
            scores[index] = blocks.max(axis=-1)
            at = POOL * np.arange(self.cells)
            boxes[index, ..., 0] = (at + best % POOL) / self.search_side
            boxes[index, ..., 1] = (at[:, None] + best // POOL) / self.search_side
        return scores, boxes

    def match(self, image: np.ndarray, template: np.ndarray) -> np.ndarray:
        """How well the template fits at each place of a search crop ``(3, 96, 96)``: ``(65, 65)`` in [0, 1]."""
        raise NotImplementedError

    def choose(self, look: Look, box: np.ndarray) -> Choice:
        """The best cell, weighted by a window."""
        cell = best_cell((1 - self.window) * look.scores + self.window * hann(len(look.scores)))
        return Choice(look.boxes[cell], float(look.scores[cell]), cell)


class GreyExpert(SimpleExpert):
    """Normalised cross-correlation of grey values (``cv2.matchTemplate``)."""

    name = "grey"

    def encode(self, images: np.ndarray) -> np.ndarray:
        """``(B, 3, 32, 32)`` -> the grey values ``(B, 32, 32)``."""
        return images.mean(axis=1)

    def match(self, image: np.ndarray, template: np.ndarray) -> np.ndarray:
        """The correlation coefficient, from [-1, 1] to [0, 1]."""
        coefficient = cv2.matchTemplate(image.mean(axis=0), template, cv2.TM_CCOEFF_NORMED)
        return np.nan_to_num(np.clip((coefficient + 1) / 2, 0, 1), nan=0.5, posinf=0.5, neginf=0.5)


class ColourExpert(SimpleExpert):
    """The share of pixels that have colours of the target, by a histogram (Swain and Ballard, 1991)."""

    name = "colour"

    def encode(self, images: np.ndarray) -> np.ndarray:
        """``(B, 3, 32, 32)`` -> how common each colour is, over the most common one, ``(B, BINS ** 3)``."""
        counts = np.stack([np.bincount(_bins(image).ravel(), minlength=BINS**3) for image in images])
        return (counts / counts.max(axis=1, keepdims=True)).astype(np.float32)

    def match(self, image: np.ndarray, template: np.ndarray) -> np.ndarray:
        """The mean of the colours' commonness inside the box at each place."""
        common = template[_bins(image)]
        means = cv2.boxFilter(common, cv2.CV_32F, (SIDE, SIDE), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        places = (CONTEXT - 1) * SIDE + 1
        return np.clip(means[:places, :places], 0, 1)


def _bins(image: np.ndarray) -> np.ndarray:
    """The histogram's bin of each pixel of an image ``(3, side, side)`` in [0, 1]."""
    red, green, blue = np.minimum((image * BINS).astype(np.intp), BINS - 1)
    return (red * BINS + green) * BINS + blue
