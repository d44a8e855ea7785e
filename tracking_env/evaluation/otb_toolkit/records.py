"""Result files of the two OTB toolkits: JSON of the Python toolkit and ``.mat`` of the MATLAB toolkit.

Both hold a list of records, one for each start of the tracker: one in OPE, 20 in TRE, 12 in SRE. A record has

* ``res``: the boxes, one row per frame, and ``type`` (``resType`` in JSON), which is ``rect`` if they are boxes;
* ``startFrame``: the image number of its first frame;
* ``fps``, and in SRE ``shiftType``: ``left``, ``scale_8``, ...

Sources: ``scripts/model/result.py`` and ``scripts/butil/load_results.py`` of github.com/jwlim/tracker_benchmark;
``main_running.m`` and ``genPerfMat.m`` of tracker_benchmark_v1.0 (cvlab.hanyang.ac.kr/tracker_benchmark).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env.datasets.box_files import parse_numbers
from tracking_env.errors import InputError, first_line
from tracking_env.evaluation.otb_toolkit import matfile
from tracking_env.files import MOST_BYTES, parse_json, read_bytes


@dataclass(frozen=True)
class Record:
    """One start of a tracker on one sequence.

    Attributes:
        boxes: pixel boxes ``(T, 4)`` float64, T > 0; rows may be NaN.
        first: image number of its first frame; None if unknown.
        fps: frames per second; None if unknown.
        shifted: whether the first box was perturbed, as in SRE.
    """

    boxes: np.ndarray
    first: int | None
    fps: float | None
    shifted: bool


def read_json(path: Path) -> list[Record]:
    """The records of a file ``NAME.json`` of the Python toolkit, at least one.

    Raises:
        InputError: the file cannot be read, is too large, or does not hold boxes.
    """
    data = read_bytes(path)
    try:
        content = parse_json(data)
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON ({first_line(error)}); wanted a list of records with 'res', as pyTB writes it"
        ) from None
    return _records(content, path)


def read_mat(path: Path) -> list[Record]:
    """The records of a file ``NAME_TRACKER.mat`` of the MATLAB toolkit, at least one.

    Raises:
        InputError: as `read_json`.
    """
    data = read_bytes(path)
    try:
        variables = matfile.parse(data, MOST_BYTES)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); save it again in MATLAB with save(..., '-v7')") from None
    if "results" not in variables:
        raise InputError(f"{path} has no variable 'results'; wanted what OTB's MATLAB toolkit saves")
    return _records(variables["results"], path)


def _records(content: Any, path: Path) -> list[Record]:
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise InputError(f"{path} holds no results; wanted a list of records with 'res'")
    return [record for at, entry in enumerate(entries, 1) for record in _read_entry(entry, f"{path}, result {at}")]


def _read_entry(entry: Any, where: str) -> list[Record]:
    """The record of an entry, or one for each run where ``res`` holds several: ``(runs, T, 4)``, as PyTracking's."""
    if not isinstance(entry, Mapping) or "res" not in entry:
        raise InputError(f"{where} has no 'res'; wanted a record as OTB's toolkits write it")
    kind = entry.get("type", entry.get("resType", "rect"))
    kind = kind if isinstance(kind, str) else type(kind).__name__
    if kind.lower() != "rect":
        raise InputError(f"{where} is of type {kind[:20]!r}, wanted 'rect'; turn it into boxes x,y,w,h first")
    try:
        raw = entry["res"]
        if isinstance(raw, np.ndarray) and np.iscomplexobj(raw):
            # A tracker took the root of a negative area: that breaks the row, not the file.
            raw = np.where(raw.imag == 0, raw.real, np.nan)
        # Convert straight to numbers: in an array of strings each takes the memory of the longest.
        boxes = np.atleast_2d(np.asarray(raw, dtype=np.float64))
        runs = boxes if boxes.ndim == 3 else boxes[None]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{where}: 'res' is not a table of numbers; wanted rows x,y,w,h") from None
    if runs.ndim != 3 or runs.shape[2] != 4 or runs.size == 0:
        raise InputError(f"{where}: 'res' has the shape {boxes.shape}, wanted rows x,y,w,h")
    shift = entry.get("shiftType")
    first, fps = _number(entry.get("startFrame")), _number(entry.get("fps"))
    return [
        Record(
            boxes=run,
            first=None if first is None else int(first),
            fps=fps if fps is not None and fps > 0 else None,
            shifted=isinstance(shift, str) and shift not in ("", "None"),
        )
        for run in runs
    ]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        value = next(iter(parse_numbers(value)), None)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None
