"""Trackers: what one is, running one, OpenCV's, the baselines, and trained agents from their ``policy.onnx``.

`tracking_env.registry` makes trackers by name.
"""

from tracking_env.trackers.base import Policy, PolicyTracker, Tracker, Trajectory, follow, run
from tracking_env.trackers.checkpoint import load_policy, pretrained_names

__all__ = [
    "Policy",
    "PolicyTracker",
    "Tracker",
    "Trajectory",
    "follow",
    "load_policy",
    "pretrained_names",
    "run",
]
