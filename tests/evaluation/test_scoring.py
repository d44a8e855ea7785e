import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tracking_env.datasets import otb
from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError
from tracking_env.evaluation import score_report
from tracking_env.evaluation.protocols import choose_protocol
from tracking_env.evaluation.result_files import Results, write_result
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import evaluate, score_folder
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.report import text_tables


def track(length: int) -> np.ndarray:
    """A target that moves one pixel to the right per frame."""
    return np.array([[10.0 + at, 10, 30, 20] for at in range(length)])


def test_evaluate_reports_the_three_parts():
    truths = {"a": track(9), "b": track(2)}
    runs = {"a": truths["a"].copy(), "b": track(2), "other": track(5)}
    runs["a"][3:] += 1000
    scored = evaluate(runs, truths)
    assert list(scored.sequences) == ["a", "b"]
    assert scored.sequences["a"]["seen"].mean_iou == 1
    assert scored.sequences["a"]["unseen"].mean_iou == 0
    assert scored.sequences["b"]["seen"] is None  # floor(2 / 3)
    assert scored.mean["whole"].mean_iou == pytest.approx((1 / 3 + 1) / 2)
    assert scored.mean["seen"].mean_iou == 1
    assert scored.mean["unseen"].mean_iou == 0.5


def test_the_number_of_seen_frames_can_be_set():
    truths = {"a": track(9)}
    scored = evaluate(truths, truths, seen={"a": 0})
    assert scored.mean["seen"] is None
    assert scored.mean["unseen"] == scored.mean["whole"]
    assert evaluate(truths, truths, seen={"a": 4}).sequences["a"]["seen"].frames == 4


def test_a_report_converts_to_json():
    truths = {"a": track(9), "b": track(3)}
    data = json.loads(json.dumps(evaluate({"a": track(9)}, truths, seen={"a": 0, "b": 1}).to_json()))
    numbers = {"auc": pytest.approx(20 / 21), "precision20": 1, "norm_precision20": 1, "mean_iou": 1}
    assert data["mean"] == {"whole": numbers, "seen": None, "unseen": numbers}
    assert data["sequences"] == {"a": {"frames": 9, "whole": numbers, "seen": None, "unseen": numbers}}
    assert data["failed"] == {"b": "no result"}
    assert "21 overlaps" in data["protocol"]
    assert (data["runs"], data["std"], data["fps"], data["attributes"]) == (1, None, None, {})


def test_a_selection_averages_only_its_sequences():
    truths = {"a": track(9), "b": track(9), "c": track(9)}
    runs = {"a": track(9), "b": moved(track(9), slice(3, None))}
    selected = evaluate(Results((runs,), fps={"a": 10.0, "b": 30.0}), truths).select(["b", "c"])
    alone = evaluate(Results(({"b": runs["b"]},), fps={"b": 30.0}), {"b": truths["b"], "c": truths["c"]})
    assert selected.to_json() == alone.to_json()
    assert list(selected.failed) == ["c"]


def test_failures_are_counted_over_sequences_and_runs():
    truths = {"a": track(9), "b": track(9)}
    lost = moved(track(9), slice(3, 5))
    stats = evaluate(Results(({"a": lost, "b": track(9)}, {"a": track(9), "b": track(9)})), truths).count_failures()
    assert (stats.runs, stats.frames, stats.failures, stats.recovered, stats.lost) == (4, 36, 1, 1, 2)


def test_a_wrong_number_of_rows_fails_that_sequence_only():
    scored = evaluate({"a": track(8), "b": track(5)}, {"a": track(9), "b": track(5)})
    assert scored.failed == {"a": "8 rows for 9 frames; write one row per frame"}
    assert list(scored.sequences) == ["b"]


def test_a_report_without_scores_has_no_means():
    scored = evaluate({}, {"a": track(3)})
    assert scored.mean == {"whole": None, "seen": None, "unseen": None}
    assert scored.to_json()["sequences"] == {}


def test_results_for_the_full_annotation_file_are_cut_to_the_evaluated_frames():
    full = track(354)
    truths = {"Tiger1": otb.cut_to_official_range("Tiger1", full)}
    assert len(truths["Tiger1"]) == 349
    assert evaluate({"Tiger1": full}, truths).to_json() == evaluate(truths, truths).to_json()
    assert evaluate({"Tiger1": track(353)}, truths).failed


