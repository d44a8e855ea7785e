"""Changed copies of clips: moving crops, and difficulties that make trackers lose the target."""

from tracking_env.datasets.augmentation.crop import AugmentedClip, augment_clip
from tracking_env.datasets.augmentation.hard import DIFFICULTIES, Difficulty, harden

__all__ = ["DIFFICULTIES", "AugmentedClip", "Difficulty", "augment_clip", "harden"]
