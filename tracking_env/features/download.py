"""Downloading published files: resumed after a break, verified, and never left incomplete under their name.

The bytes of one file come from one version at one address: the name of an unfinished file holds a digest of both. Where
a file's whole SHA-256 was not published, that of the first download is recorded in the cache folder, and later
downloads must have the same one.
"""

import hashlib
import http.client
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from tracking_env.errors import InputError, option
from tracking_env.features.model_zoo import TRACKERS, File
from tracking_env.files import PARTIAL, cache_folder, list_folder, sha256, write_atomically

WEB = ("https:", "http:")
TIMEOUT = 30
"""Seconds without a byte after which a connection counts as broken."""
SLOWEST = 1000
"""Bytes per second; an address that sends less, on average over `PERIOD`, is given up."""
PERIOD = 30.0
"""Seconds over which that average is taken."""
MOST_BREAKS = 5
"""How often a connection may break with less than `CHUNK` new bytes before the next address is tried."""
CHUNK = 1 << 18  # most bytes read at once
MOST_BYTES = 2 << 30
"""Most bytes that are read from an address if the file's size is not known; no published file is as large."""


class _WrongFileError(Exception):
    """An address offers something else than the file."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none to an address that anybody on the way could answer for."""

    def redirect_request(self, request: Any, fp: Any, code: int, message: str, headers: Any, url: str) -> Any:
        if not url.startswith("https:" if request.full_url.startswith("https:") else WEB):
            raise urllib.error.URLError(f"it leads to {url}")
        return super().redirect_request(request, fp, code, message, headers, url)


class _Watched(urllib.request.AbstractHTTPHandler):
    """Opens connections, and keeps their sockets in a list."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def do_open(self, http_class: Any, *args: Any, **options: Any) -> Any:
        sockets = self.sockets

        class Connection(http_class):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return super().do_open(Connection, *args, **options)


class _WatchedHTTP(_Watched, urllib.request.HTTPHandler):
    pass


class _WatchedHTTPS(_Watched, urllib.request.HTTPSHandler):
    pass


@contextmanager
def _give_up_slow(sockets: list[socket.socket], begun: int, count: Callable[[], int]) -> Iterator[None]:
    """Close connections over which too few bytes of the file come.

    A look at the bytes that are read would not do: a host may send headers, redirects or trailers without end.

    Args:
        sockets: those that are open.
        begun: the number of bytes that were there before.
        count: the number of bytes of the file so far.

    Raises:
        URLError: the connection was closed.
    """
    ended, slow = threading.Event(), threading.Event()

    def watch() -> None:
        before = begun
        while not ended.wait(PERIOD):
            try:
                now = count()
            except OSError:  # the file was dropped, or got its name, at this moment
                continue
            if now - before < SLOWEST * PERIOD:
                slow.set()
                for connection in sockets:
                    with suppress(OSError):
                        # Not the method of an SSL socket, which another thread is reading.
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)
            before = now

    threading.Thread(target=watch, daemon=True).start()
    error = urllib.error.URLError(f"sends less than {SLOWEST} bytes per second")
    try:
        yield
    except (OSError, http.client.HTTPException):
        if slow.is_set():
            raise error from None
        raise
    finally:
        ended.set()
    if slow.is_set():
        raise error


def find_downloaded(tracker: str, name: str) -> list[Path]:
    """The downloaded files of a tracker.

    Args:
        tracker: its name, for the error message.
        name: a key of `model_zoo.TRACKERS`.

    Raises:
        InputError: a file is missing.
    """
    folder = cache_folder() / "weights"
    paths = [folder / file.name for file in TRACKERS[name]]
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"{tracker} needs {path.name}, which is not in {folder}; type: tracking-env download {name}, or give "
                f"the folder of its files with {option('weights')}"
            )
    return paths


def find_in_folder(tracker: str, name: str, folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a tracker in a folder, which may also hold those of other trackers.

    Args:
        tracker: its name, for the error message.
        name: a key of `model_zoo.TRACKERS`.
        folder: the folder.
        patterns: of the names of its files, for files that were published or renamed otherwise.

    Raises:
        InputError: a file is missing, or several files fit.
    """
    paths = []
    for file, pattern in zip(TRACKERS[name], patterns, strict=True):
        matching = list_matching(folder, file.name, pattern)
        if len(matching) != 1:
            raise InputError(
                f"{folder} holds {len(matching)} files {pattern}, {tracker} needs one; type: tracking-env download "
                f"{name}, or give its files by name with {option('weights')}"
            )
        paths += matching
    return paths


