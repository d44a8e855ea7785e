import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tracking_env.datasets import otb
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.images import numbered_images
from tracking_env.errors import InputError

SMALL = "Deer"  # the official sequence with the fewest frames, 71
IMAGE = cv2.imencode(".jpg", np.full((8, 12, 3), (0, 0, 255), np.uint8))[1].tobytes()  # red


def make(folder: Path, numbers, rows: int, truth: str = "groundtruth_rect.txt", digits: int = 4, suffix: str = ".jpg"):
    """A sequence folder in OTB's layout; row k (from 0) of its annotations is k+1, 1, 5, 6."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / "img" / f"{number:0{digits}d}{suffix}").write_bytes(IMAGE)
    (folder / truth).write_text("".join(f"{row + 1},1,5,6\n" for row in range(rows)))


def test_the_table_and_lists_have_the_official_sizes():
    assert {label: len(members) for label, members in otb.LISTS.items()} == {
        "otb100": 100,
        "otb50": 50,
        "otb2013": 51,
        "drlt30": 30,
    }
    assert otb.TABLE["David"].frames == 471
    assert otb.TABLE["Tiger1"].frames == 349
    assert otb.TABLE["Jogging-2"].folder == "Jogging"
    assert otb.TABLE[SMALL].frames == min(entry.frames for entry in otb.TABLE.values())


@pytest.mark.parametrize("separator", [",", "\t", " ", "   ", ", ", " ,\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_read_boxes_accepts_any_separator(tmp_path, separator, mark, ending):
    rows = [["1", "2", "3.5", "4"], ["-5", "6e1", "NaN", "0"]]
    text = mark + ending.join(["  " + separator.join(row) + " " for row in rows] + ["", " "])
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    assert_array_equal(read_boxes(tmp_path / "a.txt"), [[1, 2, 3.5, 4], [-5, 60, np.nan, 0]])


@pytest.mark.parametrize(
    "row", ["1,2,3", "1,2,3,4,5", "1,2,x,4", "1,,3,4", "1,2,3,4,,", "1,5;2;3;4", "1_4_2,2,3,4", "x,y,w,h"]
)
def test_errors_of_read_boxes_name_file_and_line(tmp_path, row):
    (tmp_path / "a.txt").write_text(f"1,2,3,4\n\n{row}\n")
    with pytest.raises(InputError, match=r"a\.txt, line 3: .*expected four numbers"):
        read_boxes(tmp_path / "a.txt")


def test_read_boxes_refuses_a_file_without_boxes(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "binary.txt").write_bytes(IMAGE)
    for name, message in [("empty", "no boxes"), ("binary", "not a text"), ("absent", "cannot read"), ("", "cannot")]:
        with pytest.raises(InputError, match=message):
            read_boxes(tmp_path / f"{name}.txt" if name else tmp_path)


@given(data=st.one_of(st.binary(), st.text().map(str.encode), st.text("0123456789,.-enaif \t\r\n_").map(str.encode)))
def test_read_boxes_raises_nothing_but_input_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    try:
        boxes = read_boxes(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert boxes.ndim == 2
        assert boxes.shape[1] == 4


def test_load_sequence_reads_frames_and_boxes(tmp_path):
    make(tmp_path / SMALL, range(1, 72), 71)
    (sequence,) = otb.load(tmp_path)
    assert (sequence.name, len(sequence), sequence.size) == (SMALL, 71, (12, 8))
    assert sequence.attributes == ("MB", "FM", "IPR", "BC", "LR")
    assert_array_equal(sequence.boxes[:, 0], np.arange(1, 72))
    red, green, blue = sequence.frames[70][0, 0]
    assert red > 200 > green + blue


def test_images_beyond_the_annotations_are_ignored(tmp_path):
    make(tmp_path / SMALL, range(0, 90), 71)
    (tmp_path / SMALL / "img" / "Thumbs.db").touch()
    (tmp_path / SMALL / "img" / "._0001.jpg").touch()
    assert [path.name for path in otb.load_sequence(tmp_path, SMALL).frames.paths[::70]] == ["0001.jpg", "0071.jpg"]


def test_sequences_of_two_targets_share_the_frames(tmp_path):
    for target in "12":
        make(tmp_path / "Jogging", range(1, 308), 307, truth=f"groundtruth_rect.{target}.txt")
    assert otb.resolve_names("available", tmp_path) == ["Jogging-1", "Jogging-2"]
    first, second = otb.load(tmp_path)
    assert first.frames.fingerprint == second.frames.fingerprint


@pytest.mark.parametrize("numbers", [range(1, 771), range(300, 771)])
def test_david_starts_at_image_300(tmp_path, numbers):
    make(tmp_path / "David", numbers, 471)
    frames = otb.load_sequence(tmp_path, "David").frames
    assert [frames.paths[at].name for at in (0, -1)] == ["0300.jpg", "0770.jpg"]


def test_tiger1_is_evaluated_from_frame_6(tmp_path):
    make(tmp_path / "Tiger1", range(1, 355), 354)
    sequence = otb.load_sequence(tmp_path, "Tiger1")
    assert (len(sequence), sequence.boxes[0, 0], sequence.frames.paths[0].name) == (349, 6, "0006.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".png"])
def test_image_names_with_five_digits_and_other_suffixes_are_read(tmp_path, suffix):
    make(tmp_path / "Board", range(1, 699), 698, digits=5, suffix=suffix)
    assert otb.load_sequence(tmp_path, "Board").frames.paths[0].name == f"00001{suffix}"


def test_the_error_names_a_missing_image(tmp_path):
    make(tmp_path / SMALL, [*range(1, 17), *range(18, 90)], 71)
    with pytest.raises(InputError, match=r"fewer images than boxes: 70 images for 71 boxes.*missing is 0017\.jpg"):
        otb.load_sequence(tmp_path, SMALL)


def test_a_gap_in_the_numbers_is_found_however_large_it_is(tmp_path):
    make(tmp_path / "own", [1, 2, 10**200], 1)
    with pytest.raises(InputError, match=r"has 3 images with numbers from 1 to 10+, the first missing is 0*3\.jpg"):
        numbered_images(tmp_path / "own" / "img", None)


def test_annotations_of_a_wrong_length_are_refused(tmp_path):
    make(tmp_path / SMALL, range(1, 72), 70)
    with pytest.raises(InputError, match="has 70 boxes, OTB's Deer has 71"):
        otb.load_sequence(tmp_path, SMALL)


def test_annotations_must_be_finite(tmp_path):
    make(tmp_path / "mine", [1, 2], 1)
    with (tmp_path / "mine" / "groundtruth_rect.txt").open("a") as file:
        file.write("1,2,NaN,4\n")
    with pytest.raises(InputError, match="box 2 is not finite"):
        otb.load_sequence(tmp_path, "mine")


def test_a_folder_without_images_is_refused(tmp_path):
    make(tmp_path / SMALL, [], 71)
    with pytest.raises(InputError, match="no images in"):
        otb.load_sequence(tmp_path, SMALL)


def test_a_truncated_jpeg_is_refused_when_read(tmp_path):
    make(tmp_path / "mine", [1, 2], 2)
    (tmp_path / "mine" / "img" / "0002.jpg").write_bytes(IMAGE[:-20])
    frames = otb.load_sequence(tmp_path, "mine").frames
    assert frames[0].shape == (8, 12, 3)
    with pytest.raises(InputError, match=r"0002\.jpg is a truncated JPEG"):
        frames[1]


def test_other_data_starts_at_its_lowest_image_number(tmp_path):
    make(tmp_path / "mine", range(12, 20), 5)
    (sequence,) = otb.load(tmp_path, "mine")
    assert [path.name for path in sequence.frames.paths[::4]] == ["0012.jpg", "0016.jpg"]
    assert sequence.attributes == ()


def test_resolve_names_expands_lists_and_removes_duplicates():
    assert otb.resolve_names("drlt30", None) == list(otb.LISTS["drlt30"])
    assert otb.resolve_names("Suv, Deer,Suv", None) == ["Suv", "Deer"]
    assert otb.resolve_names("Suv,drlt30", None)[:2] == ["Suv", "Bird2"]
    assert len(otb.resolve_names("Suv,drlt30,Deer", None)) == 31


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("suv", r"unknown sequence 'suv' \(did you mean 'Suv'"),
        ("Joging-2", "did you mean 'Jogging-2'"),
        ("drlt3O", "did you mean 'drlt30'"),
        ("qqqqqqq", "'qqqqqqq'; the lists are otb100"),
        ("../Suv", "unknown sequence"),
        (" , ", "no sequence in"),
        ("available", "needs a folder"),
    ],
)
def test_unknown_names_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        otb.resolve_names(spec, None)


@pytest.mark.parametrize("name", [f"../{SMALL}", f"../root/{SMALL}", "..", "."])
def test_a_sequence_outside_the_root_is_unknown_although_it_is_there(tmp_path, name):
    for folder in (tmp_path, tmp_path / "root"):
        make(folder / SMALL, range(1, 72), 71)
    assert (tmp_path / "root" / name).is_dir()
    with pytest.raises(InputError, match="unknown sequence"):
        otb.load(tmp_path / "root", name)


def test_a_list_loads_the_sequences_that_exist(tmp_path, caplog):
    make(tmp_path / SMALL, range(1, 72), 71)
    with caplog.at_level(logging.WARNING):
        assert [first.name for first in otb.load(tmp_path, "otb2013")] == [SMALL]
    (record,) = caplog.records
    assert record.message.startswith("1 of the 51 sequences of otb2013 are in")
    assert "Basketball, Bolt" in record.message
    assert SMALL not in record.message.split("missing")[1]


def test_missing_sequences_are_an_error(tmp_path):
    with pytest.raises(InputError, match="no OTB sequence in"):
        otb.load(tmp_path)
    make(tmp_path / SMALL, range(1, 72), 71)
    with pytest.raises(InputError, match="no folder"):
        otb.load(tmp_path / "absent")
    with pytest.raises(InputError, match="none of the 30 sequences of 'drlt30'"):
        otb.load(tmp_path, "drlt30")
    with pytest.raises(InputError, match="no sequence Suv in"):
        otb.load(tmp_path, f"{SMALL},drlt30,Suv")


def test_annotations_are_read_without_images(tmp_path):
    (tmp_path / "Tiger1.txt").write_text("".join(f"{row},1,2,3\n" for row in range(1, 355)))
    boxes = otb.read_truth(tmp_path / "Tiger1.txt", "Tiger1")
    assert boxes.shape == (349, 4)
    assert boxes[0, 0] == 6


@pytest.mark.otb
def test_real_sequences_load_and_agree_with_the_official_annotations(otb_root, reference):
    sequences = otb.load(otb_root)
    assert sequences
    for sequence in sequences:
        assert_array_equal(
            sequence.boxes, otb.read_truth(reference / "annotations" / f"{sequence.name}.txt", sequence.name)
        )
        assert sequence.frames[len(sequence) - 1].shape == (sequence.size[1], sequence.size[0], 3)


@pytest.mark.otb
def test_all_official_annotations_load(reference):
    for name, entry in otb.TABLE.items():
        assert len(otb.read_truth(reference / "annotations" / f"{name}.txt", name)) == entry.frames
