import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tracking_env.datasets import otb
from tracking_env.errors import InputError
from tracking_env.evaluation import result_files
from tracking_env.evaluation.result_files import read_results, write_result
from tracking_env.evaluation.scoring import score_folder
from tracking_env.files import MOST_BYTES

BOXES = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3.5, 4, 5, 6]])


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def record(boxes: np.ndarray = BOXES, **more) -> dict:
    return {"res": boxes.tolist(), "type": "rect", "startFrame": 1, "endFrame": len(boxes), "fps": 20.0} | more


def save_mat(path: Path, *records: dict, compress: bool = True) -> Path:
    """Save records as MATLAB saves a cell array of structs."""
    savemat = pytest.importorskip("scipy.io").savemat
    cell = np.empty((1, len(records)), dtype=object)
    for at, fields in enumerate(records):
        cell[0, at] = fields | {"res": np.asarray(fields["res"])}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"results": cell}, do_compression=compress)
    return path


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", "   "])
def test_boxes_are_read_with_any_separator(tmp_path, separator):
    put(tmp_path / "T" / "Deer.txt", "".join(separator.join(map(str, row)) + "\n" for row in BOXES))
    read = result_files.read_results(tmp_path / "T", ["Deer", "Suv"])
    assert (read.protocol, len(read.runs)) == ("ope", 1)
    assert list(read.runs[0]) == ["Deer"]
    assert_array_equal(read.runs[0]["Deer"], BOXES)
    assert (read.fps, read.unreadable, read.starts) == ({}, {}, {})


@pytest.mark.parametrize("times", ["Deer_time.txt", "times/Deer_time.txt"])
def test_speed_is_frames_divided_by_seconds(tmp_path, times):
    write_result(tmp_path / "Deer.txt", BOXES)
    put(tmp_path / times, "0.1\n0.2\n0.1\nnan\n0\n")
    assert result_files.read_results(tmp_path, ["Deer"]).fps == {"Deer": pytest.approx(3 / 0.4)}


def test_unreadable_times_give_no_speed(tmp_path):
    write_result(tmp_path / "Deer.txt", BOXES)
    put(tmp_path / "Deer_time.txt", "fast\n")
    read = result_files.read_results(tmp_path, ["Deer"])
    assert (read.fps, list(read.runs[0])) == ({}, ["Deer"])


def test_runs_are_sorted_by_number(tmp_path):
    for run in (10, 2, 1):
        write_result(tmp_path / f"run-{run}" / "Deer.txt", BOXES + run)
        put(tmp_path / f"run-{run}" / "Deer_time.txt", f"{run}\n")
    (tmp_path / "run-2" / "Suv.txt").write_text("1,2,3,4\n")
    read = result_files.read_results(tmp_path, ["Deer", "Suv"])
    assert [run["Deer"][0, 0] for run in read.runs] == [2, 3, 11]
    assert ["Suv" in run for run in read.runs] == [False, True, False]
    assert read.fps == {"Deer": pytest.approx(3 / 13)}
    assert score_folder(tmp_path, {"Suv": BOXES[:1]}).failed == {"Suv": "run 1: no result"}


def test_tre_and_sre_folders_are_read(tmp_path):
    for number, start in enumerate((0, 2), 1):
        write_result(tmp_path / "T-tre" / f"start-{number:02d}" / "Deer.txt", BOXES[start:])
    put(tmp_path / "T-tre" / "starts.json", '{"Deer": [0, 2]}')
    read = result_files.read_results(tmp_path / "T-tre", ["Deer"])
    assert (read.protocol, read.starts) == ("tre", {"Deer": (0, 2)})
    assert [len(run["Deer"]) for run in read.runs] == [3, 1]
    scored = score_folder(tmp_path / "T-tre", {"Deer": BOXES})
    assert (scored.failed, scored.mean["whole"].mean_iou, scored.mean["whole"].frames) == ({}, 1, 4)
    for shift in ("left", "scale_8"):
        write_result(tmp_path / "T-sre" / shift / "Deer.txt", BOXES)
    read = result_files.read_results(tmp_path / "T-sre", ["Deer"])
    assert (read.protocol, read.starts) == ("sre", {"Deer": (0, 0)})


