"""What is read from the map of scores that an expert sees."""

import numpy as np
import pytest

from tracking_env.search.ensemble.report import find_scores_at, find_second_peak
from tracking_env.search.experts import Look


def look(scores):
    """A map whose cells have boxes of 8 x 18, so of size 12, with centres 10 apart, the first at (100, 200)."""
    columns, rows = np.meshgrid(100 + 10.0 * np.arange(len(scores)), 200 + 10.0 * np.arange(len(scores)))
    corners = np.stack([columns - 4, rows - 9], axis=-1)
    return Look(np.array(scores), np.concatenate([corners, np.full((*columns.shape, 2), [8.0, 18.0])], axis=-1))


def box(x, y):
    """A box of size 12 with this centre."""
    return [x - 4, y - 9, 8, 18]


SCORES = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]


@pytest.mark.parametrize(
    ("place", "score"),
    [
        ((110, 210), 0.5),  # the next cells are 10 away, more than half a size
        ((105, 210), 0.5),  # between two cells, the better one
        ((114, 214), 0.5),
        ((115.9, 210), 0.6),  # 4.1 and 5.9 away
        ((116.1, 210), 0.6),  # the middle cell is 6.1 away
        ((94, 200), 0.1),
        ((93, 200), 0.0),  # outside
    ],
)
def test_the_score_at_a_box_is_the_best_within_half_its_size(place, score):
    assert find_scores_at(look(SCORES), np.array([box(*place)])) == score


def test_each_box_has_its_own_score():
    boxes = np.array([box(100, 200), box(120, 220), box(500, 500)])
    assert find_scores_at(look(SCORES), boxes).tolist() == [0.1, 0.9, 0]


def test_the_second_peak_is_the_best_score_far_from_the_cell():
    scores = np.zeros((8, 8))
    scores[3, 3], scores[3, 5], scores[6, 3] = 0.9, 0.8, 0.4
    # Far is more than half the map's radius of 4 cells: 2 away is near, 3 away is not.
    assert find_second_peak(scores, (3, 3)) == 0.4
    assert find_second_peak(scores[:1, :1], (0, 0)) == 0
