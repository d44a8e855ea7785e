"""Training data of the arbiter's warm start: stored runs of experts, with the true overlaps of their boxes."""

import zlib
from collections.abc import Sequence as Many
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from agents.arbiter import Arbiter
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence
from tracking_env.evaluation import metrics
from tracking_env.search.ensemble import fuse, move_box, observe_run
from tracking_env.search.ensemble.fusion import overlaps
from tracking_env.search.ensemble.losses import FRAMES, first_frames, make_losses
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.runs import RunStore

PAUSED = 0.5, 0.95
"""Share of the frames in which experts pause, at least and at most, in runs with pauses."""


class StoredRun(NamedTuple):
    """T frames of K experts without resets."""

    observations: np.ndarray
    """``(T, D)`` float32"""
    boxes: np.ndarray
    """the experts' pixel boxes ``(T, K, 4)``"""
    confidence: np.ndarray
    """the experts' own, ``(T, K)``"""
    truth: np.ndarray
    """true pixel boxes ``(T, 4)``"""
    annotated: np.ndarray
    """which frames have one, ``(T,)`` bool"""
    iou: np.ndarray
    """of the experts' boxes with the true one, ``(T, K)`` float32"""
    mutual_iou: np.ndarray
    """of the experts' boxes with each other, ``(T, K, K)`` float32"""

    def fused(self, trust: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """The reported pixel boxes ``(T, 4)`` for trust ``(T, K)`` and residuals ``(T, 4)``."""
        return move_box(fuse(self.boxes, trust, self.confidence, np.ones(trust.shape, bool)), residual)

    def auc(self, boxes: np.ndarray) -> float:
        """Success AUC of pixel boxes ``(T, 4)`` over the frames that have a true box."""
        return metrics.auc(bx.iou(boxes, self.truth)[self.annotated])


class Windows(NamedTuple):
    """B windows of T frames; shorter ones are padded with zeros."""

    observations: Tensor
    """``(B, T, D)``"""
    iou: Tensor
    """``(B, T, K)``"""
    mutual_iou: Tensor
    """``(B, T, K, K)``"""
    mask: Tensor
    """``(B, T)``: 1 where a frame has a true box"""


def read_run(
    store: RunStore, sequence: Sequence, start: int = 0, stop: int | None = None, around: np.ndarray | None = None
) -> StoredRun:
    """A run from a store, made if it is missing; arguments as of `RunStore.get`."""
    return _stored_run(store.get(sequence, start, stop, around), sequence, slice(start, stop))


def read_paused_runs(store: RunStore, sequence: Sequence, start: int, stop: int) -> list[StoredRun]:
    """Runs in which one expert always looks and the others pause in random frames, one run for each expert.

    They are made of a run without pauses: an expert that pauses reports nothing, and its box is the one that the other
    expert had a frame before. Where an expert looks, it looks as if it had not paused.

    Args:
        store: makes what is missing.
        sequence: the frames.
        start: first frame, 0-based.
        stop: the frame after the last one.
    """
    report = store.get(sequence, start, stop)
    rng = np.random.default_rng([zlib.crc32(sequence.name.encode()), start])
    frames, experts = report.confidence.shape
    runs = []
    for leader in range(experts):
        running = rng.random((frames, experts)) >= rng.uniform(*PAUSED)
        running[0], running[:, leader] = True, True
        runs.append(_stored_run(_pause(report, running, leader), sequence, slice(start, stop)))
    return runs


def _pause(report: Report, running: np.ndarray, leader: int) -> Report:
    """A run's report ``(T, K)`` if the experts had paused where ``running`` is False, see `read_paused_runs`."""
    boxes = np.array(report.boxes)
    before = np.concatenate([boxes[:1, leader], boxes[:-1, leader]])
    return report._replace(
        boxes=np.where(running[..., None], boxes, before[:, None]),
        cross_score=report.cross_score * running[..., None],
        running=running,
        **{
            name: getattr(report, name) * running
            for name in ("confidence", "second_peak", "first_likeness", "recent_likeness", "motion", "growth")
        },
    )


def _stored_run(report: Report, sequence: Sequence, part: slice) -> StoredRun:
    """The report of a part of a sequence, with what a policy observes and the true overlaps."""
    boxes, truth = np.array(report.boxes), sequence.boxes[part]
    iou, mutual = overlaps(boxes, truth[:, None]), overlaps(boxes[:, :, None], boxes[:, None])
    return StoredRun(
        observe_run(report),
        boxes,
        np.array(report.confidence),
        truth,
        sequence.annotated[part],
        iou.astype(np.float32),
        mutual.astype(np.float32),
    )


def read_runs(
    store: RunStore, clips: Many[tuple[Sequence, range]], losses: int, pausing: bool = False
) -> tuple[list[StoredRun], list[StoredRun]]:
    """The runs to learn from: of each clip one from its first true box, and those with simulated losses.

    Args:
        store: makes what is missing.
        clips: sequences and the part of each that is open to training.
        losses: simulated losses per clip.
        pausing: add runs with pauses to the former, see `read_paused_runs`.
    """
    whole, made = [], []
    for sequence, part in tqdm(clips, desc="experts", unit="sequence", leave=False, disable=None):
        first = int(first_frames(sequence, part, len(part))[0])
        whole.append(read_run(store, sequence, first, part.stop))
        whole += read_paused_runs(store, sequence, first, part.stop) if pausing else []
        for loss in make_losses(sequence, part, losses, len(store.experts)):
            stop = min(loss.start + FRAMES, part.stop)
            made.append(read_run(store, sequence, loss.start, stop, loss.around))
    return whole, made


def draw_windows(
    whole: Many[StoredRun], made: Many[StoredRun], count: int, length: int, loss_share: float, rng: np.random.Generator
) -> Windows:
    """Random windows of stored runs, for one update.

    A window of a run with a simulated loss starts at the loss, since the memory must be empty there.

    Args:
        whole: runs without simulated losses.
        made: runs with them; may be empty.
        count: B.
        length: T.
        loss_share: share of the windows that are of the latter.
        rng: draws.
    """
    features, experts = whole[0].observations.shape[1], whole[0].iou.shape[1]
    observations = np.zeros((count, length, features), np.float32)
    iou, mutual = np.zeros((count, length, experts)), np.zeros((count, length, experts, experts))
    mask = np.zeros((count, length))
    lost = round(count * loss_share) if made else 0
    for index in range(count):
        pool = made if index < lost else whole
        run = pool[int(rng.integers(len(pool)))]
        frames = len(run.iou)
        start = 0 if index < lost else int(rng.integers(max(frames - length, 0) + 1))
        part = slice(start, min(start + length, frames))
        size = part.stop - part.start
        observations[index, :size] = run.observations[part]
        iou[index, :size], mutual[index, :size] = run.iou[part], run.mutual_iou[part]
        mask[index, :size] = run.annotated[part]
    return Windows(*(torch.tensor(array, dtype=torch.float32) for array in (observations, iou, mutual, mask)))


@torch.inference_mode()
def stored_auc(model: Arbiter, runs: Many[StoredRun]) -> float:
    """Mean success AUC of the fused boxes of stored runs, without resets.

    Args:
        model: decides on trust and residuals; is used without dropout and left as it was.
        runs: whole videos.
    """
    training = model.training
    model.eval()
    scores = []
    for run in runs:
        outputs, _ = model(torch.as_tensor(run.observations)[None])
        trust, residual = (part[0].double().numpy() for part in (outputs.overlap, outputs.residual))
        scores.append(run.auc(run.fused(trust, residual)))
    model.train(training)
    return float(np.mean(scores))
