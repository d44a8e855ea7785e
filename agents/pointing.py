"""The closed-loop agent's network: template and memory compared with the search region -> the mean of the next box."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.errors import InputError
from tracking_env.search.window import CELLS, CONTEXT

SAMPLES = 5
"""Points per side at which the inside of a box is sampled."""
QUICK = 10.0
"""How much faster the two numbers of the size learn than the other weights: Adam moves all by equal steps."""


@dataclass(frozen=True)
class PointingConfig:
    """Sizes and parts of the network; each part can be left out to see what it is worth."""

    width: int = 64
    """channels inside"""
    correlation: bool = True
    """compare the target's cells with the region's; without it the two only meet as an average"""
    look: bool = True
    """see the region's own features, and not only how alike they are to the target's"""
    template: bool = True
    """keep the target as it was in the first frame; without it memory alone, which begins so, knows it"""
    memory: bool = True
    """remember how the target looked lately, and which way it went: the recurrent part"""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"width is {self.width}; give at least 1")
        if not (self.template or self.memory):
            raise InputError("without template and memory the target is not known; leave one of them on")


class State(NamedTuple):
    """What is carried from frame to frame, of B episodes: a value."""

    template: Tensor
    """the target in the first frame: keys ``(B, width, SAMPLES ** 2)`` of length 1"""
    memory: Tensor
    """the target lately, in the same form"""
    velocity: Tensor
    """its mean motion lately, in its own sizes per frame, ``(B, 2)``"""
    sides: Tensor
    """its width and height in the first frame, over the side of the first region, ``(B, 2)``"""

    def rows(self, chosen: Tensor) -> "State":
        """The state of some of the episodes."""
        return State(*(one[chosen] for one in self))


class Decision(NamedTuple):
    """What the network says of one frame."""

    mean: Tensor
    """the policy's mean, a box relative to the region, ``(B, 4)``"""
    scores: Tensor
    """how likely the target is in each cell, as logits ``(B, CELLS ** 2)``"""
    boxes: Tensor
    """the box as each cell sees it, ``(B, 4, CELLS ** 2)``, before the size is damped"""

    @property
    def spread(self) -> Tensor:
        """How far the cells are from agreeing: the deviation of their boxes under the scores' softmax, ``(B, 4)``."""
        weights = self.scores.softmax(dim=1)[:, None]
        middle = (self.boxes * weights).sum(dim=2, keepdim=True)
        return ((self.boxes - middle) ** 2 * weights).sum(dim=2).sqrt()


class Said(NamedTuple):
    """What is said of one frame of one episode, relative to the region."""

    box: np.ndarray
    """``(4,)`` float32"""
    spread: np.ndarray
    """`Decision.spread`, ``(4,)`` float32"""


