"""Features on disk, extracted once per sequence.

A store is a folder for one extractor::

    store.json                   the header: format, extractor, dim, dtype
    NAME-FINGERPRINT.npy         the features of a sequence, (T, D) float16
    NAME-FINGERPRINT.json        their origin: extractor, sequence, fingerprint, frames
    .partial-..., .locks/        sequences that are being extracted
"""

import io
import json
import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from tracking_env.datasets import prefetch
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError, first_line, option
from tracking_env.features.base import Extractor
from tracking_env.files import (
    PARTIAL,
    cache_folder,
    is_used_for_something_else,
    read_json,
    require_file,
    write_atomically,
)

logger = logging.getLogger(__name__)
DTYPE = np.dtype("<f2")
FEATURE_LIMIT = float(np.finfo(DTYPE).max)
"""Largest float16, to which larger features are clipped."""


class Extracted(NamedTuple):
    """What a call of `FeatureStore.build` extracted, and the seconds that it took."""

    sequences: int
    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames per second, with decoding and writing; 0 if nothing was missing."""
        return self.frames / self.seconds if self.frames else 0.0


class FeatureStore:
    """Features of sequences in a folder, as memory-mapped arrays ``(T, D)`` float16; missing ones are extracted.

    Several processes may use and build one store: one of them extracts a sequence while the others take the next ones.
    If a process dies, the next one continues from its last finished batch.

    Args:
        extractor: the extractor of all its features.
        folder: the store's folder, created if necessary; by default one named after the extractor in the cache folder.
        jobs: number of threads that decode frames; by default `prefetch.default_jobs`.

    Raises:
        InputError: the folder holds another extractor's features or other files, or cannot be written to.

    Example::

        store = FeatureStore(make_extractor("grid"))
        store[sequence]  # (T, 1536) float16
    """

    HEADER = "store.json"
    FORMAT = 2
    BATCH = 16  # frames per call of the extractor; with more, a CPU spends its time on fresh memory pages

    def __init__(self, extractor: Extractor, folder: Path | None = None, jobs: int | None = None) -> None:
        self.extractor = extractor
        self.folder = folder or cache_folder() / "features" / extractor.id
        self.jobs = prefetch.default_jobs() if jobs is None else jobs
        self._announced = False
        header = self.folder / self.HEADER
        expected = {"format": self.FORMAT, "extractor": extractor.id, "dim": extractor.dim, "dtype": DTYPE.name}
        if is_used_for_something_else(self.folder, self.HEADER):
            raise InputError(
                f"{self.folder} is not a feature store and not empty; give another folder with {option('store')}"
            )
        if header.exists():
            self._check_header(_read(header, self.folder), expected)
        else:
            _write_json(header, expected)

    def __getitem__(self, sequence: Sequence) -> np.ndarray:
        """Features of a sequence, ``(T, D)`` float16, as a read-only memory map; extracted first if they are missing.

        The file's name has the fingerprint of the frames, so changed frames never get old features.

        Raises:
            InputError: the file is damaged or belongs to other frames, a frame does not decode, or the disk is full.
        """
        if not self.has(sequence):
            if not self._announced:
                # A network takes minutes for a long video: without this line the reset of an environment seems to hang.
                logger.warning(
                    "extracting features when they are first needed: now of %s, %d frames. They are kept in %s",
                    *(sequence.name, len(sequence), self.folder),
                )
                self._announced = True
            self.build([sequence], progress=False)
        path = self._path(sequence)
        require_file(path, "the features ")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy would repair a header that it takes for Python 2's
                # Not np.load, which would also read an archive or a pickle.
                features = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, TokenError, Warning) as error:
            raise InputError(f"cannot read the features {path}: {first_line(error)}; delete the file") from None
        shape = (len(sequence), self.extractor.dim)
        if (features.shape, features.dtype) != (shape, DTYPE):
            raise InputError(f"{path} holds {features.shape} {features.dtype}, expected {shape} {DTYPE}; delete it")
        return features

    def has(self, sequence: Sequence) -> bool:
        """Whether the store has the features of these frames.

        Raises:
            InputError: the file in their place was made from something else.
        """
        path = self._path(sequence)
        if not path.exists():
            return False
        # The record is written before the file gets its name, so a file without one was not written by this class.
        record = path.with_suffix(".json")
        if not record.exists():
            raise InputError(f"{path} is of unknown origin: there is no {record.name} beside it; delete it")
        origin = _read(record, path)
        for key, expected in self._origin(sequence).items():
            if origin.get(key) != expected:
                raise InputError(f"{path} was made from {key} {origin.get(key)!r}, not {expected!r}; delete it")
        return True

    def build(self, sequences: Iterable[Sequence], progress: bool = True) -> Extracted:
        """Extract the features that are missing. A sequence's file is complete as soon as it has its name.

        Args:
            sequences: those that the store has are skipped.
            progress: whether to show a bar with frames per second and the time left, on a terminal.

        Raises:
            InputError: a frame does not decode, or the disk is full; sequences extracted before stay in the store.
        """
        begun = time.perf_counter()
        missing = [sequence for sequence in sequences if not self.has(sequence)]
        total = sum(map(len, missing))
        hidden = None if total and progress else True  # None: shown on a terminal only
        extracted = []
        with tqdm(total=total, desc=f"features {self.extractor.id}", unit="frame", disable=hidden) as bar:
            # First skip sequences that other processes are extracting, then wait for them.
            for wait in (False, True):
                skipped = []
                for sequence in missing:
                    frames = self._extract(sequence, bar, wait)
                    if frames is None:
                        skipped.append(sequence)
                    else:
                        extracted.append(frames)
                missing = skipped
        return Extracted(sum(frames > 0 for frames in extracted), sum(extracted), time.perf_counter() - begun)

    def _path(self, sequence: Sequence) -> Path:
        return self.folder / f"{sequence.name}-{sequence.frames.fingerprint}.npy"

    def _origin(self, sequence: Sequence) -> dict[str, Any]:
        return {
            "extractor": self.extractor.id,
            "sequence": sequence.name,
            "fingerprint": sequence.frames.fingerprint,
            "frames": len(sequence),
        }

    def _check_header(self, header: dict[str, Any], expected: dict[str, Any]) -> None:
        # Another extractor comes first: it explains why dim differs too.
        different = [key for key in expected if header.get(key) != expected[key]]
        if "extractor" in different:
            raise InputError(
                f"the feature store {self.folder} holds features of {header.get('extractor')!r}, not of "
                f"{expected['extractor']!r}; give another folder with {option('store')}"
            )
        if different:
            key = different[0]
            raise InputError(
                f"the feature store {self.folder} of {expected['extractor']!r} has {key} {header.get(key)!r}, not "
                f"{expected[key]!r}; delete it, or give another folder with {option('store')}"
            )

    def _extract(self, sequence: Sequence, bar: Any, wait: bool) -> int | None:
        """Extract a sequence.

        Args:
            sequence: the sequence.
            bar: the progress bar, which is advanced by its frames.
            wait: what to do if another process extracts it: wait for the end, or return at once.

        Returns:
            Number of frames that this process extracted; None if another process is extracting the sequence.
        """
        path = self._path(sequence)
        lock = FileLock(self.folder / ".locks" / f"{path.stem}.lock")
        with _writing(path):
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                return None
        try:
            if self.has(sequence):  # another process has extracted it meanwhile
                bar.total -= len(sequence)
                return 0
            return self._extract_locked(sequence, path, bar)
        finally:
            lock.release()

    def _extract_locked(self, sequence: Sequence, path: Path, bar: Any) -> int:
        shape = len(sequence), self.extractor.dim
        partial = path.with_name(f"{PARTIAL}{path.name}")
        try:
            with _writing(path):
                start = _begin(partial, shape, self.BATCH)
            bar.total -= start
            parts = [range(i, min(i + self.BATCH, len(sequence))) for i in range(start, len(sequence), self.BATCH)]
            with closing(
                prefetch.decode_batches(sequence.frames, parts, self.jobs, self.extractor.prepare)
            ) as prepared:
                for part, frames in zip(parts, prepared, strict=True):
                    rows = np.clip(self.extractor(frames), -FEATURE_LIMIT, FEATURE_LIMIT).astype(DTYPE)
                    if rows.shape != (len(part), self.extractor.dim):
                        raise InputError(
                            f"the extractor {self.extractor.id} returned {rows.shape} for {len(part)} frames, wanted "
                            f"{(len(part), self.extractor.dim)}"
                        )
                    with _writing(path):
                        _append(partial, rows.tobytes())
                    bar.update(len(part))
            with _writing(path), partial.open("r+b") as file:
                os.fsync(file.fileno())  # on the disk before it gets its name; a late write error shows here
            size = dict(zip(("width", "height"), sequence.size, strict=True))
            _write_json(path.with_suffix(".json"), self._origin(sequence) | {"dataset": sequence.dataset} | size)
            with _writing(path):
                partial.replace(path)  # last, so that a file of this name is complete and has its record
        except Exception:  # not KeyboardInterrupt: after Ctrl-C, as after a kill, the next call continues
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        return len(sequence) - start


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot write {path}: {reason}; make room there, or give another folder with {option('store')}"
        ) from None


def _begin(partial: Path, shape: tuple[int, int], batch: int) -> int:
    """Create a partial file, or cut the one of an interrupted process to whole batches; return its number of rows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": DTYPE.str, "fortran_order": False, "shape": shape})
    head = stream.getvalue()
    row = shape[1] * DTYPE.itemsize
    with partial.open("a+b", buffering=0) as file:
        file.seek(0)
        known = file.read(len(head)) == head
        rows = (partial.stat().st_size - len(head)) // row if known else 0
        rows -= rows % batch  # the same batches as without the interruption, since sums may depend on them
        file.truncate(len(head) + rows * row if known else 0)
    if not known:
        _append(partial, head)
    return rows


def _append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]  # a disk that is nearly full writes a part


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with _writing(path), write_atomically(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read(path: Path, owner: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except InputError:
        raise InputError(f"cannot read {path}, the record of the features; delete {owner}") from None
