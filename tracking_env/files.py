"""Files: written whole or not at all, read within bounds; and where those live that can be made again."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from tracking_env.errors import InputError

PARTIAL = ".partial-"
"""How names of unfinished files and folders begin."""
LIMIT = 16 << 20
"""Bytes of the largest text that is read, as stored and as unpacked: ten times the largest of OTB's toolkits."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name to write a file or a folder under; it gets its real name when the block ends well.

    A file replaces an older one of that name; a folder must have a name of its own. After an error nothing is left.

    Raises:
        InputError: the folder that it lies in cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give another folder") from None
    # Random, since processes of two containers may have the same id; the suffix is kept, since some writers go by it.
    partial = path.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def natural(path: Path) -> list[tuple[int, str]]:
    """To sort by: ``run-2`` comes before ``run-10``."""
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", path.name)]


def remove(path: Path) -> None:
    """Delete a file or a folder; of a process that dies meanwhile nothing half is left under this name."""
    doomed = path.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{path.name}")
    path.replace(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()


def read_bytes(path: Path, what: str = "") -> bytes:
    """A file's content, if it is no larger than `LIMIT`.

    Args:
        path: the file.
        what: how an error calls it, such as ``the frame ``.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise InputError(f"cannot read {what}{path}: {error.strerror}") from None
    if len(data) > LIMIT:
        raise InputError(f"{path} is larger than {LIMIT >> 20} MiB, which no file of its kind is; give another")
    return data


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits. The file may be of any size.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        InputError: it cannot be read, is larger than `LIMIT`, or holds something else.
    """
    data = read_bytes(path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or a number of thousands of digits
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object; it is damaged, or another program's")
    return found


def cache_folder() -> Path:
    """The user's cache folder for this library, or the folder that ``TRACKING_ENV_CACHE`` names."""
    return Path(os.environ.get("TRACKING_ENV_CACHE") or platformdirs.user_cache_dir("tracking-env"))