class Pointing(nn.Module):
    """A fully convolutional head on frozen maps, with a little memory.

    Each cell of the search region is compared with `SAMPLES` x `SAMPLES` points of the target, as it was in the first
    frame and as it was lately; a few convolutions turn that into a score and a box per cell, and the mean of the policy
    is the boxes' mean under the scores' softmax. So the mean is a smooth function of the weights, and the same
    arithmetic serves every place in the region. How far a size may change in one frame, and how strongly it is drawn
    back to the first one, are two learned numbers.

    With proposals (`tracking_env.features.maps.Proposer`) each cell's score and box begin as those that are proposed,
    and the network learns what to change in them.

    Args:
        channels: of the maps, C.
        config: sizes and parts.
        proposals: whether there are any.
    """

    cells: Tensor
    """middles of the region's cells, ``(2, CELLS, CELLS)``: x, y"""
    points: Tensor
    """where the inside of a box is sampled, ``(SAMPLES, SAMPLES, 2)``: x, y from its middle, in its own sizes"""

    def __init__(self, channels: int, config: PointingConfig = PointingConfig(), proposals: bool = False) -> None:
        super().__init__()
        self.config, self.channels = config, channels
        self.propose = nn.Conv2d(5, config.width, 1) if proposals else None
        self.trust = nn.Parameter(torch.tensor(1.0)) if proposals else None
        width = config.width
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv1d(channels, width, 1)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        self.look = nn.Conv2d(channels, width, 1) if config.look else None
        looks = config.template + config.memory
        self.compare = nn.Conv2d(SAMPLES**2 * looks if config.correlation else 2 * width, width, 1)
        self.place = nn.Conv2d(4, width, 1)
        self.body = nn.Sequential(nn.ReLU(), *(_separable(width, side) for side in (3, 5, 5, 5)))
        self.score = nn.Conv2d(width, 1, 1)
        self.box = nn.Conv2d(width, 4, 1)
        nn.init.zeros_(self.box.weight)
        nn.init.zeros_(self.box.bias)  # type: ignore[arg-type]  # it has one
        self.pace_logit = nn.Parameter(torch.tensor(_logit(0.3) / QUICK))
        self.pull_logit = nn.Parameter(torch.tensor(_logit(0.002 if proposals else 0.02) / QUICK))
        self.renew = nn.Linear(2, 1)
        nn.init.zeros_(self.renew.weight)
        nn.init.constant_(self.renew.bias, _logit(0.1))
        self.register_buffer("cells", _grid(CELLS), persistent=False)
        self.register_buffer("points", (_grid(SAMPLES) - 0.5).permute(1, 2, 0), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs

    @property
    def pace(self) -> Tensor:
        """How much of a change of size is done in one frame, in (0, 1): a share of its logarithm."""
        return torch.sigmoid(QUICK * self.pace_logit)

    @property
    def pull(self) -> Tensor:
        """How much of the way back to the first size is done in one frame, in (0, 1)."""
        return torch.sigmoid(QUICK * self.pull_logit)

    def last_layers(self) -> list[nn.Parameter]:
        """What turns features into boxes, and steers size and memory: some hundred numbers that know no target."""
        layers = (self.score, self.box, self.renew)
        numbers = [self.pace_logit, self.pull_logit, *([] if self.trust is None else [self.trust])]
        return [*numbers, *(one for layer in layers for one in layer.parameters())]

    def begin(self, template: Tensor, target: Tensor) -> State:
        """The state before the first frame: maps ``(B, C, 8, 8)`` and the true boxes in them, relative, ``(B, 4)``."""
        keys = self.keys(template, target)
        return State(keys, keys, torch.zeros_like(target[:, :2]), target[:, 2:] / CONTEXT)

    def keys(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """The inside of boxes ``(B, 4)`` (relative to maps ``(B, C, n, n)``) as keys ``(B, width, SAMPLES ** 2)``."""
        points = boxes[:, None, None, :2] + self.points * boxes[:, None, None, 2:]
        inside = F.grid_sample(maps, 2 * points - 1, padding_mode="border", align_corners=False)
        return F.normalize(self.key(inside.flatten(2)), dim=1)

    def decide(
        self,
        search: Tensor,
        location: Tensor,
        state: State,
        zoom: Tensor | None = None,
        looking: Tensor | None = None,
        proposals: Tensor | None = None,
    ) -> Decision:
        """One frame, without the step in time.

        Args:
            search: maps ``(B, C, CELLS, CELLS)``.
            location: the box last pointed at, relative to the region, ``(B, 4)``.
            state: before the frame.
            zoom: the region's side over the first one's, ``(B, 1)``. Without it the size is what the cells say, neither
                damped nor drawn back.
            looking: 0 where the region's own features are left out, ``(B,)``: who learns so must do without them.
            proposals: scores and boxes per cell, ``(B, 5, CELLS, CELLS)``, where the network was made for them.
        """
        query = F.normalize(self.query(search), dim=1)
        looks = [state.template] * self.config.template + [state.memory] * self.config.memory
        if self.config.correlation:
            compared = torch.cat(looks, dim=2).transpose(1, 2) @ query.flatten(2)
            met = self.compare((compared * self.sharpness).unflatten(2, (CELLS, CELLS)))
        else:
            mean = torch.stack([one.mean(dim=2) for one in looks]).mean(dim=0)
            met = self.compare(torch.cat([query, mean[:, :, None, None].expand_as(query)], dim=1))
        sides = location[:, 2:, None, None]
        away = (self.cells - location[:, :2, None, None]) / sides
        ahead = away - state.velocity[:, :, None, None] * float(self.config.memory)
        near = [away, (away**2).sum(1, True) / 4, (ahead**2).sum(1, True)]
        place = torch.cat([torch.exp(-0.5 * near[0] ** 2), *(torch.exp(-0.5 * one) for one in near[1:])], dim=1)
        met = met + self.place(place)
        if self.look is not None:
            looked = self.look(search)
            met = met + (looked if looking is None else looked * looking[:, None, None, None])
        middles, sizes, trusted = self.cells, sides, torch.zeros(())
        if self.propose is not None:
            assert proposals is not None and self.trust is not None
            trusted = self.trust * proposals[:, 0].flatten(1)
            middles, sizes = proposals[:, 1:3], proposals[:, 3:].clamp(min=1e-3)
            told = [proposals[:, :1] / 5, (middles - self.cells) / sides, torch.log(sizes / sides)]
            met = met + self.propose(torch.cat(told, dim=1).clamp(-2, 2))
        hidden = self.body(met)
        scores, moves = self.score(hidden).flatten(1) + trusted, self.box(hidden)
        boxes = torch.cat(
            [middles + moves[:, :2] * sides, sizes * torch.exp(moves[:, 2:].clamp(-1.5, 1.5))], dim=1
        ).flatten(2)
        mean = (boxes * scores.softmax(dim=1)[:, None]).sum(dim=2)
        if zoom is not None:
            before, said, first = location[:, 2:], mean[:, 2:].clamp(min=1e-4), state.sides / zoom
            damped = before * (said / before) ** self.pace
            damped = damped * (first / damped) ** self.pull
            mean = torch.cat([mean[:, :2], damped], dim=1)
        return Decision(mean, scores, boxes)

    def forward(
        self,
        search: Tensor,
        template: Tensor,
        target: Tensor,
        location: Tensor,
        zoom: Tensor,
        proposals: Tensor | None = None,
        state: State | None = None,
    ) -> tuple[Decision, State]:
        """One frame of B episodes: observations as `OTBTrackSearch-v0` gives them, the state before and after it."""
        state = self.begin(template, target) if state is None else state
        decision = self.decide(search, location, state, zoom, proposals=proposals)
        if not self.config.memory:
            return decision, state
        seen = self.keys(search, decision.mean.clamp(0, 1))
        known = state.template if self.config.template else state.memory
        alike = (seen * known).sum(dim=1).mean(dim=1)
        sure = decision.scores.log_softmax(dim=1).amax(dim=1)
        rate = torch.sigmoid(self.renew(torch.stack([alike, sure], dim=1)))[:, :, None]
        memory = F.normalize((1 - rate) * state.memory + rate * seen, dim=1)
        moved = (decision.mean[:, :2] - location[:, :2]) / location[:, 2:]
        velocity = (0.7 * state.velocity + 0.3 * moved).clamp(-2, 2)
        return decision, State(state.template, memory, velocity, state.sides)

    @torch.inference_mode()
    def say(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[Said, State]:
        """The test-time policy (the mean) for one environment, and how sure it is: what it says, and the next state."""
        device = self.cells.device
        tensors = {name: torch.as_tensor(one, device=device)[None] for name, one in observation.items()}
        with _one_thread():
            decision, state = self(**tensors, state=state)
        return Said(decision.mean[0].cpu().numpy(), decision.spread[0].cpu().numpy()), state

    def act(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[np.ndarray, State]:
        """The box of `say` alone: observation -> action ``(4,)`` and the next state."""
        said, state = self.say(observation, state)
        return said.box, state


@contextmanager
def _one_thread() -> Iterator[None]:
    """One frame is too little work to share: threads waiting for it would only keep the extractor's from theirs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _separable(width: int, side: int) -> nn.Module:
    depthwise = nn.Conv2d(width, width, side, padding=side // 2, groups=width)
    return nn.Sequential(depthwise, nn.Conv2d(width, width, 1), nn.ReLU())


def _grid(side: int) -> Tensor:
    """Middles of the cells of the unit square, ``(2, side, side)``: x, y."""
    at = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(at, at, indexing="xy"))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
