"""A trained policy from its ``policy.onnx``, run by onnxruntime: no torch, and the same numbers but for rounding.

One graph decides one frame of one episode:

============  ======================================================================================================
inputs        the observation's entries by name, each with a first axis of 1; ``observation`` where it is one array; the
              recurrent state, whatever its names; ``fresh`` where the graph has it: 1 in an episode's first frame,
              else 0
outputs       the action: ``box`` ``(1, 4)``, or ``action`` ``(1, A)`` where it is more than a box; ``spread``
              ``(1, 4)`` and ``confidence`` ``(1, 1)`` where the policy has them; ``X_next`` for each state ``X``
============  ======================================================================================================

The state is zeros before the first frame. The training scripts write such graphs.

The file may be a stranger's. Its operators are those of `tracking_env.trackers.onnx_operators`; its size, memory, the
time of a frame and its inputs have limits; and what it predicts is finite.
"""

import math
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracking_env.errors import InputError, first_line
from tracking_env.features import onnx_inference
from tracking_env.files import read_bytes
from tracking_env.trackers.onnx_operators import check_operators
from tracking_env.trackers.time_limit import call_limited

NEXT = "_next"
"""Ends the name of an output that is the next value of a state."""
FRESH, OBSERVATION = "fresh", "observation"
BOX, ACTION = "box", "action"
EXTRAS = {"spread": (1, 4), "confidence": (1, 1)}
"""Further outputs that a graph may have."""
MOST_BYTES = 2 << 30
"""Size of the largest ``policy.onnx``, Protocol Buffers' own limit."""
MOST_NUMBERS = 1 << 24
"""Most numbers of one input or state."""
LONGEST = 30.0
"""Seconds that the first two frames may take. At the paper's size DRLT takes a tenth of a second."""
_OVERTIME = 2.0  # seconds for onnxruntime to stop
State = dict[str, np.ndarray]
"""The recurrent state by name, as the graph takes it."""


class Prediction(NamedTuple):
    """What a policy predicts in one frame."""

    action: np.ndarray
    """a box ``(4,)``, or an action ``(A,)``, float32"""
    spread: np.ndarray | None = None
    """standard deviation of the box's four numbers, ``(4,)`` float32; None where the policy has none"""
    confidence: float | None = None
    """expected overlap with the true box, in [0, 1]; None where the policy has none"""


