"""The closed-loop agent's network: it compares template and memory with the search region and predicts a box."""

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
from tracking_env.trackers.onnx_policy import Prediction

SAMPLES = 5
"""Number of points per side at which the inside of a box is sampled."""
QUICK = 10.0
"""Factor by which the two numbers of the size learn faster than other weights; Adam would move all equally."""


@dataclass(frozen=True)
class RegionAgentConfig:
    """Size and parts of the network; each part can be left out to measure its effect."""

    width: int = 64
    """channels of the hidden layers"""
    correlation: bool = True
    """compare the target's cells with the region's; without it only the target's average is compared"""
    look: bool = True
    """use the region's own features, besides their similarity to the target's"""
    template: bool = True
    """keep the target of the first frame; without it only the memory, which starts from it, knows the target"""
    memory: bool = True
    """remember the target's recent appearance and motion: the recurrent part"""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"width is {self.width}; give at least 1")
        if not (self.template or self.memory):
            raise InputError("without template and memory the agent does not know the target; leave one of them on")


class State(NamedTuple):
    """The recurrent state of B episodes; a value, which the network returns and does not keep."""

    template: Tensor
    """the target in the first frame: keys ``(B, width, SAMPLES ** 2)`` of length 1"""
    memory: Tensor
    """the target in recent frames, in the same form"""
    velocity: Tensor
    """its recent mean motion, in its own sizes per frame, ``(B, 2)``"""
    sides: Tensor
    """its width and height in the first frame, over the side of the first region, ``(B, 2)``"""

    def rows(self, chosen: Tensor) -> "State":
        """The state of the chosen episodes."""
        return State(*(part[chosen] for part in self))


class Decision(NamedTuple):
    """Output of the network for one frame of B episodes."""

    mean: Tensor
    """the policy's mean, a box relative to the region, ``(B, 4)``"""
    scores: Tensor
    """score of each cell: logits ``(B, CELLS ** 2)`` of where the target is"""
    boxes: Tensor
    """the box that each cell predicts, ``(B, 4, CELLS ** 2)``, before the size is damped"""

    @property
    def spread(self) -> Tensor:
        """Standard deviation of the cells' boxes under the scores' softmax, ``(B, 4)``: small where cells agree."""
        weights = self.scores.softmax(dim=1)[:, None]
        middle = (self.boxes * weights).sum(dim=2, keepdim=True)
        return ((self.boxes - middle) ** 2 * weights).sum(dim=2).sqrt()


