"""The folder of a tracker's results: whose it is, and which of its results an evaluation reuses or replaces."""

import contextlib
import json
import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError, option
from tracking_env.evaluation.result_files import TRAINED_ON
from tracking_env.evaluation.result_index import BASELINE, STARTS, read_starts
from tracking_env.evaluation.tasks import Task
from tracking_env.files import list_folder, read_bytes, write_atomically

_ID = "tracker.id"  # name of the file that says whose results a folder holds
_log = logging.getLogger(__name__)


def prepare_folder(
    tracker_id: str,
    folder: Path,
    tasks: Iterable[Task],
    trained_on: Collection[str] = (),
    replaced: list[Task] | None = None,
) -> None:
    """Make the results folder, or check that it belongs to this tracker.

    TRE's start frames are written into it, and the names of the sequences that the tracker was trained on.

    Args:
        tracker_id: the tracker's.
        folder: of its results.
        tasks: the runs that will be there.
        trained_on: names of the sequences that the tracker was trained on.
        replaced: runs whose earlier results are deleted; None to keep all. Nothing else is deleted.

    Raises:
        InputError: the folder holds results of another tracker, or cannot be written to.
    """
    id_path, starts_path = folder / _ID, folder / STARTS
    starts: dict[str, list[int]] = {}
    for task in tasks:
        if task.run.startswith("start-"):
            starts.setdefault(task.sequence.name, []).append(task.start)
    try:
        # In this order, since another process may write the id and then results meanwhile.
        if _holds_results(folder) and not id_path.exists():
            raise InputError(
                f"{folder} holds results of unknown origin; give another {option('out')} or {option('name')}"
            )
        owner = read_id(folder) if id_path.exists() else tracker_id
        if owner != tracker_id and replaced is None:
            # An own tracker's id changes with its code.
            raise InputError(
                f"{folder} holds results of {owner!r}, not of {tracker_id!r}; give {option('overwrite', True)} "
                "to run all "
                f"of them again, or give another {option('out')} or {option('name')}"
            )
        if replaced is not None:
            _delete_results(folder, replaced, owner if owner != tracker_id else None)
        # Written also when it exists: a folder that cannot be written to is refused before tracking starts.
        with write_atomically(id_path) as partial:
            partial.write_text(tracker_id + "\n", encoding="utf-8")
        if trained_on:
            with write_atomically(folder / TRAINED_ON) as partial:
                partial.write_text("".join(f"{name}\n" for name in sorted(trained_on)), encoding="utf-8")
        if starts:
            # Earlier calls may have run other sequences: keep their start frames.
            earlier = read_starts(starts_path) if starts_path.exists() else {}
            with write_atomically(starts_path) as partial:
                partial.write_text(json.dumps(earlier | starts), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; give another folder with {option('out')}"
        ) from None


def _holds_results(folder: Path) -> bool:
    return any(list_folder(part, "*.txt") for part in _list_parts(folder))


def _delete_results(folder: Path, tasks: list[Task], other: str | None) -> None:
    """Delete the results of the runs; ``other`` is the tracker that they are of, if it is not the one that will run."""
    paths = {path for task in tasks for path in (task.path, task.times_path) if path.exists()}
    # Those that stay would count as results of the tracker that will run.
    others = [path for part in _list_parts(folder) for path in list_folder(part, "*.txt") if path not in paths]
    staying = [path for path in others if path.name != TRAINED_ON]
    if other is not None and staying:
        raise InputError(
            f"{folder} holds {len(staying)} other files of {other!r}, such as {staying[0].name}; name all its "
            f"sequences, or give another {option('out')} or {option('name')}"
        )
    if other is not None:
        (folder / TRAINED_ON).unlink(missing_ok=True)
    for path in paths:
        path.unlink()


def _list_parts(folder: Path) -> list[Path]:
    return [folder, *list_folder(folder), *list_folder(folder / BASELINE)]


def read_id(folder: Path) -> str:
    """The id of the tracker that a results folder belongs to: its name, and the digests of its weights.

    Raises:
        InputError: the folder has no id.
    """
    return read_bytes(folder / _ID).decode(errors="replace").strip()


def check_earlier(finished: list[Task], folder: Path, count: int) -> dict[str, str]:
    """Log a warning that says how many results are of earlier runs, and from when.

    Returns:
        Sequences whose results do not belong to their frames or boxes, each with a one-line reason.
    """
    if not finished:
        return {}
    dates = sorted(task.path.stat().st_mtime for task in finished)
    first, last = (f"{datetime.fromtimestamp(date):%Y-%m-%d %H:%M}" for date in (dates[0], dates[-1]))
    period = first if first == last else f"{first} to {last}"
    reused = f"reused {len(finished)} of {count} results in {folder}, from {period}"
    _log.warning("%s; %s runs them again", reused, option("overwrite", True))
    changed: dict[str, str] = {}
    for task in finished:
        # Every tracker's result begins with the box that it was given. An unreadable one fails in scoring.
        with contextlib.suppress(InputError):
            boxes, sequence = read_boxes(task.path), task.cut_sequence()
            if len(boxes) != len(sequence) or not np.allclose(boxes[0], sequence.boxes[0], rtol=0, atol=1e-3):
                again = option("overwrite", True)
                changed[sequence.name] = f"{task.path} is a result of other frames or boxes; give {again}"
    return changed
