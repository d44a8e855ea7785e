"""Downloading published files: resumed after a break, verified, and never left incomplete under their name."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from tracking_env.errors import InputError
from tracking_env.features.model_zoo import File
from tracking_env.files import PARTIAL, sha256

TIMEOUT = 30
"""Seconds without a byte after which a connection counts as broken."""
MOST_BREAKS = 5
"""How often a connection may break without any new bytes before the next address is tried."""
CHUNK = 1 << 18  # bytes read at once
MOST_BYTES = 2 << 30
"""Most bytes that are read from an address if the file's size is not known; no published file is as large."""


class _WrongFileError(Exception):
    """An address offers something else than the file."""


def fetch(file: File, folder: Path) -> Path:
    """Download a file to a folder unless it is there, and return its path.

    A download that breaks off leaves its bytes beside the path, under a name with `files.PARTIAL`. The next call
    continues from there.

    Raises:
        InputError: no address gives the file (there is no internet connection, for example), the content is wrong, or
            the file cannot be written.
    """
    path = folder / file.name
    if path.exists():
        return path
    partial, lock = path.with_name(f"{PARTIAL}{file.name}"), folder / ".locks" / f"{file.name}.lock"
    reasons = []
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):  # of several processes that need the file, one downloads it
            # Another process may have downloaded it while this one waited.
            for url in () if path.exists() else file.urls:
                try:
                    _download(url, file, partial)
                    _verify(file, partial)
                    partial.replace(path)
                    break
                except (_WrongFileError, urllib.error.URLError, ValueError) as error:  # ValueError: malformed headers
                    reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            if path.exists():
                return path
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room, or name another folder by TRACKING_ENV_CACHE"
        ) from None
    size = f" ({file.size} bytes)" if file.size else ""
    raise InputError(
        f"cannot fetch {file.name}{size}: {'; '.join(reasons) or 'no address is known'}; fetch it by hand and put it "
        f"at {path}, or give it with --weights FILE"
    )


def _download(url: str, file: File, partial: Path) -> None:
    """Bring the partial file to its full length, with a new connection after each break."""
    breaks = 0
    while True:
        begun = partial.stat().st_size if partial.exists() else 0
        if file.size is not None and begun == file.size:
            return
        try:
            if _append(url, file, partial, begun):
                return
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not begun:
                raise
            partial.unlink()  # it is longer than the file, so it belongs to something else
        except (http.client.HTTPException, ConnectionError, TimeoutError):
            pass  # the connection broke: continue with another one
        # A connection that brought bytes was worth it, however often it breaks.
        breaks = 0 if partial.exists() and partial.stat().st_size > begun else breaks + 1
        if breaks > MOST_BREAKS:
            raise _WrongFileError("the connection breaks off again and again")


def _append(url: str, file: File, partial: Path, begun: int) -> bool:
    """Append what one connection brings to the ``begun`` bytes that are there; return whether the file is complete."""
    headers = {"User-Agent": "tracking-env"}  # some hosts refuse urllib's own
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            begun = 0  # the host ignores the range and sends the whole file
        length = response.headers.get("Content-Length")
        total = begun + int(length) if length and length.isascii() and length.isdecimal() else None
        if file.size is not None and total is not None and total != file.size:
            raise _WrongFileError(f"offers {total} bytes, the file has {file.size}")
        with (
            partial.open("ab" if begun else "wb") as out,
            tqdm(total=total, initial=begun, desc=file.name, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.read(CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                if out.tell() > (file.size or MOST_BYTES):
                    raise _WrongFileError(f"sends more than {file.size or MOST_BYTES} bytes")
            reached = out.tell()
    # Without a stated length, `_verify` tells whether the file is whole.
    return total is None or reached >= total


def _verify(file: File, partial: Path) -> None:
    """Delete a partial file that is not the file, and raise an error that says why."""
    size, digest = partial.stat().st_size, sha256(partial)
    problem = ""
    if file.size is not None and size != file.size:
        problem = f"came with {size} bytes, the file has {file.size}"
    # Of some files only the first digits are published.
    elif not digest.startswith(file.sha256):
        problem = f"came with the sha256 {digest[: len(file.sha256)]}, the file has {file.sha256}"
    if problem:
        partial.unlink()
        raise _WrongFileError(problem)
