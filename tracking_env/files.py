"""Files: written completely or not at all, read up to a limit, listed without other programs' files, and the cache."""

import fnmatch
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from tracking_env.errors import InputError

PARTIAL = ".partial-"
"""First characters of the names of unfinished files and folders."""
# Process numbers mean something on one machine, or in one container, alone.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
MOST_BYTES = 16 << 20
"""Size of the largest text or JSON file that is read as a whole: ten times the largest one of OTB's toolkits."""
MOST_VALUES = 1 << 20
"""Most values in a file that is read as a whole: three times those of 20 runs over OTB's longest video."""
MOST_LINES = 1 << 18
"""Most lines of a text file: frames of three hours of video."""
_LONGEST_LINE = 1 << 20
_ADDRESS = re.compile(r"(?!hf:)[A-Za-z][A-Za-z0-9+.-]*://")
_FOREIGN = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin", "@eadir", "lost+found")
"""Lower-case names of what Windows, macOS and network drives leave in folders."""
_BACKUP = ("~", ".bak", ".orig", ".tmp", ".swp")
"""How the names of editors' backups and unfinished copies end."""


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, which becomes ``path`` when the block ends without an error.

    A file replaces an older one of that name; a folder must not exist yet. After an error nothing is left. What a
    killed process left is deleted when the same path is written again.

    Args:
        path: the final path; missing parent folders are created.

    Yields:
        The temporary path, in the same folder and with the same suffix.

    Raises:
        InputError: the path has no name, or the parent folder cannot be created.

    Example::

        with write_atomically(Path("runs/report.json")) as partial:
            partial.write_text("{}")
    """
    if not path.name:  # an empty text is the path of the working directory
        raise InputError(f"cannot write {path}: it is a folder; give the path of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give another folder") from None
    # A rename would put a file in the place of /dev/null, for all programs.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"cannot write {path}: it is a device or a pipe; give the path of a file")
    _delete_left(path)
    partial = _temporary_name(path)
    try:
        yield partial
        # Some file systems do a rename before they write what the file holds: after a power cut it would be empty.
        _sync(partial)
        # A rename is one step: readers see the old file or the whole new one, never a part.
        partial.replace(path)
        _sync_entry(path.parent)
    finally:
        _delete(partial)


def _sync(path: Path) -> None:
    """Wait until a file, or all that is in a folder, is on the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _sync(entry)
        _sync_entry(path)
        return
    # Windows syncs only what is open for writing.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_entry(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Windows does so by itself, and opens no folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network drives sync no folders; the file is whole there all the same.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_folder(folder: Path, pattern: str = "*") -> list[Path]:
    """The entries of a folder, sorted by name, without what other programs leave there.

    Left out are hidden entries (``._clip.txt`` and ``.DS_Store`` of macOS, ``.git``, our own unfinished files), the
    files of Windows (``Thumbs.db``) and editors' backups (``clip.txt~``). Every listing that selects files by their
    names uses this one.

    Args:
        folder: the folder; a path that is none has no entries.
        pattern: of the names, such as ``*.onnx``.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}") from None
    return [path for path in paths if not _is_foreign(path.name) and fnmatch.fnmatchcase(path.name, pattern)]


def _is_foreign(name: str) -> bool:
    is_autosave = name.startswith("#") and name.endswith("#")
    return name.startswith((".", "~$")) or is_autosave or name.lower() in _FOREIGN or name.lower().endswith(_BACKUP)


def is_used_for_something_else(folder: Path, header: str) -> bool:
    """Whether a folder has files but not this one, which every store of a kind writes first.

    Args:
        folder: the folder, which need not exist.
        header: name of the file that marks a store.
    """
    # List first, look for the header last: another process may make the store between both. Unfinished files do not
    # count, since that process may be writing the header under its temporary name.
    used = bool(list_folder(folder))
    return used and not (folder / header).exists()


def remove(path: Path) -> None:
    """Delete a file, a folder, or a link; what a link points to stays.

    If the process dies meanwhile, nothing incomplete is left under this name.
    """
    # A rename is one step, deleting a folder many. What an interruption leaves has the temporary name.
    doomed = _temporary_name(path)
    path.replace(doomed)
    _delete(doomed)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    # Random, since a process may write the same path in several threads. The suffix stays: some writers depend on it.
    return path.with_name(f"{PARTIAL}{_HOST}-{os.getpid():x}-{secrets.token_hex(4)}-{path.name}")


def _delete_left(path: Path) -> None:
    """Delete the unfinished files of a path whose processes are dead."""
    if os.name == "nt":
        return  # there `os.kill` would end the process
    pattern = re.compile(rf"{re.escape(PARTIAL)}{_HOST}-([0-9a-f]+)-[0-9a-f]{{8}}-{re.escape(path.name)}")
    with os.scandir(path.parent) as entries:
        matches = [match for entry in entries if (match := pattern.fullmatch(entry.name))]
    for match in matches:
        try:
            os.kill(int(match[1], 16), 0)  # asks whether the process exists, and sends nothing
        except ProcessLookupError:
            # Another process may delete it at the same moment.
            with suppress(OSError):
                _delete(path.with_name(match[0]))
        except (OSError, OverflowError):
            pass  # it exists and is another user's, or the number is none of a process


def natural_key(path: Path) -> list[tuple[int, str]]:
    """A key to sort paths by, with numbers in their names as numbers: ``run-2`` comes before ``run-10``."""
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", path.name)]


def check_no_address(text: str) -> None:
    """See that a text, which may be a flag with its value, names no place on a network other than ``hf://``.

    Raises:
        InputError: it does.
    """
    address = text.partition("=")[2] if text.startswith("--") else text
    if _ADDRESS.match(address):
        raise InputError(f"{address} is an address; fetch or record it first, and give the file or the folder")


def check_not_empty(text: str) -> None:
    """See that an argument, which may be a flag with its value, is not empty: as a path it is the working directory.

    Raises:
        InputError: it is.
    """
    if not text or re.fullmatch(r"--[\w-]+=", text):
        raise InputError(f"an argument is empty{text and f': {text}'}; give its value, or leave it out")


def path_for_opencv(path: Path) -> str:
    """A path as a text that OpenCV takes.

    Raises:
        InputError: it has bytes that are no UTF-8, at which OpenCV ends the process.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"the name of {path} is no UTF-8; rename it") from None
    return str(path)


