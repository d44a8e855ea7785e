"""Cut training crops: shifted, stretched and relit ones around true boxes, and around random boxes."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.features.maps import SEARCH, TEMPLATE, MapExtractor, Proposer
from tracking_env.search import proposals, regions
from tracking_env.search.window import CONTEXT
from train.samples.crops import Crops

CLOSE, FAR = 0.25, 0.6
"""Scales of the error of a crop's centre, in target sizes, for every other crop; the errors are Laplace-distributed."""


def cut_crops(
    sequences: Iterable[Sequence], maps: MapExtractor, each: int, pretended: int, seed: int, stretch: float = 0.0
) -> Crops:
    """Cut crops of every frame with a true box: shifted, scaled, stretched, half of them mirrored or relit.

    Args:
        sequences: frames that are open to training.
        maps: the extractor.
        each: number of crops per frame.
        pretended: number of random boxes per frame that are cut as if they were targets. The crop shows the same frame
            stretched, relit, blurred and partly covered, so there can be any number of different targets.
        seed: equal seeds give equal crops.
        stretch: deviation of the logarithms of width and height by which half of the crops are stretched.
    """
    rng = np.random.default_rng(seed)
    cutter = _Cutter(maps)
    parts = [(sequence, np.flatnonzero(sequence.annotated).tolist()) for sequence in sequences]
    bar = tqdm(desc="crops", total=sum(len(frames) for _, frames in parts), unit="frame", disable=None)
    for sequence, frames in parts:
        first = cutter.frames
        last = first + len(frames) - 1
        for index in frames:
            cutter.add_frame(*_views(sequence, index))
        for number, index in enumerate(frames):
            views = _views(sequence, index)
            for count in range(each):
                flip = int(rng.integers(2))
                # Half of the crops have the first frame's template, as in tracking; the other half that of any frame.
                origin = first if rng.random() < 0.5 else int(rng.integers(first, last + 1))
                scales = np.exp(rng.normal(0, stretch, 2)) if rng.random() < 0.5 else np.ones(2)
                light = _light(rng) if rng.random() < 0.5 else np.ones(3)
                change = _Change(CLOSE if count % 2 else FAR, scales, light)
                cutter.add_crop(*views[flip], change, 2 * origin + flip, (first + number, first, last), rng)
            bar.update()
        for index in frames:
            for _ in range(pretended):
                frame = sequence.frames[index]
                box = _random_box(frame, rng)
                cutter.add_frame((frame, box), (frame, box))
                change = _Change(CLOSE if rng.random() < 0.5 else FAR, np.ones(2), _light(rng))
                number = cutter.frames - 1  # a sequence of one frame
                origin = 2 * number + int(rng.integers(2))
                cutter.add_crop(*_distort(frame, box, rng), change, origin, (number,) * 3, rng)
    bar.close()
    return cutter.crops()


class _Change(NamedTuple):
    """The differences between a crop and a perfect one."""

    spread: float
    """scale of the centre's error, in target sizes"""
    stretch: np.ndarray
    """factors of width and height, ``(2,)``"""
    light: np.ndarray
    """gains of red, green and blue, ``(3,)``"""