def test_written_result_files_are_read_unchanged(tmp_path):
    boxes = track(6) + 0.12344
    boxes[3] = np.nan
    write_result(tmp_path / "new" / "a.txt", boxes)
    assert (tmp_path / "new" / "a.txt").read_text().splitlines()[0] == "10.1234,10.1234,30.1234,20.1234"
    assert_array_equal(read_boxes(tmp_path / "new" / "a.txt"), boxes.round(4))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_score_folder_scores_the_result_files(tmp_path):
    truths = {"a": track(9), "b": track(9), "c": track(9)}
    write_result(tmp_path / "a.txt", truths["a"])
    (tmp_path / "b.txt").write_text("1,2,3\n")
    scored = score_folder(tmp_path, truths)
    assert scored.sequences == evaluate({"a": truths["a"]}, {"a": truths["a"]}).sequences
    assert "b.txt, line 1" in scored.failed["b"]
    assert scored.failed["c"] == "no result"
    with pytest.raises(InputError, match="no folder"):
        score_folder(tmp_path / "absent", truths)


def moved(boxes: np.ndarray, part: slice) -> np.ndarray:
    """Boxes some of which miss the target by far."""
    boxes = boxes.copy()
    boxes[part] += 1000
    return boxes


def test_several_runs_give_mean_and_standard_deviation():
    truths = {"a": track(9), "b": track(9)}
    runs = ({"a": track(9), "b": moved(track(9), slice(3, None))}, {"a": track(9), "b": track(9)})
    scored = evaluate(Results(runs, fps={"a": 10.0, "b": 30.0, "c": 1.0}), truths)
    assert scored.sequences["b"]["whole"].mean_iou == pytest.approx(2 / 3)
    assert scored.sequences["b"]["whole"].frames == 9
    assert [run["whole"].mean_iou for run in scored.runs] == pytest.approx([2 / 3, 1])
    assert scored.mean["whole"].mean_iou == pytest.approx(5 / 6)
    assert scored.std["whole"].mean_iou == pytest.approx((1 / 3) / 2**0.5)
    assert scored.std["seen"].mean_iou == 0
    data = json.loads(json.dumps(scored.to_json()))
    assert (data["runs"], data["fps"], data["sequences"]["b"]["fps"]) == (2, 20, 30)
    assert data["std"]["unseen"]["precision20"] == pytest.approx(0.5 / 2**0.5)


def test_a_sequence_missing_in_a_run_fails():
    truths = {"a": track(9), "b": track(9), "c": track(9)}
    runs = ({"a": track(9), "b": track(9)}, {"a": track(9), "b": track(8)}, {"b": track(9)})
    scored = evaluate(Results(runs), truths)
    assert scored.failed == {
        "a": "run 3: no result",
        "b": "run 2: 8 rows for 9 frames; write one row per frame",
        "c": "no result",
    }


def test_tre_scores_the_frames_of_all_starts_together():
    truth = track(9)
    runs = ({"a": track(9)}, {"a": moved(truth[2:], slice(None))}, {"a": truth[6:]})
    scored = evaluate(Results(runs, protocol="tre", starts={"a": (0, 2, 6)}), {"a": truth})
    parts = scored.sequences["a"]
    assert {part: score.frames for part, score in parts.items()} == {"whole": 19, "seen": 4, "unseen": 15}
    # The second run misses all of its 7 frames except the first, frame 2, which lies in the seen part.
    assert [parts[part].mean_iou for part in PARTS] == pytest.approx([13 / 19, 1, 9 / 15])
    assert (scored.std["whole"], scored.runs) == (None, [])
    assert "TRE" in scored.rules


def test_tre_with_wrong_rows_or_starts_fails():
    truths = {name: track(9) for name in "abc"}
    runs = ({"a": track(9), "b": track(9), "c": track(9)}, {"a": track(9), "c": track(9)})
    scored = evaluate(Results(runs, protocol="tre", starts={"a": (0, 2), "b": (0, 2), "c": (0, 9)}), truths)
    assert scored.failed == {
        "a": "start 2: 9 rows for 7 frames; write one row per frame",
        "b": "start 2: no result",
        "c": "start 2: starts at frame 9 of 9, counted from 0; run the tracker again",
    }


