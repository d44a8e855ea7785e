import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_env.features.protobuf import FIXED32, Message


def test_the_example_of_the_specification_is_encoded_exactly():
    message = Message.read(b"\x08\x96\x01\x12\x07testing")
    assert (message.integer(1), message.texts(2)) == (150, ["testing"])
    assert message.write() == b"\x08\x96\x01\x12\x07testing"


def test_unknown_fields_are_kept():
    content = b"\x08\x01" + bytes([7 << 3 | FIXED32]) + b"\x00\x00\x80\x3f" + b"\x42\x02hi"
    message = Message.read(content)
    message.add(1, 2)
    assert Message.read(message.write()) == {1: [(0, 1), (0, 2)], 7: [(5, b"\x00\x00\x80\x3f")], 8: [(2, b"hi")]}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), st.binary(max_size=300), st.integers(1, 2000))
def test_written_messages_are_read_unchanged(integers, content, number):
    inner = Message().add(number, *integers)
    message = Message.read(Message().add(number, inner).add(number + 1, content).write())
    assert message.message(number).integers(number) == integers
    assert message.content(number + 1) == content


def test_packed_integers_are_read_like_single_ones():
    assert Message.read(b"\x0a\x03\x01\x96\x01").integers(1) == [1, 150]
    assert Message().add(1, -2).integers(1) == Message.read(Message().add(1, -2).write()).integers(1) == [-2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08", "an integer breaks off at byte 1"),
        (b"\x08\xff", "an integer breaks off"),
        (b"\x08" + b"\xff" * 20, "an integer breaks off"),
        (b"\x12\x07test", "field 2 breaks off after 4 of 7 bytes"),
        (b"\x0b", "field 1 has the wire type 3"),
    ],
)
def test_damaged_content_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        Message.read(content)


@given(st.binary(max_size=60))
def test_any_content_is_read_or_refused(content):
    try:
        message = Message.read(content)
    except ValueError:
        return
    assert Message.read(message.write()) == message
