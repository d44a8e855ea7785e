"""What a trained agent is worth: scores beside the lines, speed, pictures."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from agents.windows import Windows
from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs.rewards import REWARDS
from tracking_env.evaluation import metrics
from tracking_env.evaluation.result_files import Results, write_result
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.features.store import FeatureStore
from tracking_env.report import film_strips, plots
from tracking_env.report.text_tables import format_trackers
from tracking_env.trackers import baselines
from tracking_env.trackers.base import Policy, PolicyTracker, run
from train.data import Data
from train.run import Run

Predictions = Mapping[str, np.ndarray]
SPEED_FRAMES = 200  # frames over which speed is measured


class Agent(Policy, Protocol):
    """A policy that can also go through a video's features in one pass, as `agents.drlt.DRLT.track` does."""

    def track(self, features: np.ndarray, first: np.ndarray) -> np.ndarray:
        """``(T, D)`` and the first relative box ``(4,)`` -> relative boxes ``(T, 4)``."""


def predict(model: Agent, store: FeatureStore, sequences: Iterable[Sequence]) -> Predictions:
    """The agent's pixel boxes ``(T, 4)`` per sequence: the truth once, in frame 1, then features alone."""
    return {
        one.name: bx.to_pixels(bx.clip_box(model.track(store[one], one.relative[0]).astype(np.float64)), one.size)
        for one in sequences
    }


def score(predictions: Predictions | Results, sequences: Iterable[Sequence], unseen: bool) -> Report:
    """OPE scores, of one run or several; ``unseen`` says that no frame of these sequences was trained on."""
    sequences = list(sequences)
    seen = {one.name: 0 if unseen else one.seen for one in sequences}
    return evaluate(predictions, {one.name: one.boxes for one in sequences}, seen)


def lines(testing: list[Sequence], training: list[Sequence], unseen: bool) -> dict[str, Report]:
    """Scores of the trackers that do not look; *replay-and-freeze* only where the split has a seen third."""
    runs = {
        "static first box": {one.name: baselines.static_first_box(one) for one in testing},
        "constant mean box": {
            one.name: baselines.constant_mean_box(one, training if unseen else ()) for one in testing
        },
    }
    if not unseen:
        runs["replay-and-freeze"] = {one.name: baselines.replay_and_freeze(one) for one in testing}
    return {name: score(boxes, testing, unseen) for name, boxes in runs.items()}


def copy_first_box(windows: Windows) -> dict[str, float]:
    """Both rewards of copying each window's first true box: what not looking is worth in training."""
    truth, mask = windows.truth[windows.index], windows.mask
    copy = truth[:, :1].expand_as(truth)
    return {name: float((formula(copy, truth) * mask).sum() / mask.sum()) for name, formula in REWARDS.items()}


def scalars(report: Report) -> dict[str, float]:
    """The mean scores for the log: ``eval/auc_whole``, ``eval/precision20_unseen``, ..."""
    return {f"eval/{name}": value for name, value in _means(report).items()}


def final(report: Report) -> dict[str, float]:
    """The same scores of a finished run, by which TensorBoard sorts runs: ``final/auc_whole``, ..."""
    return {f"final/{name}": value for name, value in _means(report).items()}


def _means(report: Report) -> dict[str, float]:
    return {
        f"{what}_{part}": getattr(one, what)
        for part, one in report.mean.items()
        if one is not None
        for what in ("auc", "precision20")
    }


def speed(model: Agent, store: FeatureStore, sequence: Sequence) -> dict[str, float]:
    """Frames per second, one frame at a time as a live tracker must.

    ``online``: decode, extract, decide. ``precomputed``: the network alone on stored features. (Table 1 has both.)
    """
    online = run(PolicyTracker(model, store.extractor), sequence, SPEED_FRAMES).fps
    features, location, state = np.asarray(store[sequence], np.float32), np.zeros(4, np.float32), None
    features = features[:SPEED_FRAMES]
    start = time.perf_counter()
    for vector in features:
        _, state = model.act({"features": vector, "location": location}, state)
    return {"online": online, "precomputed": len(features) / (time.perf_counter() - start)}


def ranking(report: Report, sequences: list[Sequence]) -> list[Sequence]:
    """The sequences by rising AUC; those that could not be scored first."""
    return sorted(sequences, key=lambda one: getattr(report.sequences.get(one.name, {}).get("whole"), "auc", 0.0))


