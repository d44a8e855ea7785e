"""What train/sb3.py learns: the environments of a run, and its agent's tests on whole videos."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from agents import sb3_env
from agents.sb3 import SB3Agent, fit_normaliser
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.envs.rewards import REWARDS
from tracking_env.features.extractors import make_extractor
from tracking_env.features.maps import make_maps
from tracking_env.features.store import FeatureStore
from tracking_env.search.experts import make_experts
from tracking_env.trackers.base import Tracker, run
from tracking_env.trackers.sb3_model import SB3Model
from train.run import results
from train.run.data import Data
from train.sb3_config import SB3Config

VALIDATION_CLIPS = 32
"""Number of training clips by which the best policy is chosen."""


class FrameTask:
    """``OTBTrack-v0``: features of whole frames, stored before training.

    Attributes:
        extractor: id of the extractor.
        features: numbers of a frame's features.
        actions: numbers of an action on flat observations: None, these are not flat.
        env: the environments.
    """

    actions: int | None = None

    def __init__(self, config: SB3Config, data: Data) -> None:
        extractor = make_extractor(config.data.features, config.data.weights, config.device)
        self.data, self.extractor, self.features = data, extractor.id, extractor.dim
        self.store = FeatureStore(extractor, Path(config.data.store) if config.data.store else None)
        self.store.build(data.all)
        self.env = sb3_env.make(
            config.learn.envs,
            mark_truncated=config.learn.gamma > 0,
            sequences=[sequence for sequence, _ in data.clips],
            split=data.split,
            features=extractor,
            store=self.store.folder,
            clip_length=config.clip_length,
        )

    def begin(self, model: BaseAlgorithm, device: torch.device) -> None:
        """Set a new model's normaliser to the statistics of the training frames."""
        frames = [torch.tensor(self.store[sequence][part.start : part.stop]) for sequence, part in self.data.clips]
        fit_normaliser(model.policy, torch.cat(frames).to(device))

    def evaluate(self, policy: BasePolicy) -> results.Evaluation:
        """Track and score all test sequences."""
        return results.evaluate_agent(SB3Agent(policy), self.store, self.data)

    def validate(self, policy: BasePolicy) -> float:
        """Mean IoU over training clips, each tracked from its first true box.

        The best policy is chosen by it. It uses training data only, so that test sequences do not influence the choice.
        """
        agent, scores = SB3Agent(policy), []
        for sequence, part in self.data.clips[: min(VALIDATION_CLIPS, len(self.data.training))]:
            annotated = part.start + np.flatnonzero(sequence.annotated[part.start : part.stop])
            if len(annotated):
                first = annotated[0]
                boxes = agent.track(self.store[sequence][first : part.stop], sequence.relative[first])
                scores.append(REWARDS["iou"](boxes[annotated - first], sequence.relative[annotated]).mean())
        return float(np.mean(scores))

    def speed(self, policy: BasePolicy, sequence: Sequence) -> dict[str, float]:
        """Frames per second, see `results.measure_speed`."""
        return results.measure_speed(SB3Agent(policy), self.store, sequence)


class LoopTask:
    """``OTBTrackSearch-v0`` or ``OTBTrackExperts-v0``, with flat observations; attributes as of `FrameTask`.

    An agent is tested as a tracker on raw frames, since what it observes depends on its own boxes.
    """

    VALIDATION_CLIPS = 8  # they are tracked frame by frame

    def __init__(self, config: SB3Config, data: Data) -> None:
        name, file = config.data.features, config.data.weights
        if config.env == "OTBTrackSearch-v0":
            maps = make_maps(name, file)
            arguments: dict[str, Any] = {"features": maps}
            self.extractor = maps.id
        else:
            experts = make_experts([expert.strip() for expert in name.split(",")], file)
            arguments = {"experts": experts}
            self.extractor = ", ".join(f"{expert.name} {expert.id}" for expert in experts)
        arguments |= {"sequences": [sequence for sequence, _ in data.clips], "split": data.split}
        arguments |= {"clip_length": config.clip_length}
        self.data = data
        self.env = sb3_env.make_flat(config.learn.envs, config.env, **arguments)
        self._single = FlatObservation(SymmetricAction(gym.make(config.env, **arguments)))
        observation, action = self.env.observation_space.shape, self.env.action_space.shape
        assert observation and action
        self.features, self.actions = observation[0], action[0]

    def begin(self, model: BaseAlgorithm, device: torch.device) -> None:
        """Nothing: flat observations are of size 1 as they are."""

    def evaluate(self, policy: BasePolicy) -> results.Evaluation:
        """Track and score all test sequences."""
        tracker = self._tracker(policy)
        boxes = {sequence.name: run(tracker, sequence).boxes for sequence in self.data.testing}
        return results.Evaluation(boxes, results.score(boxes, self.data.testing, self.data.unseen))

    def validate(self, policy: BasePolicy) -> float:
        """As `FrameTask.validate`, over the beginnings of some training sequences."""
        tracker, scores = self._tracker(policy), []
        for sequence, part in self.data.clips[: min(self.VALIDATION_CLIPS, len(self.data.training))]:
            scores.append(_mean_iou(sequence, run(tracker, sequence, part.stop).boxes))
        return float(np.mean(scores))

    def speed(self, policy: BasePolicy, sequence: Sequence) -> dict[str, float]:
        """Frames per second, one frame at a time as in live tracking."""
        return {"online": run(self._tracker(policy), sequence, results.SPEED_FRAMES).fps}

    def _tracker(self, policy: BasePolicy) -> Tracker:
        return as_tracker(SB3Model(policy), self._single)


def make_task(config: SB3Config, data: Data) -> FrameTask | LoopTask:
    """The task of a run's environment.

    Raises:
        InputError: the extractor or an expert cannot be built.
    """
    return FrameTask(config, data) if config.env == "OTBTrack-v0" else LoopTask(config, data)


def _mean_iou(sequence: Sequence, boxes: np.ndarray) -> float:
    """Mean IoU of a run's pixel boxes ``(n, 4)`` over those of its n frames that have a true box."""
    annotated = sequence.annotated[: len(boxes)]
    return float(np.mean(bx.iou(boxes[annotated], sequence.boxes[: len(boxes)][annotated])))
