"""Crops around jittered boxes, as maps in memory: what the warm start of the closed-loop agent learns from."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from agents.pointing import Pointing, State
from tracking_env import boxes as bx
from tracking_env import regions
from tracking_env.gaze import CONTEXT
from tracking_env.maps import SEARCH, TEMPLATE, MapExtractor
from tracking_env.sequence import Sequence

CLOSE, FAR = 0.25, 0.6
"""Deviations of a crop's centre from the target's, in target sizes: one crop of two each (Laplace: a few much more)."""


class Crops(NamedTuple):
    """Crops of frames of one or many sequences; maps are float16, boxes relative to the crop's region.

    Templates are those of every frame, plain and mirrored: number ``2 * frame + mirrored``.
    """

    search: Tensor
    """``(K, C, 16, 16)``"""
    truth: Tensor
    """the true boxes, ``(K, 4)``"""
    location: Tensor
    """the boxes that the regions are around, ``(K, 4)``"""
    template: Tensor
    """``(2 F, C, 8, 8)``"""
    target: Tensor
    """the true boxes relative to the templates, ``(2 F, 4)``"""
    frame: Tensor
    """of each crop, ``(K,)``, counted through all sequences"""
    first: Tensor
    """first frame of its sequence, ``(K,)``"""
    last: Tensor
    """last frame of its sequence, ``(K,)``"""
    mirrored: Tensor
    """``(K,)`` bool"""

    def batch(
        self, model: Pointing, size: int, pretended: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, State, Tensor]:
        """Crops drawn at random, with a state as the loop might have it.

        A share ``pretended`` of them is of what is no target; the others' sequences are drawn in proportion to the
        root of their lengths. The template is the sequence's first frame or
        any other; what is remembered is some frame up to a dozen before, cut a little wrong.

        Returns:
            Maps ``(B, C, 16, 16)``, locations ``(B, 4)``, the state, true boxes ``(B, 4)``.
        """

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        weight = 1 / (self.last - self.first + 1).double().sqrt()
        alone = self.last == self.first
        if alone.any() and not alone.all():
            weight[alone] *= pretended / weight[alone].sum()
            weight[~alone] *= (1 - pretended) / weight[~alone].sum()
        chosen = torch.multinomial(weight, size, replacement=True, generator=generator)
        first, last, frame = self.first[chosen], self.last[chosen], self.frame[chosen]
        anywhere = first + (draw(size) * (last - first + 1)).long()
        origin = torch.where(draw(size) < 0.5, first, anywhere)
        lately = torch.maximum(frame - 1 - (draw(size) * 12).long(), first)
        flip = self.mirrored[chosen].long()
        start, before = 2 * origin + flip, 2 * lately + flip
        state = model.begin(self.template[start].float(), self.target[start])
        wrong = torch.exp(0.1 * torch.randn((size, 4), generator=generator))
        memory = model.begin(self.template[before].float(), self.target[before] * wrong).template
        velocity = 0.1 * torch.randn((size, 2), generator=generator)
        state = state._replace(memory=memory, velocity=velocity)
        return self.search[chosen].float(), self.location[chosen], state, self.truth[chosen]


def cut(sequences: Iterable[Sequence], maps: MapExtractor, each: int, pretended: int, seed: int) -> Crops:
    """Cut ``each`` crops of every frame with a true box: shifted, scaled, stretched, half of them mirrored or relit.

    Args:
        sequences: of frames that are open to training.
        maps: the extractor.
        each: crops per frame.
        pretended: targets per frame that are none: some box anywhere in it, found again in the same frame stretched,
            relit, blurred and partly covered. So there are as many things to follow as one likes.
        seed: equal seeds cut equally.
    """
    rng = np.random.default_rng(seed)
    search, truth, location, template, target, frames, spans, mirrored = ([] for _ in range(8))
    count = 0
    parts = [(one, np.flatnonzero(one.annotated).tolist()) for one in sequences]
    bar = tqdm(desc="crops", total=sum(len(part) for _, part in parts), unit="frame", disable=None)
    for one, part in parts:
        first = count
        for index in part:
            plain = one.frames[index]
            views = plain, np.ascontiguousarray(plain[:, ::-1])
            boxes = (
                one.boxes[index],
                one.boxes[index] * [-1, 1, 1, 1] + [one.size[0] + 2 - one.boxes[index, 2], 0, 0, 0],
            )
            fill = regions.mean_colour(plain)
            for frame, box in zip(views, boxes, strict=True):
                region = regions.around(box, 1.0)
                template.append(maps(regions.crop(frame, region, TEMPLATE, fill)).astype(np.float16))
                target.append(regions.to_region(box, region))
            for number in range(each):
                flip = int(rng.integers(2))
                frame, box = views[flip], boxes[flip]
                around = _jittered(box, CLOSE if number % 2 else FAR, rng)
                region = regions.around(around, CONTEXT)
                crop = regions.crop(frame, region, SEARCH, fill)
                search.append(maps(_relit(crop, rng) if rng.random() < 0.5 else crop).astype(np.float16))
                truth.append(regions.to_region(box, region))
                location.append(regions.to_region(around, region))
                frames.append(count)
                mirrored.append(bool(flip))
            count += 1
            bar.update()
        spans += [(first, count - 1)] * (each * len(part))
        for index in part:
            frame = one.frames[index]
            fill = regions.mean_colour(frame)
            for _ in range(pretended):
                box = _anything(frame, rng)
                region = regions.around(box, 1.0)
                flip = int(rng.integers(2))
                template += [maps(regions.crop(frame, region, TEMPLATE, fill)).astype(np.float16)] * 2
                target += [regions.to_region(box, region)] * 2
                changed, moved = _changed(frame, box, rng)
                around = _jittered(moved, CLOSE if rng.random() < 0.5 else FAR, rng)
                region = regions.around(around, CONTEXT)
                search.append(maps(_relit(regions.crop(changed, region, SEARCH, fill), rng)).astype(np.float16))
                truth.append(regions.to_region(moved, region))
                location.append(regions.to_region(around, region))
                frames.append(count)
                mirrored.append(False)
                spans.append((count, count))
                count += 1
    bar.close()
    first_last = torch.tensor(spans)
    return Crops(
        torch.from_numpy(np.stack(search)),
        torch.tensor(np.array(truth), dtype=torch.float32),
        torch.tensor(np.array(location), dtype=torch.float32),
        torch.from_numpy(np.stack(template)),
        torch.tensor(np.array(target), dtype=torch.float32),
        torch.tensor(frames),
        first_last[:, 0],
        first_last[:, 1],
        torch.tensor(mirrored),
    )


def _jittered(box: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """A pixel box where a tracker might have been: beside the true one, of another size and shape."""
    sides = box[2:] * np.exp(rng.normal(0, 0.12, 2) + rng.normal(0, 0.12 if rng.random() < 0.5 else 0.35))
    shift = np.clip(rng.laplace(0, spread, 2), -1.6, 1.6) * np.sqrt(box[2] * box[3])
    return bx.top_left(np.concatenate([bx.centre(box)[:2] + shift, sides]))


def _relit(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gains = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.08, 3))
    return np.clip(crop * gains, 0, 255).astype(np.uint8)


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
            best, most = np.array([x + 1, y + 1, w, h]), contrast
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
