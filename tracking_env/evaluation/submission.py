"""Archives for the servers that score test sets whose true boxes are secret: GOT-10k's and TrackingNet's."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from tracking_env.errors import InputError, option
from tracking_env.evaluation.result_files import Results
from tracking_env.files import write_atomically

_DATE = (2000, 1, 1, 0, 0, 0)  # equal results give equal archives


def write_submission(path: Path, results: Results, frames: Mapping[str, int], protocol: str) -> None:
    """Write results as the archive that a benchmark's server takes; it appears whole or not at all.

    GOT-10k's holds ``NAME/NAME_001.txt``, one file a run, and ``NAME/NAME_time.txt`` (got10k/experiments/got10k.py),
    the mean seconds of a frame on each line. TrackingNet's holds ``NAME.txt`` of the first run (its devkit's
    metrics.py).

    Args:
        path: the archive, ``.zip``.
        results: of one pass over each sequence.
        frames: number of frames of each sequence of the test set.
        protocol: ``got10k`` or ``trackingnet``.

    Raises:
        InputError: the protocol has no server, or a sequence lacks results or has too many or too few rows.
    """
    if protocol not in _WRITERS:
        raise InputError(
            f"{protocol} has no server that takes results; leave {option('submission')} out to score them here"
        )
    if results.protocol != "ope":
        raise InputError(f"these are results of {results.protocol.upper()}; give those of one pass over each sequence")
    for name, count in frames.items():
        if name in results.unreadable:
            raise InputError(results.unreadable[name])
        for number, run in enumerate(results.runs, 1):
            rows = len(run[name]) if name in run else "no"
            if rows != count:
                raise InputError(
                    f"{name}, run {number}: {rows} rows for {count} frames; run the tracker on all sequences"
                )
    with write_atomically(path) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as archive:
        for member, text in _WRITERS[protocol](results, frames):
            archive.writestr(ZipInfo(member, _DATE), text, ZIP_DEFLATED)


def _list_got10k(results: Results, frames: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name, count in frames.items():
        for number, run in enumerate(results.runs, 1):
            yield f"{name}/{name}_{number:03}.txt", _format_rows(run[name])
        if name in results.fps:
            seconds = np.full((count, len(results.runs)), 1 / results.fps[name])
            yield f"{name}/{name}_time.txt", _format_rows(seconds, 8)


def _list_trackingnet(results: Results, frames: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for name in frames:
        yield f"{name}.txt", _format_rows(results.runs[0][name])


def _format_rows(rows: np.ndarray, decimals: int = 3) -> str:
    return "".join(",".join(f"{value:.{decimals}f}" for value in row) + "\n" for row in rows.tolist())


_WRITERS: Mapping[str, Callable[[Results, Mapping[str, int]], Iterator[tuple[str, str]]]] = {
    "got10k": _list_got10k,
    "trackingnet": _list_trackingnet,
}
