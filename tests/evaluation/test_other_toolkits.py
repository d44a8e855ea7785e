"""Folders and files of results as other toolkits hand them out, by known answers."""

import json
import unicodedata

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.evaluation.test_result_files import put, record, save_mat
from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import read_results, write_result
from tracking_env.evaluation.result_index import list_sequences
from tracking_env.evaluation.scoring import evaluate, score_folder
from tracking_env.evaluation.tracker_folders import TrackerFolders

TRUTH = np.array([[21.0, 31, 40, 30], [25, 33, 40, 30], [29, 35, 40, 30], [33, 37, 40, 30]])
ZERO_BASED = TRUTH - [1, 1, 0, 0]
PERFECT = 20 / 21


def text(boxes):
    return "".join(",".join(f"{number:g}" for number in row) + "\n" for row in boxes)


def auc(folder, dataset="vot"):
    (results,) = TrackerFolders([folder], [GroundTruth("clip", TRUTH, dataset=dataset)]).values()
    report = evaluate(results, {"clip": TRUTH})
    assert not report.failed, report.failed
    return report.mean["whole"].auc


def polygon(box):
    """A rhombus whose upright box is this one."""
    x, y, w, h = box
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("clip/clip_001.txt", "1\n" + text(ZERO_BASED[1:])),
        ("clip/clip_001.txt", "1\n" + text(polygon(box) for box in ZERO_BASED[1:])),
        ("clip/clip_001.txt", text(ZERO_BASED)),
        ("clip.txt", "1\n" + text(ZERO_BASED[1:])),
        ("clip.txt", text(ZERO_BASED)),
        ("clip.txt", text(TRUTH)),
    ],
)
def test_perfect_results_on_vot_are_perfect_whichever_way_they_count_pixels(tmp_path, file, content):
    put(tmp_path / file, content)
    assert auc(tmp_path) == pytest.approx(PERFECT)


def test_results_on_data_that_counts_from_1_are_not_moved(tmp_path):
    put(tmp_path / "clip.txt", text(ZERO_BASED))
    moved = auc(tmp_path, dataset="otb")
    assert moved < PERFECT
    put(tmp_path / "clip.txt", "1\n" + text(TRUTH[1:]))
    assert auc(tmp_path, dataset="otb") == pytest.approx(PERFECT)


def test_a_code_0_repeats_the_box_before_it(tmp_path):
    put(tmp_path / "clip.txt", "1\n" + text(TRUTH[1:2]) + "0\n" + text(TRUTH[3:]))
    boxes = score_folder(tmp_path, {"clip": TRUTH}).scores["clip"][0].measures.boxes
    assert_array_equal(boxes, TRUTH[[0, 1, 1, 3]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1\n1,2,3,4\n2\n0\n1\n1,2,3,4\n", "has the codes 1, 2, 0, 1 of VOT's supervised experiment"),
        ("0\n1,2,3,4\n", "has the codes 0 of VOT's supervised experiment"),
        ("1\n1,2,3,4,5\n", "row 2: got 5 numbers, expected a box x,y,w,h, a polygon or a code"),
        ("1,2,3,4\n1\n", "row 2: got 1 numbers, expected four numbers x,y,w,h"),
        ("1,2,3,4,5,6,7,8\n", "row 1: got 8 numbers, expected four"),
        ("1,2,3,4,0.5\n1,2,3,4\n", "row 1: got 5 numbers, expected four"),
        ("1,2,3,4,17\n2,2,3,4,18\n", "has five numbers a row, and the last is no confidence"),
        ("1\nm0,0,10,10,5,3\n", "line 2: got 'm0,0,10,10,5,3'"),
    ],
)
def test_rows_of_another_kind_are_refused(tmp_path, content, reason):
    put(tmp_path / "clip.txt", content)
    assert reason in read_results(tmp_path, ["clip"]).unreadable["clip"]


def test_a_confidence_behind_the_box_is_left_out(tmp_path):
    put(tmp_path / "clip.txt", "".join(f"{line},0.{at}\n" for at, line in enumerate(text(TRUTH).splitlines())))
    assert_array_equal(read_results(tmp_path, ["clip"]).runs[0]["clip"], TRUTH)


def test_folders_of_pytracking_are_runs(tmp_path):
    for run in range(3):
        write_result(tmp_path / "atom" / f"default_{run:03d}" / "clip.txt", TRUTH + run)
    results = read_results(tmp_path / "atom", ["clip"])
    assert [run["clip"][0, 0] for run in results.runs] == [21, 22, 23]
    assert list_sequences(tmp_path / "atom", ["clip", "other"]) == ["clip"]
    write_result(tmp_path / "atom" / "tuned_000" / "clip.txt", TRUTH)
    with pytest.raises(InputError, match=r"has folders \(default_000, default_001, default_002\) but no results; give"):
        read_results(tmp_path / "atom", ["clip"])


