"""Darknet's two file formats: a ``.cfg`` lists the layers, a ``.weights`` file holds their numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracking_env.errors import InputError
from tracking_env.files import read_table, sha256

Section = dict[str, str]
"""A section of a cfg: its options as text, and its name under ``type``."""


@dataclass(frozen=True)
class Weights:
    """The content of a weights file.

    Attributes:
        numbers: all numbers after the header, float32; a memory map.
        transposed: whether matrices of connected layers are stored as ``(in, out)`` instead of ``(out, in)``.
        sha256: of the whole file, 64 hexadecimal digits.
    """

    numbers: np.ndarray
    transposed: bool
    sha256: str


def read_cfg(path: Path) -> list[Section]:
    """Read the sections of a cfg file, in order; the first is ``[net]``.

    Raises:
        InputError: the file is missing or is no cfg.
    """
    try:
        # Comments may be in any encoding; options are ASCII.
        text = read_table(path, "the darknet cfg ").decode(errors="replace")
    except InputError as error:
        raise InputError(f"{error}; put it beside its weights") from None
    sections: list[Section] = []
    for number, line in enumerate((line.split("#")[0].strip() for line in text.splitlines()), start=1):
        if line.startswith("["):
            sections.append({"type": line.strip("[]")})
        elif line:
            key, equals, value = line.partition("=")
            if not equals or not sections:
                raise InputError(f"{path}, line {number}: got {line[:40]!r}, expected [section] or key=value")
            sections[-1][key.strip()] = value.strip()
    if not sections or sections[0]["type"] not in ("net", "network"):
        raise InputError(f"{path} is no darknet cfg: it does not begin with [net]")
    return sections


def read_weights(path: Path) -> Weights:
    """Read a weights file: ``major, minor, revision`` (int32), images ``seen`` (int32 or int64), then the numbers.

    Raises:
        InputError: the file is missing, is too short to be one, or ends within a number.
    """
    digest = sha256(path)
    length = path.stat().st_size
    if length < 20:
        raise InputError(f"{path} is no darknet weights file: {length} bytes, the header alone takes 16 or 20")
    major, minor, _ = np.fromfile(path, "<i4", count=3).tolist()
    start = 20 if major * 10 + minor >= 2 and major < 1000 and minor < 1000 else 16  # `seen` grew to 64 bits
    if (length - start) % 4:
        raise InputError(f"{path} is truncated: {length} bytes are no whole number of float32 after the header")
    # A memory map, since the largest file has a gigabyte, of which a network may leave half unused.
    numbers = np.memmap(path, "<f4", mode="r", offset=start) if length > start else np.empty(0, "<f4")
    # darknet itself reads versions above 1000 as a sign of transposed matrices.
    return Weights(numbers, major > 1000 or minor > 1000, digest)
