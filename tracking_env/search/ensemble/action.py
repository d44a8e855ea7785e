"""What a policy decides about the experts: one flat vector in [-1, 1] per target, in which 0 is the hand-made rule."""

from typing import NamedTuple

import numpy as np

THRESHOLD = 0.5
"""A reset or a scan is asked for above it, and a pause below its negative; so small noise around 0 does none."""


class Decision(NamedTuple):
    """A policy's decision for N targets and K experts."""

    trust: np.ndarray
    """in each expert, ``(N, K)``"""
    residual: np.ndarray
    """of the reported box, ``(N, 4)``, see `fusion.move_box`"""
    reset: np.ndarray
    """which experts to put back: on the candidate of a scan or, without one, on the fused box; ``(N, K)`` bool"""
    scan: np.ndarray
    """whether to scan the next frame for the target, ``(N,)`` bool"""
    running: np.ndarray
    """which experts look at the next frame, ``(N, K)`` bool; at least one"""


def action_size(experts: int, pausing: bool) -> int:
    """Numbers of an action: trust and reset for each expert, residual, scan; with ``pausing`` one more per expert."""
    return (3 if pausing else 2) * experts + 5


def split_action(action: np.ndarray, experts: int, pausing: bool) -> Decision:
    """The decision of actions ``(N, action_size)``: trust, residual, reset, scan and, with ``pausing``, pauses.

    If all experts are asked to pause, the most trusted one runs.
    """
    action = np.clip(action, -1.0, 1.0).astype(np.float64)
    parts = np.split(action, [experts, experts + 4, 2 * experts + 4, 2 * experts + 5], axis=1)
    trust, residual, reset, scan, pause = parts
    running = np.ones(trust.shape, bool)
    if pausing:
        running = pause >= -THRESHOLD
        stopped = ~running.any(axis=1)
        running[stopped, trust[stopped].argmax(axis=1)] = True
    return Decision(trust, residual, reset > THRESHOLD, scan[:, 0] > THRESHOLD, running)