def test_sequences_may_have_different_numbers_of_starts():
    truths = {"a": track(9), "b": track(2)}
    runs = ({"a": track(9), "b": track(2)}, {"a": track(9)[4:]})
    scored = evaluate(Results(runs, protocol="tre", starts={"a": (0, 4), "b": (0,)}), truths)
    assert not scored.failed
    assert scored.mean["whole"].mean_iou == 1


def test_sre_counts_the_first_frame_as_true():
    truths = {"a": track(3)}
    runs = ({"a": track(3)}, {"a": moved(track(3), slice(None))})
    scored = evaluate(Results(runs, protocol="sre", starts={"a": (0, 0)}), truths)
    assert scored.sequences["a"]["whole"].mean_iou == pytest.approx(4 / 6)


def test_scores_are_averaged_per_attribute():
    truths = {"a": track(9), "b": track(9), "c": track(9)}
    predictions = {"a": track(9), "b": moved(track(9), slice(None)), "c": track(9)}
    scored = evaluate(predictions, truths, attributes={"a": ("own", "OCC"), "b": ("OCC",), "d": ("FM",)})
    groups = scored.by_attribute()
    assert [(tag, count) for tag, (count, _) in groups.items()] == [("OCC", 2), ("own", 1)]
    assert groups["OCC"][1]["whole"].mean_iou == pytest.approx((1 + 1 / 9) / 2)
    assert scored.to_json()["attributes"]["own"]["sequences"] == 1
    assert scored.to_json()["attributes"]["own"]["unseen"]["mean_iou"] == 1
    truth = {"Deer": track(71)}
    assert set(evaluate(truth, truth).by_attribute()) == set(otb.TABLE["Deer"].attributes)


def test_the_attributes_equal_those_of_the_table():
    assert set(score_report.ATTRIBUTES) == {tag for entry in otb.TABLE.values() for tag in entry.attributes}
    assert len(score_report.ATTRIBUTES) == 11


def test_the_formula_of_the_paper_gives_no_precision():
    truths = {"a": track(9)}
    scored = evaluate(truths, truths, protocol="drlt-paper")
    assert scored.mean["whole"].auc == 1
    assert scored.to_json()["mean"]["whole"]["precision20"] is None
    title, head, row = text_tables.format_trackers({"perfect": scored}).splitlines()
    assert title.startswith("DRLT paper's Table 2 (")
    assert head.split() == ["tracker", "AUC", "mean", "IoU"] and row.split() == ["perfect", "1.000", "1.000"]
    assert "P@" not in head


def test_tables_show_the_scores():
    perfect = evaluate({"a": track(9)}, {"a": track(9)})
    title, head, row = text_tables.format_trackers({"perfect": perfect}).splitlines()
    assert title == "OTB one-pass evaluation (Wu, Lim, Yang, TPAMI 2015)"
    assert head.split() == ["tracker", "AUC", "P@20", "norm.", "P@.20"]
    assert row.split() == ["perfect", "0.952", "1.000", "1.000"]
    lines = text_tables.format_sequences(perfect).splitlines()
    assert [line.split()[0] for line in lines] == ["OTB", "sequence", "a", "mean"]
    heading, blank, *lines = text_tables.format_trackers({"perfect": perfect}, markdown=True).splitlines()
    assert (heading, blank) == (title, "")
    assert lines == [
        "| tracker | AUC | P@20 | norm. P@.20 |",
        "| --- | ---: | ---: | ---: |",
        "| perfect | 0.952 | 1.000 | 1.000 |",
    ]