def test_a_sequence_named_like_a_run_is_none(tmp_path):
    write_result(tmp_path / "clip_001" / "clip_001_001.txt", TRUTH)
    assert [list(run) for run in read_results(tmp_path, ["clip_001"]).runs] == [["clip_001"]]


def test_a_mat_file_of_several_runs_is_read(tmp_path):
    save_mat(tmp_path / "clip_DiMP.mat", record(np.stack([TRUTH, TRUTH + 1, TRUTH + 2])))
    results = read_results(tmp_path, ["clip"])
    assert (results.protocol, [run["clip"][0, 0] for run in results.runs]) == ("ope", [21, 22, 23])
    put(tmp_path / "json" / "clip.json", json.dumps([record(np.stack([TRUTH, TRUTH]))]))
    assert len(read_results(tmp_path / "json", ["clip"]).runs) == 2


def test_a_folder_of_many_trackers_is_a_result_of_each(tmp_path):
    for at, tracker in enumerate(("KCF", "DSST", "My_Own")):
        save_mat(tmp_path / "all" / f"clip_{tracker}.mat", record(TRUTH + at))
    save_mat(tmp_path / "all" / "other_KCF.mat", record(TRUTH))
    sequences = [GroundTruth("clip", TRUTH), GroundTruth("other", TRUTH)]
    trackers = TrackerFolders([tmp_path / "all"], sequences)
    assert {name: results.runs[0]["clip"][0, 0] for name, results in trackers.items()} == {
        "DSST": 22,
        "KCF": 21,
        "My_Own": 23,
    }
    assert [name for name, results in trackers.items() if "other" in results.runs[0]] == ["KCF"]
    with pytest.raises(InputError, match=r"all holds results of 3 trackers; name one, or read all of them"):
        read_results(tmp_path / "all", ["clip"])
    write_result(tmp_path / "mine" / "clip.txt", TRUTH)
    assert list(TrackerFolders([tmp_path / "mine", tmp_path / "all"], sequences)) == [
        "mine",
        "all/DSST",
        "all/KCF",
        "all/My_Own",
    ]


def test_trackers_are_named_by_paths_where_folders_have_one_name(tmp_path):
    for place in ("a", "b"):
        write_result(tmp_path / place / "mil" / "clip.txt", TRUTH)
    folders = [tmp_path / "a" / "mil", tmp_path / "b" / "mil"]
    assert list(TrackerFolders(folders, [GroundTruth("clip", TRUTH)])) == [str(folder) for folder in folders]


def test_a_result_is_credited_to_the_sequence_of_its_exact_name(tmp_path):
    write_result(tmp_path / "car_1_1.txt", TRUTH)
    assert "car-11" not in read_results(tmp_path, ["car-11"]).runs[0]
    write_result(tmp_path / "car-11.txt", TRUTH + 1)
    write_result(tmp_path / "CAR_11.txt", TRUTH + 2)
    (run,) = read_results(tmp_path, ["car-11", "car-1-1"]).runs
    assert (run["car-11"][0, 0], run["car-1-1"][0, 0]) == (22, 21)


def test_names_that_could_mean_several_are_said(tmp_path):
    write_result(tmp_path / "CAR.txt", TRUTH)
    unreadable = read_results(tmp_path, ["Car", "car"]).unreadable
    assert unreadable == dict.fromkeys(
        ["Car", "car"], f"{tmp_path}/CAR.txt may be the result of Car or car; name the file exactly"
    )
    assert list_sequences(tmp_path, ["Car", "car"]) == ["Car", "car"]
    write_result(tmp_path / "car-1.txt", TRUTH)
    write_result(tmp_path / "car.1.txt", TRUTH)
    reason = read_results(tmp_path, ["Car1"]).unreadable["Car1"]
    assert reason.endswith("car-1.txt and car.1.txt may both be the results of Car1; rename the one that is Car1")


def test_both_unicode_forms_of_a_name_are_one(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    write_result(tmp_path / f"{decomposed}.txt", TRUTH)
    write_result(tmp_path / "got10k" / decomposed / f"{decomposed}_001.txt", TRUTH)
    for folder in (tmp_path, tmp_path / "got10k"):
        assert list(read_results(folder, [composed]).runs[0]) == [composed]


def test_a_part_of_a_longer_name_is_no_tracker(tmp_path):
    save_mat(tmp_path / "car1_1_KCF.mat", record(TRUTH))
    save_mat(tmp_path / "car1_KCF.mat", record(TRUTH + 1))
    # UAV123's sequence car1_1 is known, though it is not asked for.
    assert read_results(tmp_path, ["car1"]).runs[0]["car1"][0, 0] == 22
