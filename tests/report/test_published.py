import numpy as np
import pytest

from tracking_env.datasets import otb
from tracking_env.report import published


def test_table_2_has_the_30_sequences_and_9_trackers():
    assert set(published.TABLE_2) == set(otb.LISTS["drlt30"])
    assert len(published.TABLE_2) == 30
    assert published.TRACKERS == ("DRLT", "STRUCK", "SCM", "DLT", "VTS", "VTD", "OAB", "CSK", "TLD")
    assert all(tuple(row) == published.TRACKERS for row in published.TABLE_2.values())
    assert all(0 < value < 1 for row in published.TABLE_2.values() for value in row.values())


def test_the_corner_cells_of_table_2_are_right():
    assert published.TABLE_2["Suv"]["DRLT"] == 0.621
    assert published.TABLE_2["Suv"]["TLD"] == 0.660
    assert published.TABLE_2["Dancer2"]["DRLT"] == 0.825
    assert published.TABLE_2["Dancer2"]["TLD"] == 0.651


@pytest.mark.parametrize("tracker", [name for name in published.TRACKERS if name != "DRLT"])
def test_the_average_row_is_the_mean_of_its_column(tracker):
    column = [row[tracker] for row in published.TABLE_2.values()]
    assert round(float(np.mean(column)), 3) == published.AVERAGE[tracker]


def test_the_printed_average_of_the_paper_differs_from_its_rows():
    # Its column says 0.5631, its last row and its text 0.562. Both stay as printed.
    assert published.AVERAGE["DRLT"] == 0.562
    assert np.mean([row["DRLT"] for row in published.TABLE_2.values()]) == pytest.approx(0.56307, abs=1e-5)


def test_best_and_second_best_counts_equal_those_of_the_paper():
    ranked = [published.find_best_two(row) for row in published.TABLE_2.values()]
    assert sum("DRLT" in best for best, _ in ranked) == 12  # section 4.3
    assert sum("DRLT" in second for _, second in ranked) == 4
    assert published.find_best_two(published.AVERAGE) == ({"DRLT"}, {"STRUCK"})


def test_ties_share_a_rank():
    assert published.find_best_two(published.TABLE_2["BlurCar2"]) == ({"STRUCK", "CSK"}, {"DLT"})
    assert published.find_best_two(published.TABLE_2["Human3"]) == ({"DRLT"}, {"VTS", "VTD"})
    assert published.find_best_two({"a": 0.5004, "b": 0.4996, "c": 0.499}) == ({"a", "b"}, {"c"})


def test_missing_values_have_no_rank():
    assert published.find_best_two({"a": None, "b": 0.0}) == ({"b"}, set())
    assert published.find_best_two({"a": None}) == (set(), set())
    assert published.find_best_two({}) == (set(), set())


def test_table_1_equals_that_of_the_paper():
    rows = {row.tracker: (row.auc, row.precision20, row.fps) for row in published.TABLE_1}
    assert rows == {
        "DLT": (0.384, 0.490, 8),
        "STRUCK": (0.496, 0.664, 10),
        "DRLT": (0.543, 0.635, 45),
        "DRLT-LSTM": (0.543, 0.635, 270),
    }
