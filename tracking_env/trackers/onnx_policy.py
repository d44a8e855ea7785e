"""A trained policy from its ``policy.onnx``, run by onnxruntime: no torch, and the same numbers but for rounding.

One graph decides one frame of one episode:

============  ======================================================================================================
inputs        the observation's entries by name, each with a first axis of 1; the recurrent state, whatever its names;
              ``fresh`` where the graph has it: 1 in an episode's first frame, else 0
outputs       ``box`` ``(1, 4)``, the action; ``spread`` ``(1, 4)`` where the policy has one; ``X_next`` for each
              state ``X``
============  ======================================================================================================

The state is zeros before the first frame. `agents.onnx_export` writes such graphs.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracking_env.errors import InputError, first_line
from tracking_env.features import onnx_inference

NEXT = "_next"
"""Ends the name of an output that is the next value of a state."""
FRESH = "fresh"
State = dict[str, np.ndarray]
"""The recurrent state by name, as the graph takes it."""


class Prediction(NamedTuple):
    """What a policy predicts in one frame."""

    box: np.ndarray
    """the action, ``(4,)`` float32"""
    spread: np.ndarray | None
    """standard deviation of the box's four numbers, ``(4,)`` float32; None where the policy has none"""


class OnnxPolicy:
    """A policy of one of the environments: `act` is all that a tracker needs.

    Args:
        source: the file ``policy.onnx``, or its content.

    Attributes:
        observation: shapes of the observation's entries by name, without the first axis.

    Raises:
        InputError: onnxruntime cannot read it, or it is no graph of the kind above.
    """

    def __init__(self, source: Path | bytes) -> None:
        session = onnx_inference.open_session(source)
        outputs = [output.name for output in session.get_outputs()]
        inputs = {entry.name: tuple(entry.shape) for entry in session.get_inputs()}
        states = [name for name in inputs if name + NEXT in outputs]
        if "box" not in outputs or not all(isinstance(side, int) for shape in inputs.values() for side in shape):
            raise InputError(f"it is no policy: its inputs are {inputs}, its outputs {', '.join(outputs)}")
        self._session = session
        self._outputs = ["box", *(["spread"] if "spread" in outputs else []), *(name + NEXT for name in states)]
        self._zeros = {name: np.zeros(inputs[name], np.float32) for name in states}
        self._fresh_shape = inputs.get(FRESH)
        self.observation = {name: shape[1:] for name, shape in inputs.items() if name not in states and name != FRESH}
        self.predict({name: np.zeros(shape, np.float32) for name, shape in self.observation.items()})

    def predict(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[Prediction, State]:
        """Decide one frame.

        Args:
            observation: of the environment, float32; entries that the graph does not take are ignored.
            state: what the last call returned; None in an episode's first frame.

        Returns:
            The prediction and the next state.

        Raises:
            InputError: the observation is not of the environment that the policy was trained in.
        """
        arrays = self._zeros if state is None else state
        arrays = arrays | {name: observation[name][None] for name in self.observation}
        if self._fresh_shape is not None:
            arrays |= {FRESH: np.full(self._fresh_shape, state is None, np.float32)}
        try:
            box, *others = self._session.run(self._outputs, arrays)
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise InputError(f"it does not run: {first_line(error)}") from None
        if box.shape != (1, 4):
            raise InputError(f"it is no policy: its box has the shape {box.shape}, wanted (1, 4)")
        spread = others.pop(0)[0] if "spread" in self._outputs else None
        return Prediction(box[0], spread), dict(zip(self._zeros, others, strict=True))

    def act(self, observation: dict[str, np.ndarray], state: State | None = None) -> tuple[np.ndarray, State]:
        """The action ``(4,)`` float32 of one observation, and the next state; arguments as of `predict`."""
        prediction, state = self.predict(observation, state)
        return prediction.box, state
