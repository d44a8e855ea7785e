"""Fetching published files: resumed where they broke off, checked, and there whole or not at all."""

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
BREAKS = 5
"""How often a connection may break without bringing anything new before the next address is tried."""
CHUNK = 1 << 18
LARGEST = 2 << 30
"""Bytes after which an address is given up where the file's size is not known: no published file has so many."""


class _NotThisOneError(Exception):
    """What an address offers is not the file."""


def fetch(file: File, folder: Path) -> Path:
    """The path of ``file`` in ``folder``, fetched first where it is not there.

    What a broken download brought stays beside it under a name of `files.PARTIAL`, for the next try to go on from.

    Raises:
        InputError: no address gives the file (no internet, say), what came is another file, or it cannot be written.
    """
    path = folder / file.name
    if path.exists():
        return path
    partial, lock = path.with_name(f"{PARTIAL}{file.name}"), folder / ".locks" / f"{file.name}.lock"
    reasons = []
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):  # of several processes that miss the file one fetches it
            for url in () if path.exists() else file.urls:
                try:
                    _complete(url, file, partial)
                    _check(file, partial)
                    partial.replace(path)
                    break
                except (_NotThisOneError, urllib.error.URLError, ValueError) as error:  # the latter: of headers
                    reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            if path.exists():
                return path
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room, or name another folder by TRACKING_ENV_CACHE"
        ) from None
    wanted = f" ({file.size} bytes)" if file.size else ""
    raise InputError(
        f"cannot fetch {file.name}{wanted}: {'; '.join(reasons) or 'no address is known'}; fetch it by hand and put it "
        f"at {path}, or give it with --weights FILE"
    )


def _complete(url: str, file: File, partial: Path) -> None:
    """Bring ``partial`` to its full length, from where it stands."""
    breaks = 0
    while True:
        begun = partial.stat().st_size if partial.exists() else 0
        if file.size is not None and begun == file.size:
            return
        try:
            if _go_on(url, file, partial, begun):
                return
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not begun:
                raise
            partial.unlink()  # longer than the file: of something else
        except (http.client.HTTPException, ConnectionError, TimeoutError):
            pass  # broke off: go on from there
        breaks = 0 if partial.exists() and partial.stat().st_size > begun else breaks + 1
        if breaks > BREAKS:
            raise _NotThisOneError("the connection breaks off again and again")


def _go_on(url: str, file: File, partial: Path, begun: int) -> bool:
    """One connection: append what it brings; whether that was all there is."""
    headers = {"User-Agent": "tracking-env"}  # some hosts refuse urllib's own
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            begun = 0  # the whole file comes again
        length = response.headers.get("Content-Length")
        total = begun + int(length) if length and length.isascii() and length.isdecimal() else None
        if file.size is not None and total is not None and total != file.size:
            raise _NotThisOneError(f"offers {total} bytes, the file has {file.size}")
        with (
            partial.open("ab" if begun else "wb") as out,
            tqdm(total=total, initial=begun, desc=file.name, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.read(CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                if out.tell() > (file.size or LARGEST):
                    raise _NotThisOneError(f"sends more than {file.size or LARGEST} bytes")
            reached = out.tell()
    return total is None or reached >= total


def _check(file: File, partial: Path) -> None:
    """Throw away what is not the file."""
    size = partial.stat().st_size
    digest = sha256(partial)
    wrong = ""
    if file.size is not None and size != file.size:
        wrong = f"came with {size} bytes, the file has {file.size}"
    elif not digest.startswith(file.sha256):
        wrong = f"came with the sha256 {digest[: len(file.sha256)]}, the file has {file.sha256}"
    if wrong:
        partial.unlink()
        raise _NotThisOneError(wrong)
