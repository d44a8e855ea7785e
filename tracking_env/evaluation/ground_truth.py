"""The sequences that results are scored against: from a folder with frames, drawn, or from annotation files alone."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets import loading, otb
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.sequence import Frames, Sequence
from tracking_env.errors import InputError, option
from tracking_env.evaluation import raw_results
from tracking_env.evaluation.result_index import list_sequences, refuse_parent
from tracking_env.files import list_folder
from tracking_env.names import NameIndex, normal_form

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The true boxes of one sequence, with its frames if there are any.

    Attributes:
        name: unique among the sequences of a report.
        boxes: true pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)``.
        attributes: its difficulty tags, some of `tracking_env.evaluation.score_report.ATTRIBUTES`.
        frames: its frames; None if there are only annotations.
        dataset: the data set that it is from, as in `datasets.Sequence.dataset`.
        anchors: frame indices of each run from an anchor, as in `datasets.Sequence.anchors`.
        polygons: corners of the true regions, as in `datasets.Sequence.polygons`.
    """

    name: str
    boxes: np.ndarray
    attributes: tuple[str, ...] = ()
    frames: Frames | None = None
    dataset: str = "otb"
    anchors: tuple[range, ...] = ()
    polygons: np.ndarray | None = None

    @property
    def seen(self) -> int:
        """Number of frames in the training third."""
        return len(self.boxes) // 3


def read_ground_truth(
    root: Path | None,
    annotations: Path | None,
    sequences: str | None,
    results: Iterable[Path] = (),
    against: Iterable[str] = (),
) -> list[GroundTruth]:
    """The ground truth of sequences: with frames from a data set or drawn, or without frames from annotation files.

    Args:
        root: folder of a data set, as for `tracking_env.datasets.loading.load`.
        annotations: folder of ``NAME.txt`` with true boxes in OTB's coordinates; see `find_annotations`.
        sequences: names and lists, as for `tracking_env.datasets.loading.load`. By default all that have results, or
            all without ``results``.
        results: folders of result files, see `tracking_env.evaluation.result_files`.
        against: names of `raw_results.NAMES`; sequences on which none of them ran are left out.

    Raises:
        InputError: there are two sources, or they lack a sequence; or no sequence has results.
    """
    if root is not None and annotations is not None:
        raise InputError(
            f"true boxes come from one place; give either {option('root', 'OTB')} or {option('annotations', 'DIR')}"
        )
    if annotations is not None:
        readers = find_annotations(annotations, sequences or otb.AVAILABLE)
    else:
        readers = {name: partial(_with_frames, load) for name, load in loading.find(root, sequences).items()}
    folders = list(results)
    if sequences is None and folders:
        names = {name for folder in folders for name in list_sequences(folder, readers)}
        place, missing = annotations or root or loading.EMBEDDED, [name for name in readers if name not in names]
        if not names:
            refuse_parent(folders[0])
            raise InputError(
                f"{folders[0]} has no result of the {len(readers)} sequences of {place}, such as {missing[0]}; give "
                f"the {option('root')} or {option('annotations')} on which the tracker ran"
            )
        if missing:
            some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            _log.warning(
                "%d of the %d sequences of %s have results; missing: %s", len(names), len(readers), place, some
            )
        readers = {name: load for name, load in readers.items() if name in names}
    stored = {name for tracker in against for name in raw_results.list_sequences(tracker)}
    if stored:
        readers = _select_stored(readers, stored)
    return [load() for load in readers.values()]


def _select_stored(
    readers: dict[str, Callable[[], GroundTruth]], stored: set[str]
) -> dict[str, Callable[[], GroundTruth]]:
    """The sequences that the trackers of ``--against`` ran on."""
    selected = {name: load for name, load in readers.items() if name in stored}
    if not selected:
        raise InputError(
            f"the trackers of {option('against')} ran on {len(stored)} targets of OTB, of which none is here; give "
            f"{option('root', 'OTB')} with some of {', '.join(sorted(stored))}"
        )
    if len(selected) < len(readers):
        _log.warning("the trackers of %s ran on %d of the %d sequences", option("against"), len(selected), len(readers))
    return selected


def find_annotations(folder: Path, spec: str = otb.AVAILABLE) -> dict[str, Callable[[], GroundTruth]]:
    """The sequences of a folder of annotation files ``NAME.txt``: functions that read them, by name.

    Names and lists are those of `otb.find`. The file of an OTB sequence may be spelled otherwise, as in the official
    toolkit (``suv.txt``, ``jogging.1.txt``). Every other file that holds boxes is a sequence of your own.

    Raises:
        InputError: the folder does not exist or holds none of the sequences; or two files may be one sequence.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the folder that holds the annotations NAME.txt")
    index = NameIndex(otb.TABLE, otb.folder_names(otb.TABLE))
    # Exact names come first, so that no other spelling takes their place.
    files: list[tuple[bool, str, Path]] = []
    for path in list_folder(folder, "*.txt"):
        stem = normal_form(path.stem)
        name = (index.find(stem) or [stem])[0]
        files.append((name != stem, name, path))
    paths: dict[str, Path] = {}
    for is_similar, name, path in sorted(files):
        other = paths.setdefault(name, path)
        if other is not path and is_similar == (normal_form(other.stem) != name):
            raise InputError(f"{other} and {path.name} may both be {name}; rename the one that is not")
    # A file that is asked for by name is read, so that an error says what is wrong with it.
    asked = {normal_form(name.strip()) for name in spec.split(",")}
    own = [name for name, path in paths.items() if name not in otb.TABLE and (name in asked or _holds_boxes(path))]
    available = [*(name for name in otb.TABLE if name in paths), *own]
    names = otb.choose(spec, available, folder)
    return {name: partial(_without_frames, paths.get(name, folder / f"{name}.txt"), name) for name in names}


def _holds_boxes(path: Path) -> bool:
    try:
        read_boxes(path)
    except InputError:  # such as README.txt
        return False
    return True


def _without_frames(path: Path, name: str) -> GroundTruth:
    return GroundTruth(name, otb.read_truth(path, name), otb.TABLE[name].attributes if name in otb.TABLE else ())


def _with_frames(load: Callable[[], Sequence]) -> GroundTruth:
    sequence = load()
    return GroundTruth(
        name=sequence.name,
        boxes=sequence.boxes,
        attributes=sequence.attributes,
        frames=sequence.frames,
        dataset=sequence.dataset,
        anchors=sequence.anchors,
        polygons=sequence.polygons,
    )


def read_sizes(sequences: Iterable[GroundTruth]) -> dict[str, Size]:
    """Width and height of the frames of each sequence that has frames, by name; reads the first frame of each."""
    return {sequence.name: sequence.frames.size for sequence in sequences if sequence.frames is not None}
