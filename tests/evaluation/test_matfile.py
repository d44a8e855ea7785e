import struct
import zlib

import numpy as np
import pytest
import scipy.io
from numpy.testing import assert_array_equal

from tracking_env.evaluation.otb_toolkit import matfile

LITTLE, BIG = b"\x00\x01IM", b"\x01\x00MI"


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    padding = b"" if kind == 15 else bytes(-len(content) % 8)  # compressed files have none
    return struct.pack(f"{order}II", kind, len(content)) + content + padding


def array(kind: int, shape: tuple[int, ...], *content: bytes, name: bytes = b"", order: str = "<") -> bytes:
    flags = element(6, struct.pack(f"{order}II", kind, 0), order)
    return element(
        14,
        flags
        + element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
        + element(1, name, order)
        + b"".join(content),
        order,
    )


def file(*elements: bytes, ending: bytes = LITTLE) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + ending + b"".join(elements)


def test_integers_stored_in_fewer_bytes_are_read():
    small = struct.pack("<HH", 2, 4) + bytes([1, 2, 3, 4])  # a double array stored as uint8, size and type in one tag
    data = file(array(6, (2, 2), small, name=b"a"))
    assert_array_equal(matfile.parse(data, 1000)["a"], [[1, 3], [2, 4]])  # column after column


def test_a_big_endian_file_is_read():
    data = file(array(6, (1, 2), element(9, struct.pack(">2d", 1.5, -2), ">"), name=b"a", order=">"), ending=BIG)
    assert_array_equal(matfile.parse(data, 1000)["a"], [[1.5, -2]])


def test_utf_16_text_is_read():
    data = file(array(4, (1, 4), element(4, "rect".encode("utf-16-le")), name=b"t"))
    assert matfile.parse(data, 1000) == {"t": "rect"}


@pytest.mark.parametrize("compress", [True, False])
def test_a_mat_file_is_read_as_scipy_reads_it(tmp_path, compress):
    everything = {
        "results": [
            {"res": np.arange(8.0).reshape(2, 4)},
            {"a": 1.5, "text": "x", "none": np.empty((0, 0)), "inner": {"b": np.arange(3) * 1j}},
        ],
        "row": np.array([(1, "p"), (2, "q")], dtype=[("n", object), ("t", object)]),
        "small": np.arange(6, dtype=np.int8).reshape(2, 3),
        "single": np.float32([[0.5, 2]]),
    }
    scipy.io.savemat(tmp_path / "a.mat", everything, do_compression=compress)
    ours = matfile.parse((tmp_path / "a.mat").read_bytes(), 2**20)
    theirs = scipy.io.loadmat(tmp_path / "a.mat", simplify_cells=True)
    assert_array_equal(ours["small"], theirs["small"])
    assert_array_equal(ours["single"][0], theirs["single"])
    assert ours["row"] == [{"n": 1, "t": "p"}, {"n": 2, "t": "q"}]
    assert_array_equal(ours["results"][0]["res"], theirs["results"][0]["res"])
    assert ours["results"][1]["text"] == "x" and ours["results"][1]["a"] == 1.5
    assert_array_equal(ours["results"][1]["inner"]["b"][0], theirs["results"][1]["inner"]["b"])


def nested(levels: int) -> bytes:
    content = array(6, (1, 1), element(9, bytes(8)))
    for _ in range(levels):
        content = array(1, (1, 1), content)
    return content


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "level 5"),
        (b"\x89HDF".ljust(200), "level 5"),
        (file(ending=b"\x00\x02IM"), "level 5"),  # MATLAB 7.3
        (file(array(1, (2**31 - 1, 2**31 - 1), name=b"a")), "0 arrays for"),
        (file(array(1, (1, 1), element(9, bytes(8)))), "1 arrays for 1 places"),
        (file(array(6, (3, 3), element(9, bytes(16)))), "cannot reshape"),
        (file(array(6, (-1, -1), element(9, bytes(16)))), "reshape|dimension"),
        (file(array(6, (1, 1))), "broken"),
        (file(array(6, (1, 1), element(77, bytes(8)))), "broken"),
        (file(array(5, (1, 1), element(9, bytes(8)))), "class 5"),
        (file(array(2, (1, 1), element(5, bytes(4)), element(1, b""))), "without fields"),
        (file(element(14, bytes(40))), "unpack|broken"),
        (file(element(15, b"not zlib")), "broken"),
        (file(nested(9)), "levels deep"),
        (file(nested(2_000)), "levels deep"),
        (file(element(15, zlib.compress(bytes(10**6)))), "when unpacked"),
        (file(*[element(15, zlib.compress(bytes(90_000)))] * 3), "when unpacked"),
    ],
)
def test_broken_files_are_refused(data, reason):
    with pytest.raises(ValueError, match=reason) as error:
        matfile.parse(data, 10**7 if "deep" in reason else 200_000)
    assert "\n" not in str(error.value)


def test_results_nested_as_deep_as_toolkits_write_them_are_read():
    assert matfile.parse(file(nested(4)), 10**4) == {"": [[[[0.0]]]]}
