"""What an evaluation looks like: success plot, film strips, video."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.datasets.sequence import Sequence
from tracking_env.evaluation import metrics
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.report import film_strips, plots
from train.run.data import Data
from train.run.directory import RunDirectory
from train.run.results import Evaluation, median_sequence, rank


def show_evaluation(run: RunDirectory, step: int, evaluation: Evaluation, data: Data) -> None:
    """Add to TensorBoard the success plot, and film strips of the best, the median and the worst sequence."""
    predictions, report = evaluation
    run.curves.add_picture(step, "eval/success", plots.rasterise(success_plot(report, data.unseen)), "png")
    ranked = rank(report, data.testing)
    examples = {"median": median_sequence(report, data.testing)}
    if len(ranked) > 2:
        examples |= {"worst": ranked[0], "best": ranked[-1]}
    for name, sequence in examples.items():
        run.curves.add_picture(step, f"overlay/{name}", film_strip(sequence, predictions[sequence.name]), "jpg")


def success_plot(report: Report, unseen: bool) -> Figure:
    """Success plot with a curve for each part, the mean over the sequences; one curve if all frames are unseen."""
    curves: dict[str, tuple[np.ndarray, float]] = {}
    for part in ("unseen",) if unseen else PARTS:
        rates = []
        for runs in report.scores.values():
            rates += [run.success_curve(part) for run in runs if run.parts[part] is not None]
        if rates:
            mean = np.mean(rates, axis=0)
            curves[part] = mean, float(mean.mean())
    axes = "overlap threshold", "success rate"
    title = "Success on the test sequences [AUC]"
    return plots.draw_curves(title, axes, metrics.SUCCESS_THRESHOLDS, curves, plots.assign_styles(PARTS))


def film_strip(sequence: Sequence, boxes: np.ndarray, rows: int = 2, columns: int = 3) -> np.ndarray:
    """Frames spread evenly over the video, row by row, each 320 pixels wide, with the true and the predicted box."""
    indices = np.linspace(0, len(sequence) - 1, rows * columns).astype(int).reshape(rows, columns)
    strips = []
    for row in indices.tolist():
        frames = [film_strips.draw_frame(sequence.frames, index, *_overlay(sequence, boxes, index)) for index in row]
        strips.append(rendering.join_horizontally(frames))
    return np.concatenate(strips)


def write_overlay(path: Path, sequence: Sequence, boxes: np.ndarray) -> None:
    """Write the whole sequence as a video with the true and the predicted box."""
    indices = tqdm(range(len(sequence)), desc=path.name, unit="frame", leave=False, disable=None)
    frames = (rendering.draw(sequence.frames[index], *_overlay(sequence, boxes, index)) for index in indices)
    rendering.write_video(path, frames)


def _overlay(sequence: Sequence, boxes: np.ndarray, index: int) -> tuple[dict[str, np.ndarray], str]:
    """The boxes to draw on a frame, and its caption."""
    truth, box = sequence.boxes[index], boxes[index]
    return {"truth": truth, "agent": box}, f"{sequence.name} {index + 1}  IoU {float(bx.iou(truth, box)):.2f}"
