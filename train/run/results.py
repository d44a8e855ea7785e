"""Predictions, scores and speed of a trained agent on the test sequences, and baselines to compare them with."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from agents.windows import Windows
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.rewards import REWARDS
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import evaluate
from tracking_env.features.store import FeatureStore
from tracking_env.trackers import baselines
from tracking_env.trackers.base import Policy, PolicyTracker, run
from train.run.data import Data

Predictions = Mapping[str, np.ndarray]
"""Pixel boxes ``(T, 4)`` by sequence name."""
SPEED_FRAMES = 200
"""Number of frames over which speed is measured."""


class Agent(Policy, Protocol):
    """A policy that can also predict a whole video from its features in one pass, such as `agents.drlt.DRLT`."""

    def track(self, features: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Features ``(T, D)`` and the first relative box ``(4,)`` -> relative boxes ``(T, 4)``."""


class Evaluation(NamedTuple):
    """An agent's boxes on the test sequences, and their scores."""

    predictions: Predictions
    report: Report


def evaluate_agent(model: Agent, store: FeatureStore, data: Data) -> Evaluation:
    """Predict and score all test sequences."""
    predictions = predict(model, store, data.testing)
    return Evaluation(predictions, score(predictions, data.testing, data.unseen))


def predict(model: Agent, store: FeatureStore, sequences: Iterable[Sequence]) -> Predictions:
    """The agent's boxes on each sequence; it gets the true box of the first frame, then features only."""
    predictions: dict[str, np.ndarray] = {}
    for sequence in sequences:
        relative = model.track(store[sequence], sequence.relative[0]).astype(np.float64)
        predictions[sequence.name] = bx.to_pixels(bx.clip_box(relative), sequence.size)
    return predictions


def score(predictions: Predictions | Results, sequences: Iterable[Sequence], unseen: bool) -> Report:
    """OTB's one-pass scores of one run, or of several.

    Args:
        predictions: boxes by sequence name, or result files.
        sequences: the test sequences.
        unseen: whether no frame of these sequences was trained on; else their first third was.
    """
    sequences = list(sequences)
    seen = {sequence.name: 0 if unseen else sequence.seen for sequence in sequences}
    return evaluate(predictions, {sequence.name: sequence.boxes for sequence in sequences}, seen)


def baseline_scores(data: Data) -> dict[str, Report]:
    """Scores of trackers that ignore the frames, by name.

    *replay-and-freeze* repeats the true boxes of the part that was trained on, so it needs a split with such a part.
    """
    training = data.training if data.unseen else ()
    predictions = {
        "static first box": {sequence.name: baselines.static_first_box(sequence) for sequence in data.testing},
        "constant mean box": {
            sequence.name: baselines.constant_mean_box(sequence, training) for sequence in data.testing
        },
        "best constant box": best_constant_boxes(data),
    }
    if not data.unseen:
        predictions["replay-and-freeze"] = {
            sequence.name: baselines.replay_and_freeze(sequence) for sequence in data.testing
        }
    return {name: score(boxes, data.testing, data.unseen) for name, boxes in predictions.items()}


def best_constant_boxes(data: Data) -> Predictions:
    """For each test sequence the constant box of highest AUC on what was trained on."""
    if not data.unseen:
        return {sequence.name: baselines.best_constant_box(sequence) for sequence in data.testing}
    # One search for all: only the image's size differs.
    first = data.testing[0]
    relative = bx.to_relative(baselines.best_constant_box(first, data.training)[0], first.size)
    return {
        sequence.name: np.repeat(bx.to_pixels(relative, sequence.size)[None], len(sequence), axis=0)
        for sequence in data.testing
    }


def first_box_rewards(windows: Windows) -> dict[str, float]:
    """Mean rewards of repeating each window's first true box: what an agent that ignores the frames would earn."""
    truth, mask = windows.truth[windows.index], windows.mask
    first = truth[:, :1].expand_as(truth)
    return {name: float((reward(first, truth) * mask).sum() / mask.sum()) for name, reward in REWARDS.items()}


def evaluation_scalars(report: Report) -> dict[str, float]:
    """Scores for the log: ``eval/auc_whole``, ``eval/precision20_unseen``, ..."""
    return {f"eval/{name}": value for name, value in _mean_scores(report).items()}


def final_scalars(report: Report) -> dict[str, float]:
    """The same scores of a finished run, by which TensorBoard sorts runs: ``final/auc_whole``, ..."""
    return {f"final/{name}": value for name, value in _mean_scores(report).items()}


def _mean_scores(report: Report) -> dict[str, float]:
    """AUC and precision of each part that has frames."""
    scores: dict[str, float] = {}
    for part, mean in report.mean.items():
        if mean is None:
            continue
        for metric in ("auc", "precision20"):
            scores[f"{metric}_{part}"] = getattr(mean, metric)
    return scores


def measure_speed(model: Agent, store: FeatureStore, sequence: Sequence) -> dict[str, float]:
    """Frames per second, one frame at a time as in live tracking.

    ``online`` decodes, extracts features and predicts; ``precomputed`` is the network alone on stored features. (The
    paper's Table 1 has both.)
    """
    online = run(PolicyTracker(model, store.extractor), sequence, SPEED_FRAMES).fps
    features, location, state = np.asarray(store[sequence], np.float32), np.zeros(4, np.float32), None
    features = features[:SPEED_FRAMES]
    start = time.perf_counter()
    for vector in features:
        _, state = model.act({"features": vector, "location": location}, state)
    return {"online": online, "precomputed": len(features) / (time.perf_counter() - start)}


def rank(report: Report, sequences: list[Sequence]) -> list[Sequence]:
    """The sequences by rising AUC; those that could not be scored come first."""

    def auc(sequence: Sequence) -> float:
        whole = report.sequences.get(sequence.name, {}).get("whole")
        return whole.auc if whole else 0.0

    return sorted(sequences, key=auc)


def median_sequence(report: Report, sequences: list[Sequence]) -> Sequence:
    """The sequence of median AUC, as a fair example."""
    return rank(report, sequences)[len(sequences) // 2]
