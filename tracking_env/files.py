"""Files that are there whole or not at all, and where those live that can be made again."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from tracking_env.errors import InputError

PARTIAL = ".partial-"
"""How names of unfinished files and folders begin."""


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


def cache_folder() -> Path:
    """The user's cache folder for this library, or the folder that ``TRACKING_ENV_CACHE`` names."""
    return Path(os.environ.get("TRACKING_ENV_CACHE") or platformdirs.user_cache_dir("tracking-env"))
