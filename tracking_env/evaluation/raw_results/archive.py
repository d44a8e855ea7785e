"""The archive of one tracker: ``TRACKER.zip`` with its boxes as text, and the command that made them.

It holds ``run-1/NAME.txt``, a line ``x,y,w,h`` per frame, for each run and sequence; ``command.txt``; and
``trained-on.txt`` if the tracker was trained on some of the sequences. An unpacked archive is a folder that
`result_files.read_results` reads. ``benchmarks/raw_results.py`` makes the archives.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile, ZipInfo

import numpy as np

from tracking_env.errors import InputError, suggest
from tracking_env.evaluation.result_files import TRAINED_ON, Results
from tracking_env.files import list_folder, natural_key, write_atomically

_FOLDER = Path(__file__).parent
NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in list_folder(_FOLDER, "*.zip")))
"""The trackers whose boxes come with the package."""
_COMMAND = "command.txt"
_DATE = (2000, 1, 1, 0, 0, 0)  # equal results give equal archives


def read(name: str) -> Results:
    """The boxes of one of `NAMES`, rounded to hundredths of a pixel.

    Raises:
        InputError: there is no such tracker.
    """
    runs: dict[str, dict[str, np.ndarray]] = {}
    with ZipFile(_find(name)) as archive:
        for member in sorted(archive.namelist(), key=lambda member: natural_key(Path(member))):
            folder, _, file = member.rpartition("/")
            if folder:
                text = io.StringIO(archive.read(member).decode())
                runs.setdefault(folder, {})[file.removesuffix(".txt")] = np.loadtxt(text, delimiter=",", ndmin=2)
        names = archive.read(TRAINED_ON).decode().splitlines() if TRAINED_ON in archive.namelist() else []
    return Results(tuple(runs.values()), trained_on=frozenset(names))


def list_sequences(name: str) -> list[str]:
    """The sequences of one of `NAMES`.

    Raises:
        InputError: there is no such tracker.
    """
    with ZipFile(_find(name)) as archive:
        return sorted({Path(member).stem for member in archive.namelist() if "/" in member})


def read_command(name: str) -> str:
    """The commands that made the boxes of one of `NAMES`, a line each, and the id of the tracker that ran.

    Raises:
        InputError: there is no such tracker.
    """
    with ZipFile(_find(name)) as archive:
        return archive.read(_COMMAND).decode()


def write(name: str, results: Results, command: str, folder: Path = _FOLDER) -> Path:
    """Write an archive and return its path; it appears whole or not at all.

    Args:
        name: of the tracker.
        results: of one pass over each sequence.
        command: see `read_command`.
        folder: for the archive; by default the package's.
    """
    members: Mapping[str, str] = {_COMMAND: command} | {
        f"run-{number}/{sequence}.txt": _format_rows(boxes)
        for number, run in enumerate(results.runs, 1)
        for sequence, boxes in run.items()
    }
    if results.trained_on:
        members = {**members, TRAINED_ON: "".join(f"{sequence}\n" for sequence in sorted(results.trained_on))}
    path = folder / f"{name}.zip"
    with write_atomically(path) as partial, ZipFile(partial, "w", ZIP_LZMA) as archive:
        for member, text in members.items():
            archive.writestr(ZipInfo(member, _DATE), text, ZIP_LZMA)
    return path


def _find(name: str) -> Path:
    if name not in NAMES:
        raise InputError(
            f"no results of {name!r} come with the package{suggest(name, NAMES)}; there are {', '.join(NAMES)}"
        )
    return _FOLDER / f"{name}.zip"


def _format_rows(boxes: np.ndarray) -> str:
    return "".join(",".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in row) + "\n" for row in boxes.tolist())
