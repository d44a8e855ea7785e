"""The closed-loop agent's network as one ONNX graph: a frame's observation in, its box out, without torch.

=============  ======================================================================================================
inputs         those of ``OTBTrackSearch-v0``'s observation, each with a first axis of 1; ``memory`` and ``velocity``
               as the frame before left them; ``fresh``: 1 in an episode's first frame, where those two are ignored,
               else 0
outputs        ``box`` ``(1, 4)`` relative to the region, ``spread`` ``(1, 4)``, ``memory_next``, ``velocity_next``
=============  ======================================================================================================

onnxruntime decides by it in a quarter of the time that torch takes for a single frame.
"""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.pointing import SAMPLES, Pointing, Said, State
from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.log_levels import hushed
from tracking_env.search.window import CELLS, TEMPLATE_CELLS

_OUTPUTS = ("box", "spread", "memory_next", "velocity_next")


class Carried(NamedTuple):
    """What is carried from frame to frame: `State`'s ``memory`` and ``velocity``, of one episode."""

    memory: np.ndarray
    velocity: np.ndarray


class _Step(nn.Module):
    """`Pointing.forward` on one frame, with what of `State` follows from the observation made anew."""

    def __init__(self, model: Pointing) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, memory: Tensor, velocity: Tensor, fresh: Tensor, template: Tensor, target: Tensor, **seen: Tensor
    ) -> tuple[Tensor, ...]:
        first = self.model.begin(template, target)
        memory = fresh * first.memory + (1 - fresh) * memory
        state = State(first.template, memory, (1 - fresh[0]) * velocity, first.sides)
        decision, after = self.model(**seen, template=template, target=target, state=state)
        return decision.mean, decision.spread, after.memory, after.velocity


def _inputs(model: Pointing) -> dict[str, Tensor]:
    """Such as the graph takes, in its order: what is carried, ``fresh``, and the observation."""
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
    return inputs if model.propose is None else inputs | {"proposals": torch.ones(1, 5, CELLS, CELLS)}


def export(model: Pointing) -> bytes:
    """The content of an ``.onnx`` file.

    Raises:
        InputError: the package that torch exports with is not installed.
    """
    inputs = _inputs(model)
    try:
        with warnings.catch_warnings(action="ignore"), hushed("torch.onnx"):  # it tells of torchvision's operators
            program = torch.onnx.export(
                _Step(model).eval(),
                kwargs=inputs,
                input_names=list(inputs),
                output_names=list(_OUTPUTS),
                opset_version=18,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise InputError(f"exporting needs {error.name}; type: pip install 'tracking-env[train]'") from None
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # which lines of which files it comes from
    return program.model_proto.SerializeToString()


class Exported:
    """What `export` made, as a policy of ``OTBTrackSearch-v0``.

    Args:
        content: of the file.
        model: the network, or one of its form.

    Raises:
        InputError: onnxruntime is not installed, or cannot read it, or it is of a network of another form.
    """

    def __init__(self, content: bytes, model: Pointing) -> None:
        inputs = {name: one.numpy() for name, one in _inputs(model).items()}
        self._run = onnx_inference.by_onnxruntime(content, list(inputs), _OUTPUTS)
        self._seen = list(inputs)[3:]
        self._empty = Carried(inputs["memory"], inputs["velocity"])
        try:
            self._run(*inputs.values())
        except ValueError:
            raise InputError("it is not of the network beside it") from None

    def say(self, observation: dict[str, np.ndarray], state: Carried | None = None) -> tuple[Said, Carried]:
        """As `Pointing.say`."""
        fresh = np.full((1, 1, 1), state is None, np.float32)
        seen = [observation[name][None] for name in self._seen]
        box, spread, *carried = self._run(*(state or self._empty), fresh, *seen)
        return Said(box[0], spread[0]), Carried(*carried)

    def act(self, observation: dict[str, np.ndarray], state: Carried | None = None) -> tuple[np.ndarray, Carried]:
        """As `Pointing.act`."""
        said, state = self.say(observation, state)
        return said.box, state
