"""The temporary folder of a demo, which is deleted when the demo ends, or by the next one if it is killed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "tracking-env-demo-"
_LOCK = ".lock"  # held by the demo's process; the system releases it when the process dies
_YOUNG = 60.0  # seconds in which a process has locked the folder that it made


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, deleted at the end of the block. Folders of killed demos are deleted first."""
    _delete_left()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        with FileLock(folder / _LOCK):
            yield folder


def _delete_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        try:
            # Where everybody may write, others may make links of this name.
            if folder.is_symlink() or not folder.is_dir():
                continue
            if not lock.exists() and time.time() - folder.stat().st_mtime < _YOUNG:
                continue
            with FileLock(lock, timeout=0):
                pass
        except (Timeout, OSError):
            continue  # its process lives, or it is another user's
        shutil.rmtree(folder, ignore_errors=True)
