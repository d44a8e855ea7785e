"""Reading MAT-files of level 5, which MATLAB saves by default and with ``-v7``: the part that results need.

SciPy reads more, but trusts the sizes in a file: one wrong byte can crash the process. Here every size is checked
against the bytes in the file. Source: "MAT-File Format", The MathWorks.
"""

import math
import struct
import zlib
from typing import Any

import numpy as np

from tracking_env.files import MOST_VALUES

_DEPTH = 8  # levels of nesting that are read; a file of results has 3
_DIMENSIONS = 4 * 32  # bytes of an array's sizes that are read; NumPy has no more dimensions
_UTF16, _MATRIX, _COMPRESSED = 4, 14, 15  # types of data elements
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)  # classes of arrays
_IS_COMPLEX = 0x800  # in an array's flags


def parse(data: bytes, limit: int) -> dict[str, Any]:
    """The variables in a file, by name.

    A cell becomes a list, a struct a dict (or a list of dicts) and text a ``str``. A number becomes a ``float`` or
    ``complex``, several numbers an array of their shape.

    Args:
        data: the content of the file.
        limit: largest number of bytes after unpacking.

    Raises:
        ValueError: with a reason of one line: the content is broken, of another level, holds an array of another class
            (sparse, object, function), unpacks to more than ``limit`` bytes, or holds more than `MOST_VALUES` values.
    """
    # The header's last four bytes: the version, 0x0100, and how the letters MI come out in the file's byte order.
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack(f"{order}H", data[124:126]) != (0x100,):
        raise ValueError("not a MAT-file of level 5")
    try:
        return _Reader(order).variables(data[128:], limit)
    except (TypeError, IndexError, struct.error, zlib.error):
        raise ValueError("broken") from None


class _Reader:
    """Reads the elements of one file.

    Args:
        order: byte order, ``<`` or ``>``.
    """

    def __init__(self, order: str) -> None:
        self.order = order
        self.values_left = MOST_VALUES

    def variables(self, data: bytes, limit: int) -> dict[str, Any]:
        variables: dict[str, Any] = {}
        left = limit
        for kind, body in self.elements(data):
            if kind == _COMPRESSED:
                # One byte more than allowed is enough to see that it is too much.
                body = zlib.decompressobj().decompress(body, left + 1)
            left -= len(body)
            if left < 0:  # checked while unpacking: a small file can unpack to any size
                raise ValueError(f"larger than {limit >> 20} MiB when unpacked")
            for inner, content in self.elements(body) if kind == _COMPRESSED else [(kind, body)]:
                if inner == _MATRIX:
                    name, value = self.array(content)
                    variables[name] = value
        return variables

    def array(self, body: bytes, depth: int = 0) -> tuple[str, Any]:
        """Name and value of an array. Its sizes are checked against the elements that it has."""
        if depth > _DEPTH:
            raise ValueError(f"more than {_DEPTH} levels deep")
        if not body:
            return "", np.empty((0, 0))
        (_, flags), (_, dimensions), (_, name), *content = self.elements(body)
        word = struct.unpack_from(f"{self.order}I", flags)[0]
        kind, shape = word & 0xFF, np.frombuffer(dimensions[:_DIMENSIONS], f"{self.order}i4").tolist()
        value: Any
        if kind == _CELL:
            value = self.arrays(content, math.prod(shape), depth)
        elif kind == _STRUCT:
            (_, length), (_, text), *content = content
            width = struct.unpack_from(f"{self.order}i", length)[0]
            if width < 1:
                raise ValueError("a struct without fields")
            self.take(-(-len(text) // width))
            keys = [text[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(text), width)]
            values = self.arrays(content, math.prod(shape) * len(keys), depth)
            # The fields of all structs of an array follow one another.
            rows = [dict(zip(keys, values[at:], strict=False)) for at in range(0, len(values), len(keys) or 1)]
            value = rows[0] if len(rows) == 1 else rows
        elif kind == _CHAR:
            self.take(sum(len(text) for _, text in content))
            value = "".join(
                text.decode("utf-8" if code != _UTF16 else f"utf-16-{'l' if self.order == '<' else 'b'}e", "replace")
                for code, text in content
            )
        elif kind in _NUMERIC:
            value = self.numbers(content, shape, bool(word & _IS_COMPLEX))
        else:
            raise ValueError(f"arrays of class {kind} are not read")
        return name.decode("latin-1"), value

    def numbers(self, content: list[tuple[int, bytes]], shape: list[int], is_complex: bool) -> Any:
        parts = [np.frombuffer(part, self.order + _NUMBERS.get(code, "")) for code, part in content]
        self.take(sum(part.size for part in parts))
        parts = [part.astype(np.float64) for part in parts]
        value = parts[0] + 1j * parts[1] if is_complex and len(parts) > 1 else parts[0]
        # MATLAB stores arrays column by column.
        return value.item() if value.size == 1 else value.reshape(shape, order="F")

    def arrays(self, content: list[tuple[int, bytes]], count: int, depth: int) -> list[Any]:
        if count != len(content) or any(kind != _MATRIX for kind, _ in content):
            raise ValueError(f"{len(content)} arrays for {count} places")
        return [self.array(body, depth + 1)[1] for _, body in content]

    def elements(self, data: bytes) -> list[tuple[int, bytes]]:
        """The data elements in ``data``: type and content."""
        elements, at = [], 0
        while at + 8 <= len(data):
            self.take(1)
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            # All elements but compressed ones are padded to multiples of 8 bytes.
            start, step = at + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
            if kind >> 16:  # content of at most 4 bytes lies in the 8-byte tag, beside its size
                kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
            elements.append((kind, data[start : start + size]))
            at += step
        return elements

    def take(self, count: int) -> None:
        """Count values before they are made: one of a byte in the file takes up to a hundred in memory."""
        self.values_left -= count
        if self.values_left < 0:
            raise ValueError(f"more than {MOST_VALUES:,} values")
