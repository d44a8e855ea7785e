"""From predicted boxes, in memory or in result files, to a report of scores: whole, seen and unseen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Size
from tracking_env.datasets import otb
from tracking_env.datasets.sequence import NO_FIRST_BOX
from tracking_env.errors import InputError, option
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.result_files import Results, read_results
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.sequence_score import SequenceScore

_POOLED = {
    "ope": "",
    "tre": "; TRE: of each sequence, all frames of the runs from all starts, each run's first frame being the true one",
    "sre": "; SRE: of each sequence, all frames of the runs from all perturbed first boxes",
}


def evaluate(
    predictions: Mapping[str, np.ndarray] | Results,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    protocol: str = "otb",
    sizes: Mapping[str, Size] | None = None,
) -> Report:
    """Score predictions.

    TRE and SRE follow both OTB toolkits: a run's first box counts as the true one, and a sequence's score is over the
    frames of all its runs together (``genPerfMat.m``; ``eval_results.py``).

    Args:
        predictions: pixel boxes ``x, y, w, h`` per sequence, ``(T, 4)``, or several runs of them; ones that are not in
            ``truths`` are left out.
        truths: true boxes of every sequence to score, ``(T, 4)``; for a protocol that takes them, corners of polygons
            ``(T, 8)``.
        seen: number of first frames that training could see, per sequence, in [0, T); 0 for a sequence that is unseen
            as a whole. By default the paper's third, ``floor(T / 3)``, of each.
        attributes: difficulty tags per sequence; by default those of OTB's table.
        protocol: one of `protocols.PROTOCOLS`.
        sizes: width and height of the images, per sequence, for a protocol that cuts boxes at the image's edges
            (GOT-10k's). A sequence without a size is scored uncut.

    Returns:
        A report in the order of ``truths``. A sequence is in its ``failed`` if one of its runs is missing, has too many
        or too few rows, or starts in a frame without a true box; or if no frame but the first has one. A run over all
        rows of the official annotation file is cut to the official range (see `otb.cut_to_official_range`).

    Raises:
        InputError: there is no such protocol, or it is VOT's, which `anchor_report.score_anchors` scores.

    Example:
        >>> truth = np.array([[1.0, 1, 20, 10]] * 3)
        >>> evaluate({"video": truth}, {"video": truth}).mean["unseen"].precision20
        1.0
    """
    results = predictions if isinstance(predictions, Results) else Results((predictions,))
    if attributes is None:
        attributes = {name: otb.TABLE[name].attributes for name in truths if name in otb.TABLE}
    rules, sizes = choose_protocol(protocol), sizes or {}
    if rules.multi_start:
        raise InputError(
            f"{rules.title} scores runs from anchors, these are other runs; give another {option('protocol')}"
        )
    scores: dict[str, tuple[SequenceScore, ...]] = {}
    failed: dict[str, str] = {}
    for name, truth in truths.items():
        split = len(truth) // 3 if seen is None else seen[name]
        try:
            # Every tracker has the first box, so a sequence with that box alone would give all the same score.
            boxes = bx.upright_boxes(np.asarray(truth))
            if len(boxes) > 1 and not bx.annotated(boxes[1:]).any():
                raise InputError("only its first frame has a true box, so that there is nothing to score")
            runs = _list_runs(results, name, boxes)
            measures = [rules.measure(run, truth[start:], sizes.get(name)) for run, start in runs]
            if not any(frames.counted.any() for frames in measures):
                raise InputError(f"none of its {len(truth)} frames counts by the rules of {rules.title}")
            scores[name] = tuple(
                SequenceScore(frames, max(split - start, 0), rules)
                for frames, (_, start) in zip(measures, runs, strict=True)
            )
        except InputError as error:
            failed[name] = str(error)
    return Report(
        scores=scores,
        failed=failed,
        repeats=len(results.runs) if results.protocol == "ope" else 0,
        attributes={name: tuple(tags) for name, tags in attributes.items() if name in truths},
        fps={name: speed for name, speed in results.fps.items() if name in truths},
        protocol=rules,
        rules=rules.rules + _POOLED[results.protocol],
        trained=not results.trained_on.isdisjoint(truths),
    )


def score_folder(
    folder: Path,
    truths: Mapping[str, np.ndarray],
    seen: Mapping[str, int] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    protocol: str = "otb",
    sizes: Mapping[str, Size] | None = None,
) -> Report:
    """Score the folder of one tracker, in any layout of `tracking_env.evaluation.result_files`; see `evaluate`.

    Raises:
        InputError: there is no such folder, or it does not hold the results of one tracker.
    """
    return evaluate(read_results(folder, truths), truths, seen, attributes, protocol, sizes)


def _list_runs(results: Results, name: str, truth: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The runs of a sequence, each as long as the truth from its start, and their starts.

    Raises:
        InputError: a run cannot be read, is missing, or is too long or too short.
    """
    if name in results.unreadable:
        raise InputError(results.unreadable[name])
    if not any(name in run for run in results.runs):
        raise InputError("no result")
    # Plain results have no starts: every run begins at the first frame.
    starts = results.starts.get(name) or (0,) * len(results.runs)
    runs = []
    for at, start in enumerate(starts):
        where = f"{'run' if results.protocol == 'ope' else 'start'} {at + 1}: " if len(starts) > 1 else ""
        if at >= len(results.runs) or name not in results.runs[at]:
            raise InputError(f"{where}no result")
        if not 0 <= start < len(truth):
            raise InputError(f"{where}starts at frame {start} of {len(truth)}, counted from 0; run the tracker again")
        if not bx.annotated(truth[start]):
            raise InputError(f"{where}{NO_FIRST_BOX}")
        run, frames = np.asarray(results.runs[at][name]), len(truth) - start
        if len(run) != frames and start == 0:
            # Some published results cover all annotated frames, also those that the benchmark leaves out.
            run = otb.cut_to_official_range(name, run)
        if len(run) != frames:
            raise InputError(f"{where}{len(run)} rows for {frames} frames; write one row per frame")
        runs.append((run, start))
    return runs
