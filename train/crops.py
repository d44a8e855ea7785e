"""Crops around jittered boxes, as maps in memory: what the warm start of the closed-loop agent learns from."""

from collections.abc import Iterable
from typing import NamedTuple

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

    def batch(self, model: Pointing, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, State, Tensor]:
        """Crops drawn at random, with a state as the loop might have it.

        Each sequence is drawn in proportion to the root of its length. The template is the sequence's first frame or
        any other; what is remembered is some frame up to a dozen before, cut a little wrong.

        Returns:
            Maps ``(B, C, 16, 16)``, locations ``(B, 4)``, the state, true boxes ``(B, 4)``.
        """

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        weight = 1 / (self.last - self.first + 1).double().sqrt()
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
        state = State(state.template, memory, velocity)
        return self.search[chosen].float(), self.location[chosen], state, self.truth[chosen]


def cut(sequences: Iterable[tuple[Sequence, range]], maps: MapExtractor, each: int, seed: int) -> Crops:
    """Cut ``each`` crops of every frame with a true box: shifted, scaled, stretched, half of them mirrored or relit.

    Args:
        sequences: with the frames that are open to training.
        maps: the extractor.
        each: crops per frame.
        seed: equal seeds cut equally.
    """
    rng = np.random.default_rng(seed)
    search, truth, location, template, target, frames, spans, mirrored = ([] for _ in range(8))
    count = 0
    parts = [(one, [index for index in part if one.annotated[index]]) for one, part in sequences]
    bar = tqdm(desc="crops", total=sum(len(part) for _, part in parts), unit="frame", disable=None)
    for one, part in parts:
        first = count
        for index in part:
            plain = one.frames[index]
            views = plain, np.ascontiguousarray(plain[:, ::-1])
            boxes = one.boxes[index], one.boxes[index] * [-1, 1, 1, 1] + [one.size[0] + 2 - one.boxes[index, 2], 0, 0, 0]
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
    bar.close()
    first_last = torch.tensor(spans)
    return Crops(
        torch.from_numpy(np.stack(search)),
        torch.from_numpy(np.float32(truth)),
        torch.from_numpy(np.float32(location)),
        torch.from_numpy(np.stack(template)),
        torch.from_numpy(np.float32(target)),
        torch.tensor(frames),
        first_last[:, 0],
        first_last[:, 1],
        torch.tensor(mirrored),
    )


def _jittered(box: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """A pixel box where a tracker might have been: beside the true one, of another size and shape."""
    sides = box[2:] * np.exp(rng.normal(0, 0.12, 2) + rng.normal(0, 0.15))
    shift = np.clip(rng.laplace(0, spread, 2), -1.6, 1.6) * np.sqrt(box[2] * box[3])
    return bx.top_left(np.concatenate([bx.centre(box)[:2] + shift, sides]))


def _relit(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gains = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.08, 3))
    return np.clip(crop * gains, 0, 255).astype(np.uint8)