def list_matching(folder: Path, name: str, pattern: str) -> list[Path]:
    """The file of this name in a folder; without it, the files that match a pattern."""
    downloaded = folder / name
    return [downloaded] if downloaded.is_file() else list_folder(folder, pattern)


def fetch(file: File, folder: Path) -> Path:
    """Download a file to a folder unless it is there, and return its path.

    A download that breaks off leaves its bytes beside the path, under a name with `files.PARTIAL`. The next call
    continues from there.

    Raises:
        InputError: no address gives the file (there is no internet connection, for example), the content is wrong or
            another one than at the first download, or the file cannot be written.
    """
    if Path(file.name).name != file.name:
        raise InputError(f"{file.name!r} is no name of a file in {folder}; give a name without folders")
    path = folder / file.name
    if path.exists():
        return path
    lock = folder / ".locks" / f"{file.name}.lock"
    # Without a digest nothing shows that two addresses have the same file.
    urls = file.urls if file.sha256 else file.urls[:1]
    reasons = []
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):  # of several processes that need the file, one downloads it
            # Another process may have downloaded it while this one waited.
            for url in () if path.exists() else urls:
                try:
                    partial = _download(url, file, folder)
                    _verify(file, partial)
                    partial.replace(path)
                    break
                except (_WrongFileError, urllib.error.URLError, ValueError) as error:  # ValueError: malformed headers
                    if isinstance(error, _WrongFileError):
                        _drop(_partials(file, folder))
                    reason = getattr(error, "reason", None) or error
                    reasons.append(f"{url}: {' '.join(str(reason).split())}")
            if path.exists():
                return path
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room, or name another folder by TRACKING_ENV_CACHE"
        ) from None
    size = f" ({file.size} bytes)" if file.size else ""
    raise InputError(
        f"cannot fetch {file.name}{size}: {'; '.join(reasons) or 'no address is known'}; fetch it by hand and put it "
        f"at {path}, or give it with {option('weights')}"
    )


def _partials(file: File, folder: Path) -> list[Path]:
    """The unfinished downloads of a file, at most one unless somebody else wrote another."""
    pattern = re.compile(rf"{re.escape(PARTIAL)}[0-9a-f]{{8}}-{re.escape(file.name)}")
    return [path for path in folder.iterdir() if pattern.fullmatch(path.name)]


