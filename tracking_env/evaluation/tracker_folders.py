"""The results of several trackers, read to be compared: a label for each, and one way to count pixels for all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tracking_env.datasets.layouts import LAYOUTS
from tracking_env.evaluation import raw_results
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import Results, read_results
from tracking_env.evaluation.result_index import index_files, list_parts

_TOLERANCE = 1e-3  # pixels: results are written with four decimals


class TrackerFolders(Mapping[str, Results]):
    """The results in folders, by tracker; those of a tracker are read when they are asked for, and not kept.

    A tracker is named by its folder, or by the path if two folders have the same name; in a folder of many trackers by
    the name in the files' names. Results of a data set that counts pixels from 0 (VOT's) are moved to count from 1, as
    the true boxes are; those whose first box is the true one count from 1 already.

    Args:
        folders: of one tracker each, or of many: files ``NAME_TRACKER.mat``, as OTB's authors hand them out.
        sequences: the sequences to look for.
        against: names of `raw_results.NAMES`, trackers whose results come with the package.

    Raises:
        InputError: there is no such folder; or, when a tracker is asked for, its folder does not hold results as
            `read_results` reads them, or there is no such name.

    Example:
        >>> trackers = TrackerFolders([Path("results/mil")], read_ground_truth(Path("OTB"), None, None))
        >>> trackers["mil"].runs[0]["Suv"].shape
        (945, 4)
    """

    def __init__(self, folders: Sequence[Path], sequences: Iterable[GroundTruth], against: Sequence[str] = ()) -> None:
        self._truths = {sequence.name: sequence for sequence in sequences}
        self._places: dict[str, tuple[Path, str | None]] = {}
        names = [folder.resolve().name for folder in folders]
        for name, folder in zip(names, folders, strict=True):
            label = name if names.count(name) == 1 else str(folder)
            inside = index_files(list_parts(folder)[0], self._truths).trackers
            if not inside:
                self._places[label] = folder, None
            for tracker in inside:
                own = tracker or label
                self._places[own if len(folders) == 1 else f"{label}/{own}"] = folder, tracker
        self._stored = {f"{name} (package)" if name in self._places else name: name for name in against}

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of each tracker that has one."""
        return {label: folder for label, (folder, _) in self._places.items()}

    def __getitem__(self, label: str) -> Results:
        if label in self._stored:
            return raw_results.read(self._stored[label])
        folder, tracker = self._places[label]
        return _count_from_one(read_results(folder, self._truths, tracker), self._truths)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._places, *self._stored])

    def __len__(self) -> int:
        return len(self._places) + len(self._stored)


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