@pytest.mark.parametrize(
    "text", ["", "[]", '{"Deer": 1}', '{"Deer": [-1]}', '{"Deer": ["0"]}', '{"Deer": [true]}', None]
)
def test_tre_without_a_list_of_starts_is_refused(tmp_path, text):
    write_result(tmp_path / "T-tre" / "start-01" / "Deer.txt", BOXES)
    if text is not None:
        put(tmp_path / "T-tre" / "starts.json", text)
    with pytest.raises(InputError, match=r"starts\.json"):
        result_files.read_results(tmp_path / "T-tre", ["Deer"])


def test_tre_without_the_starts_of_a_sequence(tmp_path):
    write_result(tmp_path / "start-01" / "Deer.txt", BOXES)
    put(tmp_path / "starts.json", "{}")
    assert (
        "does not say at which frames Deer starts" in result_files.read_results(tmp_path, ["Deer"]).unreadable["Deer"]
    )


def test_tre_without_folders_is_refused(tmp_path):
    put(tmp_path / "starts.json", "{}")
    with pytest.raises(InputError, match="no folders of starts"):
        result_files.read_results(tmp_path, ["Deer"])


def test_results_in_the_got10k_layout_are_read(tmp_path):
    for run in (1, 2):
        write_result(tmp_path / "Deer" / f"Deer_{run:03d}.txt", BOXES + run)
    put(tmp_path / "Deer" / "Deer_time.txt", "0.1,0.3\n0.1,0.3\n0.1,0.3\n")
    (tmp_path / "Suv").mkdir()
    read = result_files.read_results(tmp_path, ["Deer", "Suv"])
    assert [run["Deer"][0, 0] for run in read.runs] == [2, 3]
    assert read.fps == {"Deer": pytest.approx(6 / 1.2)}
    assert score_folder(tmp_path, {"Suv": BOXES}).failed == {"Suv": "no result"}


def test_results_of_the_python_toolkit_are_read(tmp_path):
    put(tmp_path / "Deer.json", json.dumps([record(resType="rect", evalType="ope", shiftType="None")]))
    put(tmp_path / "Suv.json", json.dumps(record(fps=None, startFrame="0001")))
    put(tmp_path / "attributes" / "ALL.json", "{}")
    read = result_files.read_results(tmp_path, ["Deer", "Suv"])
    assert (read.protocol, read.fps, read.starts) == ("ope", {"Deer": 20.0}, {})
    assert_array_equal(read.runs[0]["Deer"], BOXES)
    assert_array_equal(read.runs[0]["Suv"], BOXES)


def test_toolkit_results_with_several_starts_are_read(tmp_path):
    later = record(BOXES[1:], startFrame=301)
    put(tmp_path / "tre" / "David.json", json.dumps([record(startFrame=300), later]))
    read = result_files.read_results(tmp_path / "tre", ["David"])
    assert (read.protocol, read.starts) == ("tre", {"David": (0, 1)})
    save_mat(tmp_path / "sre" / "david_T.mat", record(shiftType="left"), record(shiftType="scale_8"))
    read = result_files.read_results(tmp_path / "sre", ["David"])
    assert (read.protocol, read.starts, len(read.runs)) == ("sre", {"David": (0, 0)}, 2)
    put(tmp_path / "sre" / "Deer.json", json.dumps([record()]))
    with pytest.raises(InputError, match="mixes results of OPE and SRE"):
        result_files.read_results(tmp_path / "sre", ["David", "Deer"])


@pytest.mark.parametrize("compress", [True, False])
def test_results_of_the_matlab_toolkit_are_read(tmp_path, compress):
    save_mat(tmp_path / "jogging-1_My_Tracker.mat", record(annoBegin=1, len=3), compress=compress)
    complex_row = np.array([[1, 2, 3, 4], [1, 2, 3j, 4], [1, 2, 3, 4]])
    save_mat(tmp_path / "Deer_T.mat", record() | {"res": complex_row}, compress=compress)
    read = result_files.read_results(tmp_path, ["Deer", "Jogging-1", "Suv"])
    assert (read.unreadable, read.protocol, read.fps["Jogging-1"]) == ({}, "ope", 20)
    assert_array_equal(read.runs[0]["Jogging-1"], BOXES)
    assert_array_equal(read.runs[0]["Deer"][1], [1, 2, np.nan, 4])


