"""MAT-files of level 5, what MATLAB saves by default and with ``-v7``: enough of them to read results.

SciPy reads more, but trusts what a file says about itself: one wrong byte can crash the process. Here every size is
held against the bytes that are there. Source: "MAT-File Format", The MathWorks.
"""

import math
import struct
import zlib
from typing import Any

import numpy as np

_DEPTH = 8  # levels of nesting; a file of results has 3
_UTF16, _MATRIX, _COMPRESSED = 4, 14, 15  # types of data elements
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)  # classes of arrays
_IS_COMPLEX = 0x800  # in an array's flags


def parse(data: bytes, limit: int) -> dict[str, Any]:
    """The variables in the content of a file, by name.

    Cells become lists, structs dicts (or lists of dicts), text ``str``, numbers ``float`` or ``complex``, or arrays of
    them in the shape they have.

    Raises:
        ValueError: with a reason of one line: the content is broken, of another level, holds an array of another class
            (sparse, object, function), or unpacks to more than ``limit`` bytes.
    """
    try:
        return _variables(data, limit)
    except (TypeError, IndexError, struct.error, zlib.error):
        raise ValueError("broken") from None


def _variables(data: bytes, limit: int) -> dict[str, Any]:
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack(f"{order}H", data[124:126]) != (0x100,):
        raise ValueError("not a MAT-file of level 5")
    variables: dict[str, Any] = {}
    left = limit
    for kind, body in _elements(data[128:], order):
        if kind == _COMPRESSED:
            body = zlib.decompressobj().decompress(body, left + 1)
        left -= len(body)
        if left < 0:
            raise ValueError(f"larger than {limit >> 20} MiB when unpacked")
        for inner, content in _elements(body, order) if kind == _COMPRESSED else [(kind, body)]:
            if inner == _MATRIX:
                name, value = _array(content, order)
                variables[name] = value
    return variables


def _array(body: bytes, order: str, depth: int = 0) -> tuple[str, Any]:
    """Name and value of an array; all sizes that it names are held against the elements that are there."""
    if depth > _DEPTH:
        raise ValueError(f"more than {_DEPTH} levels deep")
    if not body:
        return "", np.empty((0, 0))
    (_, flags), (_, dimensions), (_, name), *content = _elements(body, order)
    word = struct.unpack_from(f"{order}I", flags)[0]
    kind, shape = word & 0xFF, np.frombuffer(dimensions, f"{order}i4").tolist()
    value: Any
    if kind == _CELL:
        value = _arrays(content, math.prod(shape), order, depth)
    elif kind == _STRUCT:
        (_, length), (_, text), *content = content
        width = struct.unpack_from(f"{order}i", length)[0]
        if width < 1:
            raise ValueError("a struct without fields")
        keys = [text[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(text), width)]
        values = _arrays(content, math.prod(shape) * len(keys), order, depth)
        rows = [dict(zip(keys, values[at:], strict=False)) for at in range(0, len(values), len(keys) or 1)]
        value = rows[0] if len(rows) == 1 else rows
    elif kind == _CHAR:
        value = "".join(
            text.decode("utf-8" if code != _UTF16 else f"utf-16-{'l' if order == '<' else 'b'}e", "replace")
            for code, text in content
        )
    elif kind in _NUMERIC:
        parts = [np.frombuffer(part, order + _NUMBERS.get(code, "")).astype(np.float64) for code, part in content]
        value = parts[0] + 1j * parts[1] if word & _IS_COMPLEX and len(parts) > 1 else parts[0]
        value = value.item() if value.size == 1 else value.reshape(shape, order="F")
    else:
        raise ValueError(f"arrays of class {kind} are not read")
    return name.decode("latin-1"), value


def _arrays(content: list[tuple[int, bytes]], count: int, order: str, depth: int) -> list[Any]:
    if count != len(content) or any(kind != _MATRIX for kind, _ in content):
        raise ValueError(f"{len(content)} arrays for {count} places")
    return [_array(body, order, depth + 1)[1] for _, body in content]


def _elements(data: bytes, order: str) -> list[tuple[int, bytes]]:
    """The data elements in ``data``: type and content. One of at most 4 bytes shares its 8-byte tag with its size."""
    elements, at = [], 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start, step = at + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
        elements.append((kind, data[start : start + size]))
        at += step
    return elements