class _Cutter:
    """Collects templates, two per frame (plain and mirrored), and crops; boxes are relative to their regions.

    Args:
        maps: the extractor.
    """

    def __init__(self, maps: MapExtractor) -> None:
        self.maps = maps
        # One entry per template.
        self.template: list[np.ndarray] = []  # feature map (C, 8, 8)
        self.target: list[np.ndarray] = []  # the true box in it, (4,)
        self.offset: list[np.ndarray] = []  # the error of the boxes that the extractor proposes, (4,), if it does
        # One entry per crop.
        self.search: list[np.ndarray] = []  # feature map (C, 16, 16)
        self.proposals: list[np.ndarray] = []  # corrected scores and boxes (5, 16, 16), or nothing
        self.truth: list[np.ndarray] = []  # the true box, (4,)
        self.location: list[np.ndarray] = []  # the box that the region lies around, (4,)
        self.origin: list[int] = []  # number of its template
        self.spans: list[tuple[int, int, int]] = []  # its frame, and its sequence's first and last frame

    @property
    def frames(self) -> int:
        """Number of frames with templates."""
        return len(self.template) // 2

    def add_frame(self, *views: tuple[np.ndarray, np.ndarray]) -> None:
        """Add the templates of a frame: pairs of frame and pixel box, plain and mirrored."""
        for frame, box in views:
            region, fill = regions.around(box, 1.0), regions.mean_colour(frame)
            template = self.maps(regions.crop(frame, region, TEMPLATE, fill))
            self.template.append(template.astype(np.float16))
            self.target.append(regions.to_region(box, region))
            if isinstance(self.maps, Proposer):
                # The error of the proposed box in the template's own frame is corrected in all crops.
                around = regions.around(box, CONTEXT)
                proposed = self.maps.propose(template, self.maps(regions.crop(frame, around, SEARCH, fill)))
                self.offset.append(proposals.offset(proposed, regions.to_region(box, around)))

    def add_crop(
        self,
        frame: np.ndarray,
        box: np.ndarray,
        change: _Change,
        origin: int,
        span: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> None:
        """Add a crop around a box beside the true one, where a tracker might have been.

        Args:
            frame: ``(height, width, 3)`` uint8 RGB.
            box: its true pixel box.
            change: stretch, light and size of the error.
            origin: number of the crop's template.
            span: numbers of its frame, and of its sequence's first and last frame.
            rng: source of randomness.
        """
        stretch = np.tile(change.stretch, 2)
        box = box * stretch
        around = _jittered(box, change.spread, rng)
        region = regions.around(around, CONTEXT)
        crop = regions.crop(frame, region / stretch, SEARCH, regions.mean_colour(frame))
        search = self.maps(np.clip(crop * change.light, 0, 255).astype(np.uint8))
        proposed = search[:0]
        if isinstance(self.maps, Proposer):
            proposed = self.maps.propose(self.template[origin].astype(np.float32), search)
            proposed = proposals.corrected(proposed, self.offset[origin])
        self.search.append(search.astype(np.float16))
        self.proposals.append(proposed.astype(np.float16))
        self.truth.append(regions.to_region(box, region))
        self.location.append(regions.to_region(around, region))
        self.origin.append(origin)
        self.spans.append(span)

    def crops(self) -> Crops:
        """All crops as tensors."""

        def maps(rows: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(rows))

        def boxes(rows: list[np.ndarray]) -> Tensor:
            return torch.tensor(np.array(rows), dtype=torch.float32)

        return Crops(
            maps(self.search),
            boxes(self.truth),
            boxes(self.location),
            maps(self.template),
            boxes(self.target),
            maps(self.proposals),
            torch.tensor(self.origin),
            *torch.tensor(self.spans).unbind(dim=1),
        )


def _views(sequence: Sequence, index: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A frame and its true box, plain and mirrored."""
    frame, box = sequence.frames[index], sequence.boxes[index]
    mirrored = np.array([sequence.size[0] + 2 - box[0] - box[2], *box[1:]])
    return (frame, box), (np.ascontiguousarray(frame[:, ::-1]), mirrored)


def _jittered(box: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """A pixel box where a tracker might have been: beside the true one, of another size and shape."""
    sides = box[2:] * np.exp(rng.normal(0, 0.12, 2) + rng.normal(0, 0.12 if rng.random() < 0.5 else 0.35))
    shift = np.clip(rng.laplace(0, spread, 2), -1.6, 1.6) * np.sqrt(box[2] * box[3])
    return bx.top_left(np.concatenate([bx.centre(box)[:2] + shift, sides]))


def _light(rng: np.random.Generator) -> np.ndarray:
    """Random gains of red, green and blue, ``(3,)``."""
    return np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.08, 3))


def _random_box(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random pixel box with some texture inside: of four tries the one with the most contrast."""
    height, width, _ = frame.shape
    best, most = None, -1.0
    for _ in range(4):
        area = np.sqrt(width * height) * np.exp(rng.uniform(np.log(0.06), np.log(0.35)))
        stretch = np.exp(rng.normal(0, 0.45))
        w, h = min(area * stretch, 0.8 * width), min(area / stretch, 0.8 * height)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        inside = frame[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
        contrast = float(inside[::2, ::2].std())
        if contrast > most:
            best, most = np.array(bx.to_one_based((x, y, w, h))), contrast
    assert best is not None
    return best


def _distort(frame: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stretch the frame, perhaps blur it and cover part of the box with a piece of the frame; returns frame and box."""
    height, width, _ = frame.shape
    scale = np.exp(rng.normal(0, 0.15, 2))
    size = max(16, int(width * scale[0])), max(16, int(height * scale[1]))
    distorted = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array(size) / (width, height)
    moved = np.concatenate([(box[:2] - 1) * scale + 1, box[2:] * scale])
    if rng.random() < 0.3:
        w, h = (moved[2:] * rng.uniform(0.2, 0.6, 2)).astype(int) + 1
        w, h = min(w, size[0] - 1), min(h, size[1] - 1)
        x, y = (moved[:2] + rng.uniform(-0.2, 0.8, 2) * moved[2:]).astype(int)
        x, y = np.clip(x, 0, size[0] - w), np.clip(y, 0, size[1] - h)
        u, v = rng.integers(0, size[0] - w + 1), rng.integers(0, size[1] - h + 1)
        distorted[y : y + h, x : x + w] = distorted[v : v + h, u : u + w].copy()
    if rng.random() < 0.3:
        distorted = cv2.blur(distorted, tuple(int(n) for n in rng.integers(1, 2 + max(1, min(moved[2:]) // 6), 2)))
    return distorted, moved
