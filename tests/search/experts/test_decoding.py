"""How each expert chooses among its cells, worked by hand on small maps."""

import numpy as np
import pytest

from tracking_env.search.experts import fear, nanotrack_v3, vittrack
from tracking_env.search.experts.base import Look

BOX = np.array([81.0, 81.0, 40.0, 40.0])


def look(scores, **changes):
    """Cells that all propose ``BOX``, but for changes by row and column."""
    boxes = np.tile(BOX, (*np.shape(scores), 1))
    for cell, box in changes.items():
        row, column = map(int, cell.removeprefix("at"))
        boxes[row, column] = box
    return Look(np.array(scores, np.float32), boxes)


def test_a_box_of_the_same_shape_has_no_penalty():
    boxes = np.stack([BOX, [86, 86, 40, 40], BOX * 2, [0, 0, 80, 20]])
    penalty = nanotrack_v3.change_penalty(boxes, BOX)
    # Twice the scale; and four times the ratio, its padded side sqrt(130 * 70) over 80.
    expected = [1, 1, np.exp(-0.138), np.exp(-0.138 * (4 * np.sqrt(9100) / 80 - 1))]
    np.testing.assert_allclose(penalty, expected, rtol=1e-12)


def test_nanotrack_prefers_the_middle():
    scores = [[0.9, 0, 0], [0, 0.5, 0], [0, 0, 0]]  # the window of 3 x 3 is 1 in the middle, else 0
    choice = nanotrack_v3.choose(look(scores), BOX)  # 0.5 * 0.545 + 0.455 against 0.9 * 0.545
    assert choice.cell == (1, 1) and choice.confidence == pytest.approx(0.5)


def test_nanotrack_prefers_what_changed_less():
    scores = [[1, 0, 0], [0, 0, 0], [0, 0, 0.9]]  # 0.9 * 0.545 is more than 0.455, what the window gives the middle
    assert nanotrack_v3.choose(look(scores), BOX).cell == (0, 0)
    assert nanotrack_v3.choose(look(scores, at00=[0, 0, 400, 40]), BOX).cell == (2, 2)


def test_nanotrack_smooths_the_size():
    scores = np.zeros((3, 3))
    scores[1, 1] = 0.5
    target = np.array([101.0, 91.0, 80.0, 80.0])
    choice = nanotrack_v3.choose(look(scores, at11=target), BOX)
    rate = 0.348 * 0.5 * np.exp(-0.138)
    side = (1 - rate) * 40 + rate * 80
    np.testing.assert_allclose(choice.box, [141 - side / 2, 131 - side / 2, side, side])


def test_fear_takes_the_best_cell_as_it_is():
    target = [1.0, 2.0, 3.0, 4.0]
    choice = fear.choose(look([[0.9, 0], [0, 0.8]], at00=target))
    assert choice.cell == (0, 0) and choice.confidence == pytest.approx(0.9)
    np.testing.assert_array_equal(choice.box, target)


def test_vittracks_maps_as_boxes():
    sizes, offsets = np.zeros((1, 2, 4, 4), np.float32), np.zeros((1, 2, 4, 4), np.float32)
    sizes[0, :, 2, 1] = [0.5, 0.25]
    offsets[0, :, 2, 1] = [0.5, 0.25]
    boxes = vittrack.decode(sizes, offsets)
    assert boxes.shape == (1, 4, 4, 4)
    np.testing.assert_allclose(boxes[0, 2, 1], [1.5 / 4 - 0.25, 2.25 / 4 - 0.125, 0.5, 0.25])
    np.testing.assert_allclose(boxes[0, 3, 0], [0, 0.75, 0, 0])


def test_vittrack_weighs_scores_by_a_window():
    scores = np.zeros((5, 5))
    scores[1, 1], scores[2, 2] = 0.9, 0.5  # the window: 0.25, 1
    choice = vittrack.choose(look(scores, at22=[1, 2, 3, 4]))
    assert choice.cell == (2, 2) and choice.confidence == pytest.approx(0.5)
    np.testing.assert_array_equal(choice.box, [1, 2, 3, 4])