def median(report: Report, sequences: list[Sequence]) -> Sequence:
    """The sequence in the middle by AUC: neither the luckiest nor the worst."""
    return ranking(report, sequences)[len(sequences) // 2]


def success(report: Report, unseen: bool) -> Figure:
    """The success plot: a curve of each part, the mean over the sequences, with its AUC; one where all is unseen."""
    curves: dict[str, tuple[np.ndarray, float]] = {}
    for part in ("unseen",) if unseen else PARTS:
        rates = [
            run.success_curve(part) for runs in report.scores.values() for run in runs if run.parts[part] is not None
        ]
        if rates:
            mean = np.mean(rates, axis=0)
            curves[part] = mean, float(mean.mean())
    axes, looks = ("overlap threshold", "success rate"), plots.assign_styles(PARTS)
    return plots.draw_curves("Success on the test sequences [AUC]", axes, metrics.SUCCESS_THRESHOLDS, curves, looks)


def film_strip(sequence: Sequence, boxes: np.ndarray, rows: int = 2, columns: int = 3) -> np.ndarray:
    """Frames spread over the video, row by row, each 320 pixels wide, with the true box and the agent's."""
    chosen = np.linspace(0, len(sequence) - 1, rows * columns).astype(int).reshape(rows, columns)
    pictures = [
        rendering.strip([film_strips.draw_frame(sequence.frames, at, *_shown(sequence, boxes, at)) for at in row])
        for row in chosen.tolist()
    ]
    return np.concatenate(pictures)


def examine(kept: Run, at: int, predictions: Predictions, data: Data) -> Report:
    """Score the agent's boxes on the test sequences, and show them in TensorBoard as of epoch or step ``at``.

    It shows the success plot, and film strips of the best, the median and the worst sequence.
    """
    report = score(predictions, data.testing, data.unseen)
    kept.picture(at, "eval/success", plots.rasterise(success(report, data.unseen)), "png")
    ranked = ranking(report, data.testing)
    chosen = {"worst": ranked[0], "best": ranked[-1]} if len(ranked) > 2 else {}
    for name, one in (chosen | {"median": median(report, data.testing)}).items():
        kept.picture(at, f"overlay/{name}", film_strip(one, predictions[one.name]), "jpg")
    return report


def write_boxes(folder: Path, predictions: Predictions) -> None:
    """One result file per sequence."""
    for name, boxes in predictions.items():
        write_result(folder / f"{name}.txt", boxes)


def write_overlay(path: Path, sequence: Sequence, boxes: np.ndarray) -> None:
    """The whole sequence as a video with the true box and the agent's."""
    frames = tqdm(range(len(sequence)), desc=path.name, unit="frame", leave=False, disable=None)
    rendering.write_video(path, (_overlay(sequence, boxes, index) for index in frames))


def test(model: Agent, store: FeatureStore, data: Data) -> tuple[Predictions, Report, dict[str, float]]:
    """The agent's boxes on the test sequences, their scores, and its `speed` on the sequence of median AUC."""
    predictions = predict(model, store, data.testing)
    report = score(predictions, data.testing, data.unseen)
    return predictions, report, speed(model, store, median(report, data.testing))


def publish(
    kept: Run,
    predictions: Predictions,
    report: Report,
    fps: dict[str, float],
    data: Data,
    others: dict[str, Report],
    label: str,
    facts: dict[str, Any],
) -> None:
    """Leave the last test's boxes, video and ``report.json``, sum up in TensorBoard, and print the table.

    Args:
        kept: the run's directory.
        predictions: the agent's boxes on the test sequences.
        report: their scores.
        fps: how fast it was, by what was measured.
        data: what it was trained and is tested on.
        others: the lines of the table.
        label: the agent's name in it.
        facts: about the run, for ``report.json``.
    """
    shown = median(report, data.testing)
    write_boxes(kept.path / "results", predictions)
    write_overlay(kept.path / "overlay.mp4", shown, predictions[shown.name])
    kept.write_json("report.json", summary(report, others, fps=fps, **facts))
    kept.summarise(label, final(report) | {f"final/fps_{what}": rate for what, rate in fps.items()})
    print(format_trackers(others | {label: report}))
    print("speed: " + ", ".join(f"{rate:.0f} fps {what}" for what, rate in fps.items()))
    print(f"in {kept.path}: report.json, overlay.mp4, results/; curves: tensorboard --logdir {kept.path}")


def summary(report: Report, others: dict[str, Report], **facts: Any) -> dict[str, Any]:
    """The content of ``report.json``: the agent's scores, the lines' means, and the given facts about the run."""
    return report.to_json() | {"lines": {name: one.to_json()["mean"] for name, one in others.items()}} | facts


def _overlay(sequence: Sequence, boxes: np.ndarray, index: int) -> np.ndarray:
    return rendering.draw(sequence.frames[index], *_shown(sequence, boxes, index))


def _shown(sequence: Sequence, boxes: np.ndarray, index: int) -> tuple[dict[str, np.ndarray], str]:
    """What is drawn on a frame: the boxes and the caption."""
    overlap = float(bx.iou(sequence.boxes[index], boxes[index]))
    return (
        {"truth": sequence.boxes[index], "agent": boxes[index]},
        f"{sequence.name} {index + 1}  IoU {overlap:.2f}",
    )
