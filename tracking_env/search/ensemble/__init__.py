"""Several experts on one target: what each reports, one box from theirs, and putting a lost expert back."""

from tracking_env.search.ensemble.fusion import correct_boxes, fuse, move_box
from tracking_env.search.ensemble.observation import observation_names, observe, observe_run
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.runs import RunStore
from tracking_env.search.ensemble.team import Team
from tracking_env.search.ensemble.tracker import EnsembleTracker, HandMadeRule

__all__ = [
    "EnsembleTracker",
    "HandMadeRule",
    "Report",
    "RunStore",
    "Team",
    "correct_boxes",
    "fuse",
    "move_box",
    "observation_names",
    "observe",
    "observe_run",
]