class OnnxPolicy:
    """A policy of one of the environments: `act` is all that a tracker needs.

    Args:
        source: the file ``policy.onnx``, or its content.

    Attributes:
        observation: shapes of the observation's entries by name, without the first axis.
        size: numbers of an action.

    Raises:
        InputError: onnxruntime cannot read it, or it is no graph of the kind above.
    """

    def __init__(self, source: Path | bytes) -> None:
        # Checked and run are the same bytes, whatever happens to the file meanwhile.
        content = source if isinstance(source, bytes) else read_bytes(source, most=MOST_BYTES)
        check_operators(content)
        session = onnx_inference.open_session(content, bounded=True)
        outputs = [output.name for output in session.get_outputs()]
        inputs = {entry.name: tuple(entry.shape or ()) for entry in session.get_inputs()}
        states = [name for name in inputs if name + NEXT in outputs]
        # A variable dimension has a name instead of a number; a graph for one frame of one episode has none.
        fixed = all(isinstance(side, int) and side > 0 for shape in inputs.values() for side in shape)
        numbers = all(entry.type == "tensor(float)" for entry in session.get_inputs())
        if (BOX in outputs) == (ACTION in outputs) or not fixed or not numbers:
            raise InputError(f"it is no policy: its inputs are {inputs}, its outputs {', '.join(outputs)}"[:500])
        if any(math.prod(shape) > MOST_NUMBERS for shape in inputs.values()):
            raise InputError(f"it is no policy: an input has more than {MOST_NUMBERS} numbers")
        self._session = session
        self._action = BOX if BOX in outputs else ACTION
        self._extras = [name for name in EXTRAS if name in outputs]
        self._outputs = [self._action, *self._extras, *(name + NEXT for name in states)]
        self._zeros = {name: np.zeros(inputs[name], np.float32) for name in states}
        self._fresh_shape = inputs.get(FRESH)
        self.observation = {name: shape[1:] for name, shape in inputs.items() if name not in states and name != FRESH}
        self._options: Any = None
        self.size = self._try_out()
        self._options = None

    def predict(
        self, observation: dict[str, np.ndarray] | np.ndarray, state: State | None = None
    ) -> tuple[Prediction, State]:
        """Decide one frame.

        Args:
            observation: of the environment, float32: one array, or entries by name. Entries that the graph does not
                take are ignored.
            state: what the last call returned; None in an episode's first frame.

        Returns:
            The prediction and the next state.

        Raises:
            InputError: the observation is not of the environment that the policy was trained in, or the prediction is
                not finite.
        """
        entries = {OBSERVATION: observation} if isinstance(observation, np.ndarray) else observation
        if not self.observation.keys() <= entries.keys():
            raise InputError(f"it does not run: it observes {', '.join(self.observation)}, not {', '.join(entries)}")
        arrays = self._zeros if state is None else state
        arrays = arrays | {name: entries[name][None] for name in self.observation}
        if self._fresh_shape is not None:
            arrays |= {FRESH: np.full(self._fresh_shape, state is None, np.float32)}
        try:
            action, *others = self._session.run(self._outputs, arrays, self._options)
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise InputError(f"it does not run: {first_line(error)}") from None
        # The extras come first among the other outputs, then the states.
        extras = dict(zip(self._extras, others, strict=False))
        self._check_shape(self._action, action, (1, 4) if self._action == BOX else (1, np.size(action)))
        for name, value in extras.items():
            self._check_shape(name, value, EXTRAS[name])
        spread = extras["spread"][0] if "spread" in extras else None
        confidence = extras["confidence"].item() if "confidence" in extras else None
        states = dict(zip(self._zeros, others[len(extras) :], strict=True))
        return Prediction(action[0], spread, confidence), states

    def act(
        self, observation: dict[str, np.ndarray] | np.ndarray, state: State | None = None
    ) -> tuple[np.ndarray, State]:
        """The action, float32, for one observation, and the next state; arguments as of `predict`."""
        prediction, state = self.predict(observation, state)
        return prediction.action, state

    def _try_out(self) -> int:
        """Decide two frames, and return the numbers of an action.

        A graph that does not run is refused now, not in the middle of a video. Its operators do the same work in every
        frame, so one limit of time is enough.
        """
        observation = {name: np.full(shape, 0.5, np.float32) for name, shape in self.observation.items()}
        options = self._options = onnx_inference.run_options()
        # onnxruntime looks at this flag before each operator.
        timer = threading.Timer(LONGEST, setattr, (options, "terminate", True))
        timer.start()

        def decide_two_frames() -> int:
            prediction, state = self.predict(observation)
            self.predict(observation, state)
            return len(prediction.action)

        slow = InputError(f"it is no policy: a frame takes longer than {LONGEST:.0f} seconds")
        try:
            # A single operator can take hours, which only the caller can give up.
            return call_limited(decide_two_frames, LONGEST + _OVERTIME)
        except TimeoutError:
            raise slow from None
        except InputError:
            if options.terminate:
                raise slow from None
            raise
        finally:
            timer.cancel()

    def _check_shape(self, name: str, value: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            raise InputError(f"it is no policy: its {name} is no array of float32")
        if value.shape != shape:
            raise InputError(f"it is no policy: its {name} has the shape {value.shape}, wanted {shape}")
        if not np.isfinite(value).all():
            raise InputError(f"its {name} is not finite: {value.ravel()[:8].tolist()}")
