"""The results of several trackers, read to be compared: a label for each, and one way to count pixels for all."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tracking_env.datasets.layouts import LAYOUTS
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import Results, read_results
from tracking_env.evaluation.result_index import index_files, list_parts

_TOLERANCE = 1e-3  # pixels: results are written with four decimals


def read_trackers(folders: Sequence[Path], sequences: Iterable[GroundTruth]) -> dict[str, Results]:
    """Read folders of results.

    Args:
        folders: of one tracker each, or of many: files ``NAME_TRACKER.mat``, as OTB's authors hand them out.
        sequences: the sequences to look for. Results of a data set that counts pixels from 0 (VOT's) are moved to
            count from 1, as the true boxes are; those whose first box is the true one count from 1 already.

    Returns:
        The results by tracker. A tracker is named by its folder, or by the path if two folders have the same name; in
        a folder of many trackers by the name in the files' names.

    Raises:
        InputError: there is no such folder, or it does not hold results as `read_results` reads them.
    """
    truths = {sequence.name: sequence for sequence in sequences}
    names = [folder.resolve().name for folder in folders]
    trackers: dict[str, Results] = {}
    for name, folder in zip(names, folders, strict=True):
        label = name if names.count(name) == 1 else str(folder)
        inside = index_files(list_parts(folder)[0], truths).trackers
        if not inside:
            trackers[label] = _count_from_one(read_results(folder, truths), truths)
            continue
        for tracker in inside:
            own = tracker or label
            own = own if len(folders) == 1 else f"{label}/{own}"
            trackers[own] = _count_from_one(read_results(folder, truths, tracker), truths)
    return trackers


def _count_from_one(results: Results, truths: dict[str, GroundTruth]) -> Results:
    if results.protocol != "ope":  # OTB's protocols: our own results
        return results
    runs = []
    for run in results.runs:
        moved = {}
        for name, boxes in run.items():
            layout, first = LAYOUTS.get(truths[name].dataset), truths[name].boxes[0]
            # Our own results begin with the true box as we count it.
            is_ours = np.allclose(boxes[0], first, rtol=0, atol=_TOLERANCE)
            origin = 1 if layout is None or is_ours else layout.origin
            moved[name] = boxes + np.array([1 - origin, 1 - origin, 0, 0])
        runs.append(moved)
    return replace(results, runs=tuple(runs))
