"""A trained agent of ``OTBTrackExperts-v0`` as a tracker on raw frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.errors import InputError
from tracking_env.search.ensemble.action import action_size
from tracking_env.search.ensemble.observation import observation_names, observes_likeness
from tracking_env.search.ensemble.tracker import EnsembleTracker
from tracking_env.search.experts import Expert, make_experts
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers.onnx_policy import OnnxPolicy
from tracking_env.trackers.trained import weights_file


class TrainedEnsembleTracker(EnsembleTracker):
    """Several experts under a trained policy.

    Args:
        policy: from its ``policy.onnx``.
        experts: those that it was trained with, in that order.
        id: tells the checkpoint's files and the experts' from others.
        pausing: whether the policy's actions also say which experts run.
        likeness: whether the policy observes likeness, see `Team`.

    Attributes:
        confidence: expected overlap of the most trusted expert's box with the true one, in [0, 1]; 1 on the first
            frame, and NaN of a policy that expects nothing.
    """

    policy: OnnxPolicy
    lost_below = 0.3
    """On videos that the policy had not learned from, thresholds from 0.25 to 0.5 have equal F1 of frames without
    overlap."""

    def __init__(self, policy: OnnxPolicy, experts: Sequence[Expert], id: str, pausing: bool, likeness: bool) -> None:
        super().__init__(policy, experts, id, pausing, likeness)
        self.confidence = 1.0

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame."""
        super().init(frame, box)
        self.confidence = 1.0  # the box was given

    def decide(self, observation: np.ndarray) -> np.ndarray:
        """The policy's action for an observation ``(D,)``; sets the confidence."""
        prediction, self._state = self.policy.predict(observation, self._state)
        self.confidence = float("nan") if prediction.confidence is None else prediction.confidence
        return prediction.action


def tracker(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedEnsembleTracker:
    """An agent of ``train/experts.py`` as a tracker, with the experts that it was trained with.

    Args:
        checkpoint: a checkpoint's folder, or a run's, of which the newest checkpoint is taken. By default the agent
            that comes with the package.
        weights: one path, the folder of the experts' files; by default the one that the run used, else the downloads'.

    Raises:
        InputError: a file of an expert is missing or is not the one that the agent was trained with, or the policy is
            one of other experts.
    """
    loaded, folder = ck.read(checkpoint or ck.PRETRAINED / "experts", "experts"), weights_file(weights)
    names = [str(identity).partition(" ")[0] for identity in loaded.config["experts"]]
    _, run_folder = loaded.features
    experts = make_experts(names, folder or run_folder)
    loaded.check_extractor(", ".join(f"{expert.name} {expert.id}" for expert in experts))
    policy, pausing = loaded.policy(), bool(loaded.config["pausing"])
    expected = {"observation": (len(observation_names(names)),)}
    if policy.observation != expected or policy.size != action_size(len(names), pausing):
        raise InputError(
            f"the policy in {loaded.path} observes {policy.observation} and gives {policy.size} numbers, wanted "
            f"{expected} and {action_size(len(names), pausing)}; type in a checkout: {ck.EXPORT} {loaded.path}"
        )
    identity = f"{loaded.path.name} {loaded.digest} {loaded.extractor}"
    likeness = observes_likeness(str(loaded.run.get("ignore", "")))
    return TrainedEnsembleTracker(policy, experts, identity, pausing, likeness)
