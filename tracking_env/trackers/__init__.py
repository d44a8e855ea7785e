"""Trackers: what one is, running one, OpenCV's, the baselines, and trained agents from their ``policy.onnx``.

`tracking_env.registry` makes trackers by name.
"""

from tracking_env.trackers.base import Policy, PolicyTracker, Tracker, Trajectory, follow, run

__all__ = ["Policy", "PolicyTracker", "Tracker", "Trajectory", "follow", "run"]
