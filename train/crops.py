"""Crops around jittered boxes, as maps in memory: what the warm start of the closed-loop agent learns from."""

from typing import NamedTuple

import torch
from torch import Tensor

from agents.pointing import Pointing, State


class Batch(NamedTuple):
    """B crops, with a state as the loop might have it."""

    search: Tensor
    """maps ``(B, C, 16, 16)``"""
    location: Tensor
    """``(B, 4)``"""
    state: State
    truth: Tensor
    """``(B, 4)``"""
    proposals: Tensor | None
    """``(B, 5, 16, 16)``, of an extractor that has them"""


class Crops(NamedTuple):
    """Crops of frames of one or many sequences; maps are float16, boxes relative to the crop's region.

    Templates are those of every frame, plain and mirrored: number ``2 * frame + mirrored``. Each crop belongs to one:
    that of its sequence's first frame, or of any other.
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
    proposals: Tensor
    """``(K, 5, 16, 16)``, from the crop and its template; ``(K, 0, 16, 16)`` where the extractor has none"""
    origin: Tensor
    """number of each crop's template, ``(K,)``"""
    frame: Tensor
    """of each crop, ``(K,)``, counted through all sequences"""
    first: Tensor
    """first frame of its sequence, ``(K,)``"""
    last: Tensor
    """last frame of its sequence, ``(K,)``"""

    def batch(self, model: Pointing, size: int, pretended: float, generator: torch.Generator) -> Batch:
        """Crops drawn at random, with a state as the loop might have it.

        A share ``pretended`` of them is of what is no target; the others' sequences are drawn in proportion to the
        root of their lengths. What is remembered is some frame up to a dozen before, cut a little wrong.
        """

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        weight = 1 / (self.last - self.first + 1).double().sqrt()
        alone = self.last == self.first
        if alone.any() and not alone.all():
            weight[alone] *= pretended / weight[alone].sum()
            weight[~alone] *= (1 - pretended) / weight[~alone].sum()
        chosen = torch.multinomial(weight, size, replacement=True, generator=generator)
        start = self.origin[chosen]
        lately = torch.maximum(self.frame[chosen] - 1 - (draw(size) * 12).long(), self.first[chosen])
        before = 2 * lately + start % 2
        state = model.begin(self.template[start].float(), self.target[start])
        wrong = torch.exp(0.1 * torch.randn((size, 4), generator=generator))
        memory = model.begin(self.template[before].float(), self.target[before] * wrong).template
        velocity = 0.1 * torch.randn((size, 2), generator=generator)
        state = state._replace(memory=memory, velocity=velocity)
        proposals = self.proposals[chosen].float() if self.proposals.shape[1] else None
        return Batch(self.search[chosen].float(), self.location[chosen], state, self.truth[chosen], proposals)
