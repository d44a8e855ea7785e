import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tracking_env.datasets.box_files import parse_numbers, read_boxes
from tracking_env.errors import InputError

BOXES = [[21, 31, 40, 30], [25, 33.5, 40, 30], [29, 35, 40, 30]]
LINES = ["21,31,40,30", "25,33.5,40,30", "29,35,40,30"]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES).replace(",", ";"),
        "\n".join(LINES).replace(",", " ; "),
        "".join(f"{line},\n" for line in LINES),
        "".join(f"{line} ;\n" for line in LINES).replace(",", "\t"),
        "# x y w h\n" + "\n".join(LINES),
        "# made by a tracker, version 2\n" + "\n".join([*LINES, "# end"]),
        "x,y,w,h\n" + "\n".join(LINES),
        "\n Left; Top; Width; Height\n" + "\n".join(LINES),
        "\r".join(LINES),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_other_programs_are_read(tmp_path, text, encoding):
    assert_array_equal(read_boxes(write(tmp_path / "a.txt", text, encoding)), BOXES)


@pytest.mark.parametrize("word", ["-nan(ind)", "nan(snan)", "1.#QNAN", "-1.#IND00", "1.#INF", "NaN", "-nan"])
def test_missing_numbers_are_read_as_other_systems_spell_them(tmp_path, word):
    boxes = read_boxes(write(tmp_path / "a.txt", f"{LINES[0]}\n{word},1,2,3\n"))
    assert_array_equal(boxes, [BOXES[0], [np.nan, 1, 2, 3]])


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("x1,y1,x2,y2", 1),
        ("# x1 y1 x2 y2", 1),
        ("# y x h w", 1),
        ("cx cy w h", 1),
        ("one two three four", 1),
        ("21,5;31,0;40,0;30,0", 1),
        ("1_4_2,2,3,4", 3),
        ("x,y,w,h", 3),
        ("0x10,2,3,4", 2),
        ("١,2,3,4", 2),
        ("[21, 31, 40, 30]", 2),
        (",21,31,40,30", 2),
    ],
)
def test_rows_that_could_mean_something_else_are_refused(tmp_path, line, place):
    text = "\n".join([*LINES[: place - 1], line, *LINES[place - 1 :]])
    with pytest.raises(InputError, match=rf"a\.txt, line {place}: got .*, expected four numbers x,y,w,h"):
        read_boxes(write(tmp_path / "a.txt", text))


def test_an_underscore_does_not_join_digits():
    assert parse_numbers("1_4_2") == []
    assert parse_numbers("142 -1e3 +.5 7.") == [142, -1000, 0.5, 7]


@pytest.mark.parametrize("part", ["1", " ", "1,", "1 ", ",", "1."])
def test_the_time_of_reading_grows_with_the_length_of_a_line(part):
    start = time.perf_counter()
    parse_numbers(f"1{part * 200_000}x")
    assert time.perf_counter() - start < 5
