"""The wire format of Protocol Buffers, in which ONNX and CoreML files are stored: reading and writing messages.

A message is a list of numbered fields. Each format's published ``.proto`` file says what a number means, so the callers
name the numbers that they use. Fields without a name here are copied as they are.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterable
from typing import Self

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types: how a field's value is stored."""
MOST_VALUES = 1 << 20
"""Most values of a message. Each takes a hundred bytes here, and two in a file; networks have some thousands."""
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
Content = bytes | memoryview
Value = tuple[int, int | Content]


class Message(dict[int, list[Value]]):
    r"""The values of each field number, in the order of the file, each with its wire type.

    >>> message = Message.read(b"\x08\x96\x01")
    >>> message.integer(1)
    150
    >>> message.write()
    b'\x08\x96\x01'
    """

    @classmethod
    def read(cls, content: Content) -> Self:
        """The message that ``content`` holds. Of a memoryview nothing is copied.

        Raises:
            ValueError: it breaks off, has more than `MOST_VALUES` values, or a wire type that these formats do not use.
        """
        message, position, count = cls(), 0, 0
        while position < len(content):
            tag, position = _read_varint(content, position)
            number, wire_type = tag >> 3, tag & 7
            count += 1
            # Other readers cut a longer tag to 32 bits, and would see another field than this one.
            if tag >= 1 << 32 or count > MOST_VALUES:
                raise ValueError("it is damaged: a field's number is too large, or there are too many fields")
            value: int | Content
            if wire_type == VARINT:
                value, position = _read_varint(content, position)
            else:
                if wire_type == LENGTH:
                    length, position = _read_varint(content, position)
                elif wire_type in _FIXED_BYTES:
                    length = _FIXED_BYTES[wire_type]
                else:
                    raise ValueError(f"field {number} has the wire type {wire_type}")
                # A slice beyond the end would be shorter, without an error.
                if position + length > len(content):
                    raise ValueError(f"field {number} breaks off after {len(content) - position} of {length} bytes")
                value = content[position : position + length]
                position += length
            message.setdefault(number, []).append((wire_type, value))
        return message

    def write(self) -> bytes:
        """The message as bytes, its fields in ascending order of their numbers."""
        parts: list[Content] = []
        for number in sorted(self):
            for wire_type, value in self[number]:
                parts.append(_varint(number << 3 | wire_type))
                if isinstance(value, int):
                    parts.append(_varint(value))
                else:
                    if wire_type == LENGTH:
                        parts.append(_varint(len(value)))
                    parts.append(value)
        return b"".join(parts)

    def add(self, number: int, *values: "int | str | Content | Message") -> Self:
        """Append values to a field; returns the message. Integers may be negative."""
        for value in values:
            if isinstance(value, int):
                entry: Value = (VARINT, value)
            elif isinstance(value, Message):
                entry = (LENGTH, value.write())
            else:
                entry = (LENGTH, value.encode() if isinstance(value, str) else value)
            self.setdefault(number, []).append(entry)
        return self

    def integer(self, number: int, default: int = 0) -> int:
        """A field's integer, of several the last; ``default`` where there is none."""
        integers = self.integers(number)
        return integers[-1] if integers else default

    def integers(self, number: int) -> list[int]:
        """A repeated field's integers (int64), which may be packed."""
        integers = []
        for _, value in self.get(number, []):
            if isinstance(value, int):
                integers.append(_signed(value))
            else:
                # Packed: all integers follow one another in one value.
                position = 0
                while position < len(value):
                    integer, position = _read_varint(value, position)
                    integers.append(_signed(integer))
        return integers

    def content(self, number: int) -> Content:
        """The bytes of a field, of several the last; empty where there is none."""
        contents = self.contents(number)
        return contents[-1] if contents else b""

    def contents(self, number: int) -> list[Content]:
        """The bytes of each value of a repeated field."""
        return [value for _, value in self.get(number, []) if not isinstance(value, int)]

    def texts(self, number: int) -> list[str]:
        """The strings of a repeated field."""
        return [str(value, "utf-8") for value in self.contents(number)]

    def message(self, number: int) -> "Message":
        """A field's message, of several the last; an empty one where there is none."""
        return Message.read(self.content(number))

    def messages(self, number: int) -> list["Message"]:
        """The messages of a repeated field."""
        return [Message.read(value) for value in self.contents(number)]

    def replace(self, number: int, values: "Iterable[int | str | Content | Message]") -> None:
        """Put other values in a field's place."""
        self.pop(number, None)
        self.add(number, *values)


def _read_varint(content: Content, position: int) -> tuple[int, int]:
    """The integer at a position, seven bits a byte and the lowest first, and the position after it."""
    integer, shift = 0, 0
    # Ten bytes of seven bits hold every 64-bit integer; more are damage.
    while position < len(content) and shift < 70:
        byte = content[position]
        position += 1
        integer |= (byte & 0x7F) << shift
        if byte < 0x80:
            return integer, position
        shift += 7
    raise ValueError(f"an integer breaks off at byte {position}")


def _varint(integer: int) -> bytes:
    integer &= (1 << 64) - 1  # negative integers are stored as their two's complement
    encoded = bytearray()
    while integer >= 0x80:
        encoded.append(integer & 0x7F | 0x80)
        integer >>= 7
    encoded.append(integer)
    return bytes(encoded)


def _signed(integer: int) -> int:
    return integer - (1 << 64) if integer >= 1 << 63 else integer
