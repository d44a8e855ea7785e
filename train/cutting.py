"""Cutting crops: shifted, stretched, relit ones around true boxes, and around things that are no target at all."""

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
from train.crops import Crops

CLOSE, FAR = 0.25, 0.6
"""Deviations of a crop's centre from the target's, in target sizes: one crop of two each (Laplace: a few much more)."""


def cut(
    sequences: Iterable[Sequence], maps: MapExtractor, each: int, pretended: int, seed: int, stretch: float = 0.0
) -> Crops:
    """Cut ``each`` crops of every frame with a true box: shifted, scaled, stretched, half of them mirrored or relit.

    Args:
        sequences: of frames that are open to training.
        maps: the extractor.
        each: crops per frame.
        pretended: targets per frame that are none: some box anywhere in it, found again in the same frame stretched,
            relit, blurred and partly covered. So there are as many things to follow as one likes.
        seed: equal seeds cut equally.
        stretch: deviation of the logarithms by which half of the crops are stretched, sideways and upright.
    """
    rng = np.random.default_rng(seed)
    pile = _Pile(maps)
    parts = [(one, np.flatnonzero(one.annotated).tolist()) for one in sequences]
    bar = tqdm(desc="crops", total=sum(len(part) for _, part in parts), unit="frame", disable=None)
    for one, part in parts:
        first = pile.frames
        last = first + len(part) - 1
        for index in part:
            pile.add_frame(*_views(one, index))
        for number, index in enumerate(part):
            views = _views(one, index)
            for count in range(each):
                flip = int(rng.integers(2))
                origin = first if rng.random() < 0.5 else int(rng.integers(first, last + 1))
                stretched = np.exp(rng.normal(0, stretch, 2)) if rng.random() < 0.5 else np.ones(2)
                light = _light(rng) if rng.random() < 0.5 else np.ones(3)
                look = _Look(CLOSE if count % 2 else FAR, stretched, light)
                pile.add_crop(*views[flip], look, 2 * origin + flip, (first + number, first, last), rng)
            bar.update()
        for index in part:
            for _ in range(pretended):
                frame = one.frames[index]
                box = _anything(frame, rng)
                pile.add_frame((frame, box), (frame, box))
                look = _Look(CLOSE if rng.random() < 0.5 else FAR, np.ones(2), _light(rng))
                alone = pile.frames - 1
                origin = 2 * alone + int(rng.integers(2))
                pile.add_crop(*_changed(frame, box, rng), look, origin, (alone,) * 3, rng)
    bar.close()
    return pile.crops()


class _Look(NamedTuple):
    spread: float
    stretch: np.ndarray
    light: np.ndarray


class _Pile:
    """Templates and crops, as they are cut."""

    def __init__(self, maps: MapExtractor) -> None:
        self.maps = maps
        self.template: list[np.ndarray] = []
        self.target: list[np.ndarray] = []
        self.offset: list[np.ndarray] = []
        self.search: list[np.ndarray] = []
        self.proposals: list[np.ndarray] = []
        self.truth: list[np.ndarray] = []
        self.location: list[np.ndarray] = []
        self.origin: list[int] = []
        self.spans: list[tuple[int, int, int]] = []

    @property
    def frames(self) -> int:
        """So many are there."""
        return len(self.template) // 2

    def add_frame(self, *views: tuple[np.ndarray, np.ndarray]) -> None:
        """The templates of a frame, plain and mirrored."""
        for frame, box in views:
            region, fill = regions.around(box, 1.0), regions.mean_colour(frame)
            template = self.maps(regions.crop(frame, region, TEMPLATE, fill))
            self.template.append(template.astype(np.float16))
            self.target.append(regions.to_region(box, region))
            if isinstance(self.maps, Proposer):
                around = regions.around(box, CONTEXT)
                proposed = self.maps.propose(template, self.maps(regions.crop(frame, around, SEARCH, fill)))
                self.offset.append(proposals.offset(proposed, regions.to_region(box, around)))

    def add_crop(
        self,
        frame: np.ndarray,
        box: np.ndarray,
        look: _Look,
        origin: int,
        span: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> None:
        """A crop around where a tracker might have been, of the frame as it would be stretched and lit otherwise."""
        stretch = np.tile(look.stretch, 2)
        box = box * stretch
        around = _jittered(box, look.spread, rng)
        region = regions.around(around, CONTEXT)
        crop = regions.crop(frame, region / stretch, SEARCH, regions.mean_colour(frame))
        search = self.maps(np.clip(crop * look.light, 0, 255).astype(np.uint8))
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
        """All of them."""

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


def _views(one: Sequence, index: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A frame and its true box, plain and mirrored."""
    frame, box = one.frames[index], one.boxes[index]
    mirrored = np.array([one.size[0] + 2 - box[0] - box[2], *box[1:]])
    return (frame, box), (np.ascontiguousarray(frame[:, ::-1]), mirrored)


def _jittered(box: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """A pixel box where a tracker might have been: beside the true one, of another size and shape."""
    sides = box[2:] * np.exp(rng.normal(0, 0.12, 2) + rng.normal(0, 0.12 if rng.random() < 0.5 else 0.35))
    shift = np.clip(rng.laplace(0, spread, 2), -1.6, 1.6) * np.sqrt(box[2] * box[3])
    return bx.top_left(np.concatenate([bx.centre(box)[:2] + shift, sides]))


def _light(rng: np.random.Generator) -> np.ndarray:
    """Gains of red, green and blue."""
    return np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.08, 3))


def _anything(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pixel box with something in it, somewhere in a frame: of some tries the one of most contrast."""
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


def _changed(frame: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The frame stretched, perhaps blurred and with a piece of itself over a part of the target; and the box in it."""
    height, width, _ = frame.shape
    scale = np.exp(rng.normal(0, 0.15, 2))
    size = max(16, int(width * scale[0])), max(16, int(height * scale[1]))
    changed = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array(size) / (width, height)
    moved = np.concatenate([(box[:2] - 1) * scale + 1, box[2:] * scale])
    if rng.random() < 0.3:
        w, h = (moved[2:] * rng.uniform(0.2, 0.6, 2)).astype(int) + 1
        w, h = min(w, size[0] - 1), min(h, size[1] - 1)
        x, y = (moved[:2] + rng.uniform(-0.2, 0.8, 2) * moved[2:]).astype(int)
        x, y = np.clip(x, 0, size[0] - w), np.clip(y, 0, size[1] - h)
        u, v = rng.integers(0, size[0] - w + 1), rng.integers(0, size[1] - h + 1)
        changed[y : y + h, x : x + w] = changed[v : v + h, u : u + w].copy()
    if rng.random() < 0.3:
        changed = cv2.blur(changed, tuple(int(n) for n in rng.integers(1, 2 + max(1, min(moved[2:]) // 6), 2)))
    return changed, moved
