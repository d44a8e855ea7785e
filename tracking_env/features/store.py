"""Features on disk: what an extractor made of each sequence's frames, extracted once.

A store is a folder of one extractor::

    store.json                   the header: format, extractor, dim, dtype
    NAME-FINGERPRINT.npy         the features of a sequence, (T, D) float16
    NAME-FINGERPRINT.json        what they were made from
    .partial-..., .locks/        of sequences under way
"""

import io
import json
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
from tracking_env.errors import InputError, first_line
from tracking_env.features.base import Extractor
from tracking_env.files import PARTIAL, cache_folder, read_json, whole

DTYPE = np.dtype("<f2")
FEATURE_LIMIT = float(np.finfo(DTYPE).max)
"""Features are kept as float16: larger values are clipped to it."""


class Built(NamedTuple):
    """What one call of `FeatureStore.build` extracted."""

    sequences: int
    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames per second, decoding and writing included; 0 where nothing was missing."""
        return self.frames / self.seconds if self.frames else 0.0


class FeatureStore:
    """A memory-mapped array ``(T, D)`` float16 per sequence, extracted where it is missing.

    Several processes may use and build one store: each sequence is extracted by one of them while the others go on with
    the next. A process that dies leaves its finished batches, from which the next one goes on.

    Args:
        extractor: what fills it.
        folder: made if it is not there. By default a folder of this extractor in the cache folder.
        jobs: number of threads that decode frames, by default `prefetch.default_jobs`.

    Raises:
        InputError: the folder holds another extractor's features, or something else, or cannot be written to.
    """

    HEADER = "store.json"
    FORMAT = 2
    BATCH = 16  # frames given to the extractor at once; with more, a CPU spends its time on fresh memory pages

    def __init__(self, extractor: Extractor, folder: Path | None = None, jobs: int | None = None) -> None:
        self.extractor = extractor
        self.folder = folder or cache_folder() / "features" / extractor.id
        self.jobs = prefetch.default_jobs() if jobs is None else jobs
        header = self.folder / self.HEADER
        wanted = {"format": self.FORMAT, "extractor": extractor.id, "dim": extractor.dim, "dtype": DTYPE.name}
        if header.exists():
            self._check_header(_read(header, self.folder), wanted)
        else:
            if self.folder.is_dir() and not all(one.name.startswith(PARTIAL) for one in self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not a feature store and not empty; give another folder with --store"
                )
            _write_json(header, wanted)

    def __getitem__(self, sequence: Sequence) -> np.ndarray:
        """Features of a sequence: ``(T, D)`` float16, a read-only memory map; extracted first where they are not kept.

        The file's name holds the frames' fingerprint, so that changed frames never meet old features.

        Raises:
            InputError: what is kept is damaged or of other frames, a frame does not decode, or the disk is full.
        """
        if not self.has(sequence):
            self.build([sequence], progress=False)
        path = self._path(sequence)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy would mend a header that it takes for Python 2's
                # Not np.load, which takes what it finds: archives too.
                features = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError, OSError, OverflowError, MemoryError, SyntaxError, TokenError, Warning) as error:
            raise InputError(f"cannot read the features {path}: {first_line(error)}; delete the file") from None
        wanted = (len(sequence), self.extractor.dim)
        if (features.shape, features.dtype) != (wanted, DTYPE):
            found = f"{features.shape} {features.dtype}"
            raise InputError(f"{path} holds {found}, wanted {wanted} {DTYPE}; delete it")
        return features

    def has(self, sequence: Sequence) -> bool:
        """Whether the features of these very frames are kept.

        Raises:
            InputError: there is a file in their place that was made from something else.
        """
        path = self._path(sequence)
        if not path.exists():
            return False
        record = path.with_suffix(".json")
        if not record.exists():
            raise InputError(f"{path} is of unknown origin: there is no {record.name} beside it; delete it")
        found = _read(record, path)
        for key, wanted in self._origin(sequence).items():
            if found.get(key) != wanted:
                raise InputError(f"{path} was made from {key} {found.get(key)!r}, not {wanted!r}; delete it")
        return True

    def build(self, sequences: Iterable[Sequence], progress: bool = True) -> Built:
        """Extract what is missing; a sequence gets its name whole or not at all.

        Args:
            sequences: those that are kept are passed over.
            progress: show a bar with frames per second and time left, on a terminal.

        Raises:
            InputError: a frame does not decode, or the disk is full; the sequences before it are kept.
        """
        begun = time.perf_counter()
        missing = [one for one in sequences if not self.has(one)]
        total = sum(map(len, missing))
        hidden = None if total and progress else True  # None: hidden but on a terminal
        extracted = []
        with tqdm(total=total, desc=f"features {self.extractor.id}", unit="frame", disable=hidden) as bar:
            for wait in (False, True):  # what other processes are at is left to them, and looked at again in the end
                left = []
                for sequence in missing:
                    frames = self._extract(sequence, bar, wait)
                    if frames is None:
                        left.append(sequence)
                    else:
                        extracted.append(frames)
                missing = left
        return Built(sum(frames > 0 for frames in extracted), sum(extracted), time.perf_counter() - begun)

    def _path(self, sequence: Sequence) -> Path:
        return self.folder / f"{sequence.name}-{sequence.frames.fingerprint}.npy"

    def _origin(self, sequence: Sequence) -> dict[str, Any]:
        return {
            "extractor": self.extractor.id,
            "sequence": sequence.name,
            "fingerprint": sequence.frames.fingerprint,
            "frames": len(sequence),
        }

    def _check_header(self, found: dict[str, Any], wanted: dict[str, Any]) -> None:
        different = [key for key in wanted if found.get(key) != wanted[key]]
        if "extractor" in different:
            raise InputError(
                f"the feature store {self.folder} holds features of {found.get('extractor')!r}, not of "
                f"{wanted['extractor']!r}; give another folder with --store"
            )
        if different:
            key = different[0]
            raise InputError(
                f"the feature store {self.folder} of {wanted['extractor']!r} has {key} {found.get(key)!r}, not "
                f"{wanted[key]!r}; delete it, or give another folder with --store"
            )

    def _extract(self, sequence: Sequence, bar: Any, wait: bool) -> int | None:
        """Extract one sequence, unless another process does: then wait for it, or return None.

        Returns:
            Number of frames that were extracted here.
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
            if self.has(sequence):  # by another process, since it was looked for
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
                    rows = np.empty((len(part), self.extractor.dim), DTYPE)
                    rows[:] = np.clip(self.extractor(frames), -FEATURE_LIMIT, FEATURE_LIMIT)
                    with _writing(path):
                        _append(partial, rows.tobytes())
                    bar.update(len(part))
            with _writing(path), partial.open("r+b") as file:
                os.fsync(file.fileno())  # before the name, in case the machine goes down; a late error shows here
            size = dict(zip(("width", "height"), sequence.size, strict=True))
            _write_json(path.with_suffix(".json"), self._origin(sequence) | {"dataset": sequence.dataset} | size)
            with _writing(path):
                partial.replace(path)  # last: a file of this name is whole, and says what it was made from
        except Exception:  # but not Ctrl-C: then the next one goes on, as after a kill
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
            f"cannot write {path}: {reason}; make room there, or give another folder with --store"
        ) from None


def _begin(partial: Path, shape: tuple[int, int], batch: int) -> int:
    """Make the file, or keep the whole batches of one that was broken off; returns the number of rows it then has."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": DTYPE.str, "fortran_order": False, "shape": shape})
    head = stream.getvalue()
    row = shape[1] * DTYPE.itemsize
    with partial.open("a+b", buffering=0) as file:
        file.seek(0)
        known = file.read(len(head)) == head
        rows = (partial.stat().st_size - len(head)) // row if known else 0
        rows -= rows % batch  # the same batches as without the break: sums may depend on them
        file.truncate(len(head) + rows * row if known else 0)
    if not known:
        _append(partial, head)
    return rows


def _append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]  # a disk that is nearly full takes a part


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with _writing(path), whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read(path: Path, owner: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except InputError:
        raise InputError(f"{path}, which says what the features are, does not read; delete {owner}") from None