def test_a_mat_file_is_read_without_scipy(tmp_path, monkeypatch):
    save_mat(tmp_path / "Deer_T.mat", record())
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert not result_files.read_results(tmp_path, ["Deer"]).unreadable


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("jogging-1.txt", "Jogging-1"),
        ("Jogging.1.txt", "Jogging-1"),
        ("Jogging_2.txt", "Jogging-2"),
        ("skating2.1.txt", "Skating2-1"),
        ("SKATING2-2.TXT", "Skating2-2"),
        ("Human4.txt", "Human4-2"),
        ("Human4.2.txt", "Human4-2"),
        ("skating1.txt", "Skating1"),
    ],
)
def test_other_spellings_of_sequence_names_are_recognised(tmp_path, file, name):
    put(tmp_path / file, "1,2,3,4\n")
    assert list(result_files.read_results(tmp_path, otb.TABLE).runs[0]) == [name]


def test_the_name_of_a_video_with_two_targets_is_ambiguous(tmp_path):
    put(tmp_path / "Jogging.txt", "1,2,3,4\n")
    assert result_files.read_results(tmp_path, otb.TABLE).runs == ({},)


def test_names_that_differ_only_in_punctuation_stay_distinct(tmp_path):
    put(tmp_path / "a-1.txt", "1,2,3,4\n")
    put(tmp_path / "a1.txt", "2,2,3,4\n")
    read = result_files.read_results(tmp_path, ["a-1", "a1"])
    assert [read.runs[0][name][0, 0] for name in ("a-1", "a1")] == [1, 2]


def test_two_files_of_the_same_sequence_are_refused(tmp_path):
    put(tmp_path / "Deer.txt", "1,2,3,4\n")
    put(tmp_path / "Deer.json", json.dumps([record()]))
    assert "may both be the results of Deer; move Deer.txt" in read_results(tmp_path, ["Deer"]).unreadable["Deer"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("Deer.txt", "", "holds no boxes"),
        ("Deer.txt", "\n\n", "holds no boxes"),
        ("Deer.txt", "1,2,3,4\n1,2,x,4\n", "line 2: got '1,2,x,4'"),
        ("Deer.txt", "1,2,3,4\n,,,\n", "line 2: got ',,,'"),
        ("Deer.txt", b"\xff\xfe\x00", "not a text file"),
        ("Deer.json", "[", "not JSON"),
        ("Deer.json", "[" * 100_000, "not JSON"),
        ("Deer.json", b"\xff", "not JSON"),
        ("Deer.json", "[" + "1" * 5000 + "]", "not JSON"),
        ("Deer.json", "[]", "no results"),
        ("Deer.json", "7", "result 1 has no 'res'"),
        ("Deer.json", '"res"', "result 1 has no 'res'"),
        ("Deer.json", "[[]]", "result 1 has no 'res'"),
        ("Deer.json", '[{"res": []}]', "'res' has the shape"),
        ("Deer.json", '[{"res": [[1, 2, 3]]}]', "'res' has the shape (1, 3)"),
        ("Deer.json", '[{"res": [[1, 2, 3, 4], [1]]}]', "not a table of numbers"),
        ("Deer.json", '[{"res": [[1, 2, 3, "x"]]}]', "not a table of numbers"),
        ("Deer.json", '[{"res": {}}]', "not a table of numbers"),
        ("Deer.json", '[{"res": [[1, 2, 3, 1' + "0" * 400 + "]]}]", "not a table of numbers"),
        ("Deer.json", '[{"res": [[1, 2, 3, 4, 5, 6]], "type": "ivtAff"}]', "type 'ivtAff', wanted 'rect'"),
        ("Deer_T.mat", "", "cannot be read (not a MAT-file"),
        ("Deer_T.mat", b"MATLAB 7.3 MAT-file".ljust(126) + b"\x02\x00IM", "save(..., '-v7')"),
        ("Deer_T.mat", b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM", "no variable 'results'"),
    ],
)
def test_unusable_files_are_refused(tmp_path, file, content, reason):
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    read = result_files.read_results(tmp_path, ["Deer"])
    assert read.runs == ({},)
    assert reason in read.unreadable["Deer"]
    assert "\n" not in read.unreadable["Deer"]
    assert score_folder(tmp_path, {"Deer": BOXES}).failed == read.unreadable


