"""Trained agents of ``OTBTrack-v0`` as trackers on raw frames: DRLT's, and those of Stable-Baselines3."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.errors import InputError, option
from tracking_env.features.base import Extractor
from tracking_env.features.extractors import make_extractor
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers.base import Policy, PolicyTracker


class TrainedTracker(PolicyTracker):
    """A trained policy and the extractor that it was trained on, as a tracker.

    Args:
        policy: the policy.
        extractor: of the features that it sees.
        id: identifies its files and its extractor.
        sigma: deviation of the Gaussian that it was trained as, relative to the image; None where there is none. It is
            one number for all frames: the policy does not know when it is sure.

    Attributes:
        spread: that deviation in pixels, ``(4,)``: centre x, centre y, width, height; None where there is none.
    """

    def __init__(self, policy: Policy, extractor: Extractor, id: str, sigma: float | None = None) -> None:
        super().__init__(policy, extractor)
        self.id, self.sigma = id, sigma
        self.spread: np.ndarray | None = None

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the target's pixel box ``(4,)``."""
        super().init(frame, box)
        height, width, _ = frame.shape
        self.spread = None if self.sigma is None else self.sigma * np.array([width, height, width, height])


def drlt(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedTracker:
    """DRLT as train/reinforce.py trains it.

    Args:
        checkpoint: folder of a run, of which the newest checkpoint is taken, or of one checkpoint.
        weights: the extractor's weights file or its folder, one path; by default what the run was given.

    Raises:
        InputError: there is no checkpoint, or its extractor cannot be built, or gives other features than the run had.
    """
    return _tracker("drlt", checkpoint, weights)


def sb3(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedTracker:
    """A policy of ``OTBTrack-v0`` as train/sb3.py trains it; arguments and errors as of `drlt`."""
    return _tracker("sb3", checkpoint, weights)


def _tracker(kind: ck.Kind, folder: Path | None, weights: Sequence[Path]) -> TrainedTracker:
    if folder is None:
        names = [name for name in ck.pretrained_names() if ck.read(Path(name)).kind == kind]
        raise InputError(
            f"a trained agent needs its weights; give {option('checkpoint', 'RUN')}, a folder of "
            f"{ck.SCRIPTS[kind]}, or one that comes "
            f"with the package: {', '.join(names)}"
        )
    checkpoint, file = ck.read(folder, kind), weights_file(weights)
    name, run_file = checkpoint.features
    extractor = make_extractor(name or "grid", file or run_file)
    # Features of another extractor may have the same length: they would run, and mean nothing.
    checkpoint.check_extractor(extractor.id)
    policy = checkpoint.policy()
    if policy.observation.get("features") != (extractor.dim,):
        raise InputError(
            f"the policy in {checkpoint.path} takes observations {policy.observation}, not {extractor.dim} features; "
            f"type in a checkout: {ck.EXPORT} {checkpoint.path}"
        )
    algorithm = f"{checkpoint.config['algorithm']} " if kind == "sb3" else ""
    identity = f"{algorithm}{checkpoint.path.name} {checkpoint.digest} {extractor.id}"
    return TrainedTracker(policy, extractor, identity, _sigma(checkpoint) if kind == "drlt" else None)


def weights_file(weights: Sequence[Path]) -> Path | None:
    """The extractor's weights file or its folder, if one was given.

    Raises:
        InputError: more than one was.
    """
    if len(weights) > 1:
        raise InputError(f"got {len(weights)} weights files, an extractor has one; give one as {option('weights')}")
    return weights[0] if weights else None


def _sigma(checkpoint: ck.Checkpoint) -> float | None:
    """The policy's deviation in the last epoch; None where it was not trained by sampling."""
    options = checkpoint.run.get("reinforce")
    if not isinstance(options, dict) or checkpoint.run.get("learner") == "supervised":
        return None
    # With a schedule, training ended at sigma_end.
    sigma = options.get("sigma_end") or options.get("sigma")
    return sigma if isinstance(sigma, float) else None
