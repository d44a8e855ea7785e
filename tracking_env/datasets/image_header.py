"""What decoders do not say of an image file: what its pixels were before they became RGB, and whether it is whole."""

import math
import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KINDS = {0: "grey", 2: "RGB", 3: "RGB", 4: "transparent", 6: "transparent"}  # by colour type (PNG, 11.2.2)
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_KINDS = {1: "grey", 3: "RGB", 4: "CMYK"}  # by the number of components
KNOWN = (_PNG, _JPEG)
"""How the files begin that are frames."""
_FRAME, _SCAN = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}, 0xDA  # markers: ITU T.81, table B.1


def kind(data: bytes) -> str:
    """``grey``, ``RGB``, ``CMYK`` or ``transparent`` (with an alpha channel); empty where the header does not tell."""
    if data.startswith(_PNG):
        return _PNG_KINDS.get(data[25], "") if len(data) > 25 else ""
    frame = next((at for marker, at in _segments(data) if marker in _FRAME), None)
    return _JPEG_KINDS.get(data[frame + 9], "") if frame is not None and frame + 9 < len(data) else ""


def pixels(data: bytes) -> int:
    """How many pixels the header says that there are; 0 where it does not tell."""
    if data.startswith(_PNG):
        return math.prod(struct.unpack_from(">II", data, 16)) if len(data) >= 24 else 0
    frame = next((at for marker, at in _segments(data) if marker in _FRAME), None)
    return math.prod(struct.unpack_from(">HH", data, frame + 5)) if frame is not None and frame + 9 <= len(data) else 0


def is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or a PNG lacks its end. (A picture within a JPEG's header, as cameras put there, has its own.)

    A PNG does where one of its chunks says that it is longer than the file: OpenCV takes memory for what it says.
    """
    if data.startswith(_PNG):
        at = len(_PNG)
        while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IEND":
            at += 12 + struct.unpack_from(">I", data, at)[0]  # length, type, content, checksum (PNG, 5.3)
        return at + 12 > len(data)
    scan = next((at for marker, at in _segments(data) if marker == _SCAN), 2)
    return data.startswith(_JPEG) and data.find(_JPEG_END, scan) < 0


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of a JPEG's segments, up to the first scan."""
    at = 2
    while data.startswith(_JPEG) and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xFF:  # fills
            at += 1
            continue
        yield marker, at
        if marker == _SCAN:
            return
        at += 2 + length