def test_too_large_files_are_refused(tmp_path, monkeypatch):
    for file in ("Deer.txt", "Suv.json", "Car4_T.mat"):
        with (tmp_path / file).open("wb") as large:
            large.truncate(MOST_BYTES + 1)
    read = result_files.read_results(tmp_path, ["Deer", "Suv", "Car4"])
    assert all("larger than 16 MiB" in reason for reason in read.unreadable.values())
    assert len(read.unreadable) == 3


def test_a_mat_file_that_unpacks_too_large_or_nests_too_deep_is_refused(tmp_path):
    flat = save_mat(tmp_path / "Deer_T.mat", record() | {"res": np.zeros((700_000, 4))})
    assert flat.stat().st_size < 100_000
    nested: object = {"res": BOXES}
    for _ in range(30):
        nested = {"inner": nested}
    save_mat(tmp_path / "Suv_T.mat", {"res": BOXES, "more": nested}, compress=False)
    unreadable = result_files.read_results(tmp_path, ["Deer", "Suv"]).unreadable
    assert "when unpacked" in unreadable["Deer"]
    assert "levels deep" in unreadable["Suv"]


def test_folders_without_results_of_a_tracker_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        result_files.read_results(tmp_path / "absent", ["Deer"])
    write_result(tmp_path / "T" / "Deer.txt", BOXES)
    with pytest.raises(InputError, match=r"has folders \(T\)"):
        result_files.read_results(tmp_path, ["Deer"])
    put(tmp_path / "U" / "run-1" / "Deer.json", "[]")
    put(tmp_path / "U" / "run-2" / "Deer.json", "[]")
    assert "wanted NAME.txt there" in result_files.read_results(tmp_path / "U", ["Deer"]).unreadable["Deer"]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just([1, 2, 3, 4]))
trees = st.recursive(values, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
records = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("res", "type", "resType", "startFrame", "fps", "shiftType"), trees)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("any")


def read_or_refuse(folder: Path) -> None:
    """Read and score the folder; an error is the project's own and one line long."""
    try:
        read = result_files.read_results(folder, ["Deer"])
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert all("\n" not in reason for reason in read.unreadable.values())
    for run in read.runs:
        for boxes in run.values():
            assert boxes.dtype == np.float64 and boxes.shape[1:] == (4,) and len(boxes) > 0
    score_folder(folder, {"Deer": BOXES})


@given(st.one_of(trees, st.lists(records, max_size=3)))
def test_any_json_is_read_or_refused(folder, content):
    (folder / "json").mkdir(exist_ok=True)
    (folder / "json" / "Deer.json").write_text(json.dumps(content))
    read_or_refuse(folder / "json")


@given(st.one_of(st.binary(max_size=60), st.text("0123456789.,-+eE \t\r\nnaif", max_size=60).map(str.encode)))
def test_any_text_is_read_or_refused(folder, content):
    for name in ("Deer.txt", "Deer_time.txt"):
        (folder / "text").mkdir(exist_ok=True)
        (folder / "text" / name).write_bytes(content)
    read_or_refuse(folder / "text")


@pytest.fixture(scope="module")
def mat() -> bytes:
    file = io.BytesIO()
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = {"res": BOXES, "type": "rect", "startFrame": 1}
    pytest.importorskip("scipy.io").savemat(file, {"results": cell})
    return file.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(changes=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=4), end=st.integers(0, 10**4))
def test_any_mat_is_read_or_refused(folder, mat, changes, end):
    broken = bytearray(mat)
    for at, value in changes:
        broken[at % len(broken)] = value
    (folder / "mat").mkdir(exist_ok=True)
    (folder / "mat" / "Deer_T.mat").write_bytes(broken[: len(broken) - end % len(broken)] if end % 3 == 0 else broken)
    read_or_refuse(folder / "mat")
