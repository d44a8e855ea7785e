"""Facts about an image file that decoders do not report: its pixel format, and whether it is whole."""

import math
import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_FORMATS = {0: "grey", 2: "RGB", 3: "RGB", 4: "transparent", 6: "transparent"}  # by colour type (PNG, 11.2.2)
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_FORMATS = {1: "grey", 3: "RGB", 4: "CMYK"}  # by the number of components
SIGNATURES = (_PNG, _JPEG)
"""First bytes of the image files that are read."""
_FRAME, _SCAN = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}, 0xDA  # markers: ITU T.81, table B.1
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # no marker, or one without a length


def pixel_format(data: bytes) -> str:
    """``grey``, ``RGB``, ``CMYK`` or ``transparent`` (with an alpha channel); empty if the header does not tell."""
    if data.startswith(_PNG):
        # The signature (8 bytes) is followed by the chunk IHDR: length (4), type (4), width (4), height (4), bit depth
        # (1), colour type.
        return _PNG_FORMATS.get(data[25], "") if len(data) > 25 else ""
    frame = _frame_header(data)
    return _JPEG_FORMATS.get(data[frame + 9], "") if frame is not None and frame + 9 < len(data) else ""


def count_pixels(data: bytes) -> int:
    """Number of pixels that the header states; 0 if it does not tell, and then no decoder may be asked either."""
    if data.startswith(_PNG):
        # A decoder may take the size from a second header, or from one that is not the first chunk.
        headers = [position for kind, position in _chunks(data) if kind == b"IHDR"]
        return math.prod(struct.unpack_from(">II", data, 16)) if headers == [8] and len(data) >= 24 else 0
    frame = _frame_header(data)
    return math.prod(struct.unpack_from(">HH", data, frame + 5)) if frame is not None and frame + 9 <= len(data) else 0


def is_cut_off(data: bytes) -> bool:
    """Whether the end of a JPEG or PNG file is missing."""
    if data.startswith(_PNG):
        # A chunk that claims to reach beyond the file counts as cut off too: OpenCV would take memory for the length it
        # claims.
        return all(kind != b"IEND" for kind, _ in _chunks(data))
    # Look behind the header, where cameras store a preview with an end of its own.
    scan = next((position for marker, position in _segments(data) if marker == _SCAN), 2)
    return data.startswith(_JPEG) and data.find(_JPEG_END, scan) < 0


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Type and position of a PNG's chunks, up to its end."""
    position, kind = len(_PNG), b""
    while position + 12 <= len(data) and kind != b"IEND":
        kind = data[position + 4 : position + 8]
        yield kind, position
        position += 12 + struct.unpack_from(">I", data, position)[0]  # length, type, content, checksum (PNG, 5.3)


def _frame_header(data: bytes) -> int | None:
    """Position of a JPEG's frame header, which holds the image's size; None if there is none."""
    # It holds: marker (2 bytes), length (2), precision (1), height (2), width (2), number of components (1).
    return next((position for marker, position in _segments(data) if marker in _FRAME), None)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and position of a JPEG's segments, up to the first scan.

    Bytes between segments are skipped as libjpeg skips them, so that both see the same frame header.
    """
    position = 2 if data.startswith(_JPEG) else len(data)
    while True:
        position = data.find(0xFF, position)
        if position < 0 or position + 4 > len(data):
            return
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _ALONE:
            position += 2
        else:
            yield marker, position
            if marker == _SCAN:
                return
            # The length counts its own two bytes, but not the two of the marker.
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
