import numpy as np
import pytest

from tracking_env.search.experts.geometry import best_cell, from_sides, grow, hann, in_pixels, square

BOX = np.array([11.0, 21.0, 20.0, 5.0])  # centre 21, 23.5


def test_a_box_grown_by_its_sides():
    np.testing.assert_allclose(grow(BOX, 1.4), [7, 20, 28, 7])
    np.testing.assert_allclose(grow(np.stack([BOX, BOX]), 5), [[-29, 11, 100, 25]] * 2)


def test_a_square_of_the_boxs_area():
    np.testing.assert_allclose(square(BOX, 2), [11, 13.5, 20, 20])  # 10 is the square root of 20 * 5


def test_relative_boxes_in_a_region_that_is_no_square():
    region = np.array([101.0, 1.0, 50.0, 200.0])
    relative = np.array([[0.5, 0.5, 0.1, 0.1], [0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(in_pixels(relative, region), [[126, 101, 5, 20], region], rtol=1e-6)
    np.testing.assert_array_equal(relative[1], [0, 0, 1, 1])  # is not written to


def test_sides_of_boxes_worked_by_hand():
    sides = np.zeros((1, 4, 2, 2), np.float32)
    sides[0, :, 1, 0] = [3, 4, 5, 6]  # of the cell in the lower left: left, top, right, bottom
    boxes = from_sides(sides, np.array([8.0, 24.0]), side=32)
    np.testing.assert_allclose(boxes[0, 1, 0] * 32, [8 - 3, 24 - 4, 3 + 5, 4 + 6])
    np.testing.assert_allclose(boxes[0, 0, 1] * 32, [24, 8, 0, 0])


def test_the_window_and_the_best_cell():
    assert hann(15)[7, 7] == 1 and hann(15)[0].max() == 0
    assert hann(16).max() == pytest.approx(0.978, abs=1e-3)  # an even number of cells has none in the middle
    assert best_cell(np.array([[0, 1, 0], [5, 2, 5]])) == (1, 0)
