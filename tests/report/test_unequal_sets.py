"""Trackers that lack results of some sequences: means beside each other are over the same sequences, and say so."""

import json
import re

import numpy as np
import pytest

from tracking_env import cli
from tracking_env.evaluation.ground_truth import GroundTruth
from tracking_env.evaluation.result_files import Results, write_result
from tracking_env.evaluation.score_report import say_common, select_common
from tracking_env.evaluation.scoring import evaluate
from tracking_env.report.text_tables import format_attributes, format_sequences, format_trackers

TRUTH = np.tile([10.0, 10, 20, 20], (12, 1))
FAR = TRUTH + np.array([500, 500, 0, 0])
TRUTHS = {"easy": TRUTH, "hard": TRUTH, "third": TRUTH}
PERFECT = "0.952"


def report(**boxes):
    return evaluate(boxes, TRUTHS, attributes={"easy": ("OCC",), "hard": ("OCC",), "third": ("SV",)})


@pytest.fixture
def reports():
    """One tracker is perfect on the easy sequence and lacks the hard one; one has no result at all."""
    return {
        "full": report(easy=TRUTH, hard=FAR, third=FAR),
        "partial": report(easy=TRUTH, third=TRUTH),
        "none": report(),
    }


def test_means_are_over_the_sequences_of_all_trackers_that_have_any(reports):
    common = select_common(reports)
    assert [list(report.scores) for report in common.values()] == [["easy", "third"], ["easy", "third"], []]
    assert say_common(common) == ", on 2 of 3 sequences"
    assert common["full"].failed == {"hard": "another tracker has no score"}
    assert reports["full"].mean["whole"].auc < common["full"].mean["whole"].auc < common["partial"].mean["whole"].auc
    equal = {"a": reports["full"], "b": reports["full"]}
    assert say_common(select_common(equal)) == ""


def test_trackers_without_a_common_sequence_have_no_means():
    reports = {"a": report(easy=TRUTH), "b": report(hard=TRUTH)}
    lines = format_trackers(reports).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["-", "-"]
    assert [line.split()[-3:] for line in lines[2:]] == [["1", "of", "3"]] * 2


@pytest.mark.parametrize("markdown", [True, False])
def test_the_table_says_over_how_many_sequences_its_numbers_are(reports, markdown):
    lines = [line for line in format_trackers(reports, markdown).splitlines()[1:] if line and "---" not in line]
    rows = [re.split(r"\s*\|\s*|\s{2,}", line.strip("| ")) for line in lines]
    assert rows[0][0] == "tracker, on 2 of 3 sequences" and rows[0][-1] == "scored"
    assert {row[0]: (row[1], row[-1]) for row in rows[1:]} == {
        "full": ("0.516", "3 of 3"),
        "partial": (PERFECT, "2 of 3"),
        "none": ("-", "0 of 3"),
    }


def test_complete_results_have_no_such_words():
    table = format_trackers({"a": report(easy=TRUTH, hard=TRUTH, third=TRUTH)})
    assert "scored" not in table and "sequences" not in table


def test_the_mean_of_one_tracker_says_what_it_is_over(reports):
    assert format_sequences(reports["partial"]).splitlines()[-1].startswith("mean of 2 of 3")
    assert format_sequences(report(easy=TRUTH, hard=TRUTH, third=TRUTH)).splitlines()[-1].startswith("mean  ")
    assert "attribute, on 2 of 3 sequences" in format_attributes(reports["partial"])


def test_a_speed_is_known_if_it_is_known_of_all_sequences():
    run = {"easy": TRUTH, "hard": TRUTH}
    truths = dict.fromkeys(run, TRUTH)
    assert evaluate(Results((run,), fps={"easy": 10.0}), truths).mean_fps is None
    assert evaluate(Results((run,), fps={"easy": 10.0, "hard": 30.0}), truths).mean_fps == 20


@pytest.mark.parametrize("command", ["score", "report"])
def test_means_in_json_compare_and_name_their_sequences(command, tmp_path, capsys):
    (tmp_path / "truth").mkdir()
    for name in ("easy", "hard"):
        np.savetxt(tmp_path / "truth" / f"{name}.txt", TRUTH, delimiter=",")
        write_result(tmp_path / "full" / f"{name}.txt", TRUTH if name == "easy" else FAR)
    write_result(tmp_path / "partial" / "easy.txt", TRUTH)
    folders = [str(tmp_path / "full"), str(tmp_path / "partial")]
    flags = ["--annotations", str(tmp_path / "truth"), "--json"]
    if command == "report":
        pytest.importorskip("jinja2"), pytest.importorskip("matplotlib")
        flags += ["--out", str(tmp_path / "page"), "--gallery", "0"]
    assert cli.main([command, *folders, *flags]) == 1  # one has no result of `hard`
    content = json.loads(capsys.readouterr().out)
    trackers = content["trackers"] if command == "report" else content
    assert [row["mean"]["whole"]["auc"] for row in trackers.values()] == pytest.approx([20 / 21] * 2)
    assert [row["mean_over"] for row in trackers.values()] == [["easy"]] * 2
    assert list(trackers["full"]["sequences"]) == ["easy", "hard"]
    assert trackers["partial"]["failed"] == {"hard": "no result"}


@pytest.fixture
def results():
    return {"full": Results(({"Suv": TRUTH, "Deer": FAR},)), "partial": Results(({"Suv": TRUTH},))}


SEQUENCES = [GroundTruth("Suv", TRUTH, ("OCC",)), GroundTruth("Deer", TRUTH, ("OCC",))]


def test_the_page_compares_on_common_sequences_alone(results, tmp_path):
    pytest.importorskip("jinja2"), pytest.importorskip("matplotlib")
    from tracking_env.report.page import write_page

    summaries = write_page(tmp_path, SEQUENCES, results)
    assert {name: summary.mean["whole"].auc for name, summary in summaries.items()} == pytest.approx(
        {"full": 20 / 21, "partial": 20 / 21}
    )
    assert [list(summary.sequences) for summary in summaries.values()] == [["Suv", "Deer"], ["Suv"]]
    assert [summary.by_attribute["OCC"][0] for summary in summaries.values()] == [1, 1]
    assert all(np.mean(summary.curves["success"]["whole"]) == pytest.approx(20 / 21) for summary in summaries.values())
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Means, curves and bars are on 1 of 2 sequences" in text
    assert "Success, whole video, on 1 of 2 sequences" in (tmp_path / "plots" / "success-whole.svg").read_text()


def test_means_beside_the_papers_are_not_ranked_on_other_sequences(results):
    pytest.importorskip("matplotlib")
    from tracking_env.report.gallery import Gallery
    from tracking_env.report.page_content import Page

    first, second = Page(SEQUENCES, results, Gallery(0)).paper()
    assert not any(cell.mark for row in first.rows.values() for cell in row)
    assert any(cell.mark for row in second.rows.values() for cell in row)