class RegionAgent(nn.Module):
    """A fully convolutional head on frozen feature maps, with a small memory.

    Each cell of the search region is compared with `SAMPLES` x `SAMPLES` points of the target, in the first frame and
    in recent ones. A few convolutions turn the comparison into a score and a box per cell. The policy's mean is the
    mean of the boxes under the softmax of the scores, so it is a smooth function of the weights. Two learned numbers
    limit how much the size changes in one frame, and draw it back to the first size.

    With proposals (`tracking_env.features.maps.Proposer`) each cell's score and box start from the proposed ones, and
    the network learns corrections.

    Args:
        channels: number C of the maps' channels.
        config: size and parts.
        proposals: whether the extractor proposes boxes.
    """

    cells: Tensor
    """centres of the region's cells, ``(2, CELLS, CELLS)``: x, y"""
    points: Tensor
    """where the inside of a box is sampled, ``(SAMPLES, SAMPLES, 2)``: x, y from its centre, in its own sizes"""

    def __init__(self, channels: int, config: RegionAgentConfig = RegionAgentConfig(), proposals: bool = False) -> None:
        super().__init__()
        self.config, self.channels = config, channels
        self.propose = nn.Conv2d(5, config.width, 1) if proposals else None
        self.trust = nn.Parameter(torch.tensor(1.0)) if proposals else None
        width = config.width
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv1d(channels, width, 1)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        self.look = nn.Conv2d(channels, width, 1) if config.look else None
        appearances = config.template + config.memory
        self.compare = nn.Conv2d(SAMPLES**2 * appearances if config.correlation else 2 * width, width, 1)
        self.place = nn.Conv2d(4, width, 1)
        self.body = nn.Sequential(nn.ReLU(), *(_separable(width, side) for side in (3, 5, 5, 5)))
        self.score = nn.Conv2d(width, 1, 1)
        self.box = nn.Conv2d(width, 4, 1)
        # An untrained network moves no box: each cell predicts the box it starts from.
        nn.init.zeros_(self.box.weight)
        nn.init.zeros_(self.box.bias)  # type: ignore[arg-type]  # it has a bias
        # Adam moves every number by about the learning rate, so the properties multiply these two by QUICK.
        self.pace_logit = nn.Parameter(torch.tensor(_logit(0.3) / QUICK))
        self.pull_logit = nn.Parameter(torch.tensor(_logit(0.002 if proposals else 0.02) / QUICK))
        self.renew = nn.Linear(2, 1)
        # At first the memory takes in a tenth of every frame, whatever the frame shows.
        nn.init.zeros_(self.renew.weight)
        nn.init.constant_(self.renew.bias, _logit(0.1))
        self.register_buffer("cells", _grid(CELLS), persistent=False)
        self.register_buffer("points", (_grid(SAMPLES) - 0.5).permute(1, 2, 0), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs

    @property
    def pace(self) -> Tensor:
        """Share of a change of size (of its logarithm) that is made in one frame, in (0, 1)."""
        return torch.sigmoid(QUICK * self.pace_logit)

    @property
    def pull(self) -> Tensor:
        """Share of the way back to the first size that is made in one frame, in (0, 1)."""
        return torch.sigmoid(QUICK * self.pull_logit)

    def last_layers(self) -> list[nn.Parameter]:
        """Parameters of the layers that give scores and boxes, and of size and memory: some hundred numbers.

        They describe no single target, so training them on few videos does not overfit.
        """
        layers = (self.score, self.box, self.renew)
        numbers = [self.pace_logit, self.pull_logit, *([] if self.trust is None else [self.trust])]
        return [*numbers, *(parameter for layer in layers for parameter in layer.parameters())]

    def begin(self, template: Tensor, target: Tensor) -> State:
        """The state before the first frame, from maps ``(B, C, 8, 8)`` and the true boxes in them, ``(B, 4)``."""
        keys = self.keys(template, target)
        return State(keys, keys, torch.zeros_like(target[:, :2]), target[:, 2:] / CONTEXT)

    def keys(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """Keys ``(B, width, SAMPLES ** 2)`` of the inside of boxes ``(B, 4)``, relative to maps ``(B, C, n, n)``."""
        points = boxes[:, None, None, :2] + self.points * boxes[:, None, None, 2:]
        # `grid_sample` wants coordinates from -1 to 1 across the map.
        inside = F.grid_sample(maps, 2 * points - 1, padding_mode="border", align_corners=False)
        return F.normalize(self.key(inside.flatten(2)), dim=1)

    def decide(
        self,
        search: Tensor,
        location: Tensor,
        state: State,
        zoom: Tensor | None = None,
        visible: Tensor | None = None,
        proposals: Tensor | None = None,
    ) -> Decision:
        """Predict the boxes of one frame, without the next state.

        Args:
            search: feature maps ``(B, C, CELLS, CELLS)``.
            location: the last predicted box, relative to the region, ``(B, 4)``.
            state: state before the frame.
            zoom: the region's side over that of the first region, ``(B, 1)``. Without it the size is neither damped nor
                drawn back to the first one.
            visible: 0 to hide the region's own features, else 1, ``(B,)``; by default all are visible.
            proposals: scores and boxes per cell, ``(B, 5, CELLS, CELLS)``, if the network was made for them.
        """
        query = F.normalize(self.query(search), dim=1)
        appearances = [state.template] * self.config.template + [state.memory] * self.config.memory
        if self.config.correlation:
            # Keys and queries have length 1, so these products are cosines.
            similarity = torch.cat(appearances, dim=2).transpose(1, 2) @ query.flatten(2)
            combined = self.compare((similarity * self.sharpness).unflatten(2, (CELLS, CELLS)))
        else:
            mean = torch.stack([keys.mean(dim=2) for keys in appearances]).mean(dim=0)
            combined = self.compare(torch.cat([query, mean[:, :, None, None].expand_as(query)], dim=1))

        # Where each cell lies, as seen from the last box and from where its velocity would bring it.
        sides = location[:, 2:, None, None]
        away = (self.cells - location[:, :2, None, None]) / sides
        ahead = away - state.velocity[:, :, None, None] * float(self.config.memory)
        squares = [away**2, (away**2).sum(1, True) / 4, (ahead**2).sum(1, True)]
        place = torch.cat([torch.exp(-0.5 * square) for square in squares], dim=1)
        combined = combined + self.place(place)
        if self.look is not None:
            own = self.look(search)
            combined = combined + (own if visible is None else own * visible[:, None, None, None])

        # Boxes start from the cell and the last size, or from the proposals.
        middles, sizes, first_scores = self.cells, sides, torch.zeros(())
        if self.propose is not None:
            assert proposals is not None and self.trust is not None
            first_scores = self.trust * proposals[:, 0].flatten(1)
            middles, sizes = proposals[:, 1:3], proposals[:, 3:].clamp(min=1e-3)
            proposed = [proposals[:, :1] / 5, (middles - self.cells) / sides, torch.log(sizes / sides)]
            combined = combined + self.propose(torch.cat(proposed, dim=1).clamp(-2, 2))
        hidden = self.body(combined)
        scores, moves = self.score(hidden).flatten(1) + first_scores, self.box(hidden)
        boxes = torch.cat(
            [middles + moves[:, :2] * sides, sizes * torch.exp(moves[:, 2:].clamp(-1.5, 1.5))], dim=1
        ).flatten(2)
        mean = (boxes * scores.softmax(dim=1)[:, None]).sum(dim=2)
        if zoom is not None:
            # Damp the change of size: in the loop, small errors of the size would add up.
            before, predicted, first = location[:, 2:], mean[:, 2:].clamp(min=1e-4), state.sides / zoom
            damped = before * (predicted / before) ** self.pace
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
        """Predict one frame of B episodes; returns the decision and the next state.

        Arguments are the entries of an observation of ``OTBTrackSearch-v0``, and the state before the frame, which is
        None in the first frame of an episode.
        """
        state = self.begin(template, target) if state is None else state
        decision = self.decide(search, location, state, zoom, proposals=proposals)
        if not self.config.memory:
            return decision, state
        # The memory takes in the predicted box, at a rate that depends on its similarity to the target and on how
        # clear the scores are: otherwise it would also learn the object that hides the target.
        keys = self.keys(search, decision.mean.clamp(0, 1))
        target_keys = state.template if self.config.template else state.memory
        similarity = (keys * target_keys).sum(dim=1).mean(dim=1)
        confidence = decision.scores.log_softmax(dim=1).amax(dim=1)
        rate = torch.sigmoid(self.renew(torch.stack([similarity, confidence], dim=1)))[:, :, None]
        memory = F.normalize((1 - rate) * state.memory + rate * keys, dim=1)
        moved = (decision.mean[:, :2] - location[:, :2]) / location[:, 2:]
        # A running mean over a few frames; the limit keeps one wrong jump from dominating it.
        velocity = (0.7 * state.velocity + 0.3 * moved).clamp(-2, 2)
        return decision, State(state.template, memory, velocity, state.sides)

    @torch.inference_mode()
    def predict(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[Prediction, State]:
        """The test-time policy (the mean) for one environment.

        Args:
            observation: of ``OTBTrackSearch-v0``.
            state: returned by the last call; None in the first frame.

        Returns:
            The box and its spread, relative to the region, and the next state.
        """
        device = self.cells.device
        tensors = {name: torch.as_tensor(array, device=device)[None] for name, array in observation.items()}
        with _one_thread():
            decision, state = self(**tensors, state=state)
        return Prediction(decision.mean[0].cpu().numpy(), decision.spread[0].cpu().numpy()), state

    def act(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[np.ndarray, State]:
        """The box of `predict` alone: observation -> action ``(4,)`` and the next state."""
        prediction, state = self.predict(observation, state)
        return prediction.action, state


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: a frame is too little work to share, and waiting threads slow down the extractor's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _separable(width: int, side: int) -> nn.Module:
    """A depthwise and a pointwise convolution."""
    depthwise = nn.Conv2d(width, width, side, padding=side // 2, groups=width)
    return nn.Sequential(depthwise, nn.Conv2d(width, width, 1), nn.ReLU())


def _grid(side: int) -> Tensor:
    """Centres of the cells of the unit square, ``(2, side, side)``: x, y."""
    centres = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
