"""What a policy decides about the experts: one flat vector in [-1, 1] per target, in which 0 is the hand-made rule."""

from typing import NamedTuple

import numpy as np

THRESHOLD = 0.5
"""A reset is asked for above it, and a pause below its negative; so small noise around 0 does neither."""


class Decision(NamedTuple):
    """A policy's decision for N targets and K experts."""

    trust: np.ndarray
    """in each expert, ``(N, K)``"""
    residual: np.ndarray
    """of the reported box, ``(N, 4)``, see `fusion.move_box`"""
    reset: np.ndarray
    """which experts to put back, ``(N, K)`` bool"""
    running: np.ndarray
    """which experts look at the next frame, ``(N, K)`` bool; at least one"""


def action_size(experts: int, pausing: bool) -> int:
    """Numbers of an action: trust and reset for each expert, the residual; with ``pausing`` one more per expert."""
    return (3 if pausing else 2) * experts + 4


def split_action(action: np.ndarray, experts: int, pausing: bool) -> Decision:
    """The decision that actions ``(N, action_size)`` stand for: trust, residual, reset and, with ``pausing``, pauses.

    If all experts are asked to pause, the most trusted one runs.
    """
    action = np.clip(action, -1.0, 1.0).astype(np.float64)
    trust, residual, reset = np.split(action[:, : 2 * experts + 4], [experts, experts + 4], axis=1)
    running = np.ones(trust.shape, bool)
    if pausing:
        running = action[:, 2 * experts + 4 :] >= -THRESHOLD
        stopped = ~running.any(axis=1)
        running[stopped, trust[stopped].argmax(axis=1)] = True
    return Decision(trust, residual, reset > THRESHOLD, running)