def _drop(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def _download(url: str, file: File, folder: Path) -> Path:
    """The unfinished file at its full length, with a new connection after each break."""
    breaks = most = 0
    while True:
        partial = next(iter(_partials(file, folder)), None)
        begun = partial.stat().st_size if partial else 0
        if partial and begun == file.size:
            return partial
        most = max(most, begun)
        try:
            partial, complete = _append(url, file, folder, partial, begun)
            if complete:
                return partial
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not partial:
                raise
            partial.unlink()  # it is longer than the file, so it belongs to something else
        except (http.client.HTTPException, ConnectionError, TimeoutError):
            pass  # the connection broke: continue with another one
        # A connection that brought bytes was worth it, however often it breaks. Bytes that were dropped and came again
        # do not count, or an address could send them for ever.
        size = sum(path.stat().st_size for path in _partials(file, folder))
        breaks = 0 if size >= most + CHUNK else breaks + 1
        if breaks > MOST_BREAKS:
            raise urllib.error.URLError("the connection breaks off again and again")


def _append(url: str, file: File, folder: Path, partial: Path | None, begun: int) -> tuple[Path, bool]:
    """Append what one connection brings to the ``begun`` bytes that are there.

    Returns:
        The unfinished file, and whether it is complete.
    """
    headers = {"User-Agent": "tracking-env"}  # some hosts refuse urllib's own
    if begun:
        headers["Range"] = f"bytes={begun}-"
    if not url.startswith(WEB):
        raise _WrongFileError("it is no address of the web")
    sockets: list[socket.socket] = []
    opener = urllib.request.build_opener(_SafeRedirects, _WatchedHTTP(sockets), _WatchedHTTPS(sockets))
    with (
        _give_up_slow(sockets, begun, lambda: sum(path.stat().st_size for path in _partials(file, folder))),
        opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response,
    ):
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        source = hashlib.sha256(f"{url} {version}".encode()).hexdigest()[:8]
        target = folder / f"{PARTIAL}{source}-{file.name}"
        # Bytes of another address or version do not belong to this file.
        stale = [path for path in _partials(file, folder) if path != target]
        _drop(stale)
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            if partial in stale:
                return target, False  # connect again, for the whole file
            _check_range(response.headers.get("Content-Range"), file, begun)
        else:
            begun = 0  # the host ignores the range and sends the whole file
        length = response.headers.get("Content-Length")
        total = begun + int(length) if length and length.isascii() and length.isdecimal() else None
        most = file.size or MOST_BYTES
        if total is not None and (total > most or file.size not in (None, total)):
            raise _WrongFileError(f"offers {total} bytes, the file has {file.size or f'at most {most}'}")
        with (
            target.open("ab" if begun else "wb") as out,
            tqdm(total=total, initial=begun, desc=file.name, unit="B", unit_scale=True, disable=None) as bar,
        ):
            # `read1` returns what has come; `read` would wait until a slow host has sent the whole chunk.
            while chunk := response.read1(CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                if out.tell() > most:
                    raise _WrongFileError(f"sends more than {most} bytes")
            reached = out.tell()
    # Without a stated length, `_verify` tells whether the file is whole.
    return target, total is None or reached >= total


def _check_range(content_range: str | None, file: File, begun: int) -> None:
    """See that the part that a host sends is the one that was asked for: from ``begun`` to the file's end."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", (content_range or "").strip(), re.ASCII)
    if not match:
        raise _WrongFileError(f"sends a part without saying which: Content-Range is {content_range!r}"[:200])
    first, last, total = match.groups()
    expected = file.size if file.size is not None else int(total) if total != "*" else int(last) + 1
    if int(first) != begun or int(last) + 1 != expected or total not in (str(expected), "*"):
        raise _WrongFileError(f"sends {match[0]}, wanted what follows the first {begun} of {expected} bytes")


def _verify(file: File, partial: Path) -> None:
    """Raise an error if the partial file is not the file, which says why; record its digest if none was published."""
    size, digest = partial.stat().st_size, sha256(partial)
    record = cache_folder() / "sha256" / file.name
    recorded = record.read_text(encoding="ascii", errors="replace").strip() if record.exists() else ""
    problem = ""
    if file.size is not None and size != file.size:
        problem = f"came with {size} bytes, the file has {file.size}"
    # Of some files only the first digits are published.
    elif not digest.startswith(file.sha256):
        problem = f"came with the sha256 {digest[: len(file.sha256)]}, the file has {file.sha256}"
    elif len(file.sha256) < len(digest) and recorded not in ("", digest):
        problem = f"came with the sha256 {digest}, the first download had {recorded} (delete {record} to take this one)"
    if problem:
        raise _WrongFileError(problem)
    if len(file.sha256) < len(digest) and not recorded:
        with write_atomically(record) as new:
            new.write_text(f"{digest}\n", encoding="ascii")