def test_the_parts_have_columns_only_beside_a_tracker_that_was_trained_on_them(tmp_path):
    truth = track(9)
    write_result(tmp_path / "a.txt", moved(truth, slice(3, None)))
    (tmp_path / "trained-on.txt").write_text("a\nanother\n")
    trained, other = score_folder(tmp_path, {"a": truth}), evaluate({"a": truth}, {"a": truth})
    assert trained.trained and not other.trained and not score_folder(tmp_path, {"b": truth}).trained
    _, head, first, second, _, note = text_tables.format_trackers({"ours": trained, "theirs": other}).splitlines()
    assert head.split("  ")[-2:] == ["AUC first third", "AUC rest"]
    assert first.split()[-2:] == ["0.952", "0.000"] and second.split()[-2:] == ["0.952", "0.952"]
    assert note == "Trained on the first thirds of these videos: ours"
    assert "first third" in text_tables.format_sequences(trained).splitlines()[1]
    assert "first third" not in text_tables.format_trackers({"theirs": other})
    assert "first third" not in text_tables.format_trackers(
        {"uav": replace(trained, protocol=choose_protocol("uav123"))}
    )


def test_tables_fit_80_columns():
    runs = tuple({"a": moved(track(9), slice(at, None))} for at in (3, 4))
    several = evaluate(Results(runs, fps={"a": 1234.5}), {"a": track(9)})
    reports = {"a name of forty characters or even more!": several, "short": several}
    text = text_tables.format_trackers(reports)
    assert max(map(len, text.splitlines())) <= 80 and "a name of forty characters" in text
    assert "short" in text and "±." in text
    split = text_tables.format_trackers({name: replace(report, trained=True) for name, report in reports.items()})
    assert split.splitlines()[2].startswith("a name of f…  ")


def test_tables_show_runs_speed_and_attributes():
    runs = ({"a": track(9)}, {"a": moved(track(9), slice(3, None))})
    several = evaluate(Results(runs, fps={"a": 12.34}), {"a": track(9)}, attributes={"a": ("OCC",)})
    plain = evaluate({"a": track(9)}, {"a": track(9)})
    _, head, first, second = text_tables.format_trackers({"two": several, "one": plain}).splitlines()
    assert head.split()[-1] == "fps"
    assert "0.635±.449" in first  # (20/21 + 20/63) / 2, and their difference divided by the root of 2
    assert "0.635 ± 0.449" in text_tables.format_trackers({"two": several}, markdown=True)
    assert first.split()[-1] == "12.3"
    assert second.split()[-1] == "-"
    lines = text_tables.format_sequences(several).splitlines()
    assert ["±" in line for line in lines] == [False, False, False, True]
    assert text_tables.format_attributes(several).splitlines()[2].split()[:3] == ["OCC", "(1)", "0.635"]
    assert len(text_tables.format_attributes(plain).splitlines()) == 2


def struck(reference, names) -> Report:
    truths = {name: otb.read_truth(reference / "annotations" / f"{name}.txt", name) for name in names}
    return score_folder(reference / "struck_ope", truths)


@pytest.mark.otb
def test_scores_equal_the_official_ones(reference):
    expected = json.loads((reference / "expected_struck_drlt30.json").read_text())
    scored = struck(reference, otb.LISTS["drlt30"])
    assert scored.sequences.keys() == expected.keys()
    for name, parts in scored.sequences.items():
        whole, unseen, official = parts["whole"], parts["unseen"], expected[name]
        got = [whole.frames, whole.auc, whole.precision20, whole.mean_iou, unseen.auc, unseen.mean_iou]
        keys = ["n", "auc21", "p20", "mean_iou", "unseen_auc21", "unseen_mean_iou"]
        assert got == pytest.approx([official[key] for key in keys], abs=1e-6), name
    mean = scored.mean
    for key, got in [("mean_iou", mean["whole"].mean_iou), ("unseen_auc21", mean["unseen"].auc)]:
        assert got == pytest.approx(np.mean([official[key] for official in expected.values()]), abs=1e-6)
    assert [mean["whole"].auc, mean["whole"].precision20] == pytest.approx([0.494741, 0.664437], abs=1e-6)


@pytest.mark.otb
def test_scores_on_otb2013_equal_the_official_ones(reference):
    scored = struck(reference, otb.LISTS["otb2013"])
    assert not scored.failed
    mean = scored.mean["whole"]
    assert [mean.auc, mean.precision20] == pytest.approx([0.473663, 0.656132], abs=1e-6)


@pytest.mark.otb
def test_a_published_result_that_is_too_short_fails(reference):
    scored = struck(reference, otb.LISTS["otb100"])
    assert scored.failed == {"ClifBar": "329 rows for 472 frames; write one row per frame"}