def require_file(path: Path, kind: str = "", most: int | None = None) -> int:
    """See that a path names a regular file, before a library opens it.

    A link to a device or a pipe would let its reader wait for ever, or read without end.

    Args:
        path: the file.
        kind: words before the path in error messages, such as ``the frame ``.
        most: the most bytes that it may have; None for any number.

    Returns:
        Its size in bytes.

    Raises:
        InputError: it is missing, no regular file, or larger.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise InputError(f"cannot read {kind}{path}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISREG(status.st_mode):
        folder = stat.S_ISDIR(status.st_mode)
        raise InputError(f"cannot read {kind}{path}: it is a {'folder' if folder else 'device or a pipe'}; give a file")
    if most is not None and status.st_size > most:
        raise InputError(f"{path} is larger than {most >> 20} MiB, which no file of its kind is; give another")
    return status.st_size


def read_bytes(path: Path, kind: str = "", most: int = MOST_BYTES) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        kind: as of `require_file`.
        most: the most bytes that it may have.

    Raises:
        InputError: as of `require_file`, or it cannot be read.
    """
    require_file(path, kind, most)
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(f"cannot read {kind}{path}: {error.strerror}") from None


def read_table(path: Path, kind: str = "") -> bytes:
    """The content of a text file with a row a line.

    Raises:
        InputError: as of `read_bytes`, or it has more than `MOST_LINES` lines, or lines of more than a MiB.
    """
    data = read_bytes(path, kind)
    # Before parsing, since a number of one byte takes up to a hundred in memory.
    if max(data.count(b"\n"), data.count(b"\r")) > MOST_LINES:
        raise InputError(f"{path} has more than {MOST_LINES:,} lines, which no file of its kind has; give another")
    if len(data) > _LONGEST_LINE and re.search(rb"[^\r\n]{%d}" % _LONGEST_LINE, data):
        raise InputError(f"{path} has a line of more than {_LONGEST_LINE >> 20} MiB; give a file with a row a line")
    return data


def parse_json(data: bytes) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: it is not JSON, or holds more than `MOST_VALUES` values.
    """
    # Before parsing, since a value of one byte takes up to a hundred in memory.
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits. The file may be of any size.

    Raises:
        InputError: the file cannot be read.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: the file cannot be read, is larger than `MOST_BYTES`, or holds something else.
    """
    data = read_bytes(path)
    try:
        content = parse_json(data)
    except ValueError:  # not JSON, not UTF-8, or a number of thousands of digits
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; it is damaged, or another program's")
    return content


def cache_folder() -> Path:
    """The user's cache folder for this library, or the folder that ``TRACKING_ENV_CACHE`` names."""
    return Path(os.environ.get("TRACKING_ENV_CACHE") or platformdirs.user_cache_dir("tracking-env"))
