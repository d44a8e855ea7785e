"""Feature maps of crops around jittered boxes, from which the closed-loop agent's warm start learns."""

from typing import NamedTuple

import torch
from torch import Tensor

from agents.region_agent import RegionAgent, State

MEMORY_FRAMES = 12
"""The memory of a drawn crop is of one of this many frames before it."""


class Batch(NamedTuple):
    """B crops, each with a state as it can occur in the loop."""

    search: Tensor
    """feature maps ``(B, C, 16, 16)``"""
    location: Tensor
    """the boxes that the regions are around, ``(B, 4)``"""
    state: State
    truth: Tensor
    """the true boxes, ``(B, 4)``"""
    proposals: Tensor | None
    """``(B, 5, 16, 16)``; None if the extractor proposes no boxes"""


class Crops(NamedTuple):
    """Crops of the frames of one or many sequences; maps are float16, boxes relative to the crop's region.

    There are two templates of every frame, plain and mirrored, with number ``2 * frame + mirrored``. Each crop belongs
    to one template, of any frame of its sequence.
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
    """``(K, 5, 16, 16)``, from the crop and its template; ``(K, 0, 16, 16)`` if the extractor proposes no boxes"""
    origin: Tensor
    """number of each crop's template, ``(K,)``"""
    frame: Tensor
    """number of each crop's frame, counted through all sequences, ``(K,)``"""
    first: Tensor
    """number of the first frame of its sequence, ``(K,)``"""
    last: Tensor
    """number of the last frame of its sequence, ``(K,)``"""

    def batch(self, model: RegionAgent, size: int, pretended: float, generator: torch.Generator) -> Batch:
        """Draw crops at random, with states as they can occur in the loop.

        Sequences are drawn in proportion to the root of their lengths, so that long ones do not dominate.

        Args:
            model: makes the states.
            size: B.
            pretended: share of crops around random boxes, if there are any.
            generator: source of randomness.
        """

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        weights = 1 / (self.last - self.first + 1).double().sqrt()
        is_pretended = self.last == self.first
        if is_pretended.any() and not is_pretended.all():
            weights[is_pretended] *= pretended / weights[is_pretended].sum()
            weights[~is_pretended] *= (1 - pretended) / weights[~is_pretended].sum()
        chosen = torch.multinomial(weights, size, replacement=True, generator=generator)

        # The memory comes from an earlier frame, with an error in the box: the agent's own predictions have errors too.
        origin = self.origin[chosen]
        earlier = torch.maximum(self.frame[chosen] - 1 - (draw(size) * MEMORY_FRAMES).long(), self.first[chosen])
        before = 2 * earlier + origin % 2
        state = model.begin(self.template[origin].float(), self.target[origin])
        error = torch.exp(0.1 * torch.randn((size, 4), generator=generator))
        memory = model.begin(self.template[before].float(), self.target[before] * error).template
        velocity = 0.1 * torch.randn((size, 2), generator=generator)
        state = state._replace(memory=memory, velocity=velocity)
        proposals = self.proposals[chosen].float() if self.proposals.shape[1] else None
        return Batch(self.search[chosen].float(), self.location[chosen], state, self.truth[chosen], proposals)
