"""Names of sequences and trackers may hold any character; a table has a row for each all the same."""

import numpy as np

from tracking_env.evaluation.scoring import evaluate
from tracking_env.report.text_tables import format_sequences, format_trackers

TRUTH = np.tile([10.0, 10, 20, 20], (12, 1))
NAMES = ["two\nlines", "a|b", "<b>x", "tab\tx", "esc\x1b[31m"]


def test_a_row_is_one_line_whatever_the_name():
    report = evaluate(dict.fromkeys(NAMES, TRUTH), dict.fromkeys(NAMES, TRUTH))
    rows = format_sequences(report).splitlines()[2:-1]
    assert [row.split()[0] for row in rows] == [r"two\nlines", "a|b", "<b>x", r"tab\tx", r"esc\x1b[31m"]
    assert [row.split()[1] for row in rows] == ["0.952"] * len(NAMES)


def test_a_name_is_one_cell_of_markdown():
    report = evaluate({"a": TRUTH}, {"a": TRUTH})
    rows = format_trackers(dict.fromkeys(NAMES, report), markdown=True).splitlines()[4:]
    assert [row.replace(r"\|", "").count("|") for row in rows] == [5] * len(NAMES)
    assert rows[1].startswith(r"| a\|b | 0.952 |") and rows[2].startswith("| &lt;b>x | 0.952 |")


def test_a_sequence_that_is_called_mean_has_a_row_of_its_own():
    far = TRUTH + np.array([500, 500, 0, 0])
    report = evaluate({"mean": TRUTH, "other": far}, {"mean": TRUTH, "other": TRUTH})
    assert [row.split()[:2] for row in format_sequences(report).splitlines()[2:]] == [
        ["mean", "0.952"],
        ["other", "0.079"],
        ["mean", "0.516"],
    ]
