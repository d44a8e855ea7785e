"""Export of networks as ONNX graphs of one frame, which `tracking_env.trackers.onnx_policy` runs without torch.

Each function returns the content of a file ``policy.onnx``.
"""

import io
import warnings
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from agents.arbiter import Arbiter
from agents.drlt import DRLT
from agents.region_agent import SAMPLES, RegionAgent, State
from tracking_env.errors import InputError
from tracking_env.search.window import CELLS, TEMPLATE_CELLS
from tracking_env.trackers.onnx_policy import OnnxPolicy

OPSET = 18


def export_drlt(model: DRLT) -> bytes:
    """DRLT: ``features (1, D)`` and ``location (1, 4)`` -> ``box``; state ``h`` and ``c``, each ``(1, 1, hidden)``."""
    state = torch.zeros(1, 1, model.config.hidden)
    observation = {"features": torch.zeros(1, model.feature_mean.numel()), "location": torch.zeros(1, 4)}
    return graph(_DRLTFrame(model), observation | {"h": state, "c": state}, ["box", "h_next", "c_next"])


def export_region_agent(model: RegionAgent) -> bytes:
    """The closed-loop agent: the observation of ``OTBTrackSearch-v0`` -> ``box`` and ``spread``.

    The state is ``memory`` and ``velocity``; if ``fresh`` is 1, both start from the observation.
    """
    inputs = {
        "memory": torch.zeros(1, model.config.width, SAMPLES**2),
        "velocity": torch.zeros(1, 2),
        "fresh": torch.ones(1, 1, 1),
        "template": torch.ones(1, model.channels, TEMPLATE_CELLS, TEMPLATE_CELLS),
        "target": torch.full((1, 4), 0.5),
        "search": torch.ones(1, model.channels, CELLS, CELLS),
        "location": torch.full((1, 4), 0.5),
        "zoom": torch.ones(1, 1),
    }
    if model.propose is not None:
        inputs["proposals"] = torch.ones(1, 5, CELLS, CELLS)
    return graph(_RegionAgentFrame(model, list(inputs)), inputs, ["box", "spread", "memory_next", "velocity_next"])


def export_arbiter(model: Arbiter) -> bytes:
    """The arbiter: ``observation (1, D)`` -> ``action (1, A)`` and ``confidence``; state ``h`` ``(1, K, hidden)``.

    The confidence is the expected overlap of the most trusted expert's box.
    """
    inputs = {"observation": torch.zeros(1, model.features), "h": torch.zeros(1, model.experts, model.config.hidden)}
    return graph(_ArbiterFrame(model), inputs, ["action", "confidence", "h_next"])


def largest_difference(policy: OnnxPolicy, other: OnnxPolicy) -> float:
    """The largest difference of two policies' predictions in the first two frames of an episode.

    The observations are drawn anew each time, so that no policy can be made for them. They lie in [0.2, 0.8], as boxes
    and most features do.

    Raises:
        InputError: they take other observations, or predict other numbers.
    """
    if policy.observation != other.observation or policy.size != other.size:
        raise InputError(f"one observes {policy.observation} and the other {other.observation}")
    rng, difference = np.random.default_rng(), 0.0
    states: list[dict[str, np.ndarray] | None] = [None, None]
    for _ in range(2):
        drawn = {name: rng.uniform(0.2, 0.8, shape).astype(np.float32) for name, shape in policy.observation.items()}
        frames = [each.predict(drawn, state) for each, state in zip((policy, other), states, strict=True)]
        states = [after for _, after in frames]
        for first, second in zip(*(prediction for prediction, _ in frames), strict=True):
            if (first is None) != (second is None):
                raise InputError("one of them predicts a spread or a confidence, and the other does not")
            if first is not None:
                difference = max(difference, float(np.abs(first - second).max()))
    return difference


class _ArbiterFrame(nn.Module):
    """`Arbiter.forward` on one frame, and the action without noise."""

    def __init__(self, model: Arbiter) -> None:
        super().__init__()
        self.model = model

    def forward(self, observation: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        outputs, h = self.model(observation[None], h)
        return self.model.mean_action(outputs)[0], outputs.overlap[0].amax(dim=-1, keepdim=True), h


class _DRLTFrame(nn.Module):
    """`DRLT.forward` on one frame."""

    def __init__(self, model: DRLT) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, location: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        mean, (h, c) = self.model(features[None], location[None], (h, c))
        return mean[0], h, c


class _RegionAgentFrame(nn.Module):
    """`RegionAgent.forward` on one frame; the parts of `State` that the observation determines are computed again.

    Args:
        model: the network.
        names: names of the inputs, in the order of `forward`'s arguments.
    """

    def __init__(self, model: RegionAgent, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        inputs = dict(zip(self.names, arrays, strict=True))
        memory, velocity, fresh = (inputs.pop(name) for name in ("memory", "velocity", "fresh"))
        # A graph cannot branch on a missing state, so `fresh` chooses between the first state and the given one.
        first = self.model.begin(inputs["template"], inputs["target"])
        memory = fresh * first.memory + (1 - fresh) * memory
        state = State(first.template, memory, (1 - fresh[0]) * velocity, first.sides)
        decision, after = self.model(**inputs, state=state)
        return decision.mean, decision.spread, after.memory, after.velocity


def graph(module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str]) -> bytes:
    """A module as the content of an ``.onnx`` file.

    Args:
        module: takes the inputs in their order; it is left in evaluation mode.
        inputs: example arrays by name; the graph takes arrays of exactly these sizes.
        outputs: names of the module's results.
    """
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # about its age, and fixed batch sizes
        # torch's older exporter takes a tenth of the newer one's time, and needs no further package.
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            file,  # type: ignore[arg-type]  # it also takes files
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
