import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_env import boxes as bx
from tracking_env.search import regions

sides = st.floats(1, 500)
places = st.floats(-300, 900)
boxes = st.tuples(places, places, sides, sides).map(np.array)


def test_the_region_of_a_square_target_is_twice_its_padded_size():
    np.testing.assert_allclose(regions.around(np.array([11.0, 21, 40, 40]), 1.0), [-9, 1, 80, 80])
    np.testing.assert_allclose(regions.around(np.array([11.0, 21, 40, 40]), 2.0), [-49, -39, 160, 160])


def test_the_region_of_an_oblong_target_has_the_area_of_its_padded_box():
    # w = 10, h = 30, padding 20: (10 + 20) * (30 + 20) = 1500
    region = regions.around(np.array([1.0, 1, 10, 30]), 1.0)
    assert region[2] == region[3] == pytest.approx(1500**0.5)


@given(boxes, boxes)
def test_converting_to_a_region_and_back_gives_the_box(box, around):
    region = regions.around(around, 2.0)
    np.testing.assert_allclose(regions.from_region(regions.to_region(box, region), region), box, atol=1e-6)


@given(boxes)
def test_a_box_is_centred_in_its_own_region(box):
    inside = regions.to_region(box, regions.around(box, 1.5))
    np.testing.assert_allclose(inside[:2], 0.5, atol=1e-9)
    assert (inside[2:] < 1).all()


@given(boxes)
def test_a_limited_box_has_its_centre_in_the_image_and_a_positive_size(box):
    inside = regions.within(box, (320, 240))
    middle = inside[:2] + inside[2:] / 2
    assert (middle >= 1 - 1e-9).all() and (middle <= [321 + 1e-9, 241 + 1e-9]).all()
    assert (inside[2:] >= 4 - 1e-9).all() and (inside[2:] <= [320 + 1e-9, 240 + 1e-9]).all()


def test_a_box_inside_the_image_is_unchanged():
    box = np.array([10.5, 20, 30, 40])
    np.testing.assert_array_equal(regions.within(box, (320, 240)), box)


def gradient():
    """Red counts columns, green rows."""
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[..., 0], frame[..., 1] = np.arange(200), np.arange(100)[:, None]
    return frame


def test_a_crop_of_the_same_size_equals_the_pixels():
    cropped = regions.crop(gradient(), np.array([11.0, 21, 32, 32]), 32, (0, 0, 0))
    np.testing.assert_array_equal(cropped, gradient()[20:52, 10:42])


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_resized_crop_shows_the_same_place(factor):
    side = int(32 / factor)
    cropped = regions.crop(gradient(), np.array([51.0, 31, 32, 32]), side, (0, 0, 0)).astype(float)
    middles = 50 + (np.arange(side) + 0.5) * 32 / side - 0.5  # the red values of the columns in the crop
    np.testing.assert_allclose(cropped[side // 2, :, 0], middles, atol=0.76)
    np.testing.assert_allclose(cropped[:, side // 2, 1], middles - 20, atol=0.76)


@given(st.floats(3, 40), st.floats(3, 20), st.floats(8, 70), st.integers(4, 80))
def test_a_crop_of_any_size_shows_the_same_place(x, y, extent, side):
    cropped = regions.crop(gradient(), np.array([x + 1, y + 1, extent, extent]), side, (0, 0, 0)).astype(float)
    middles = (np.arange(side) + 0.5) * extent / side - 0.5
    np.testing.assert_allclose(cropped[side // 2, :, 0], x + middles, atol=1.2)
    np.testing.assert_allclose(cropped[:, side // 2, 1], y + middles, atol=1.2)


@pytest.mark.parametrize("factor", [2, 2.4, 3.3, 8])
def test_a_shrunk_crop_averages_pixels(factor):
    board = np.indices((160, 160)).sum(axis=0) % 2 * 200
    frame = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    cropped = regions.crop(frame, np.array([21.0, 21, 120, 120]), int(120 / factor), (0, 0, 0)).astype(float)
    assert cropped.mean() == pytest.approx(100, abs=2)
    assert np.ptp(cropped) < 100  # the board has a range of 200, which single sampled pixels would keep


@pytest.mark.parametrize("side", [16, 64])  # averaged, and interpolated
def test_pixels_outside_the_image_have_the_fill_colour(side):
    cropped = regions.crop(gradient(), np.array([-31.0, 1, 64, 64]), side, (7, 8, 9))
    np.testing.assert_array_equal(cropped[:, : side // 2 - 1], np.broadcast_to([7, 8, 9], (side, side // 2 - 1, 3)))
    assert (cropped[: side // 2, side // 2 + 1 :, 2] == 0).all()


@pytest.mark.parametrize("side", [16, 64])
def test_a_region_outside_the_image_has_only_the_fill_colour(side):
    cropped = regions.crop(gradient(), np.array([500.0, 500, 64, 64]), side, (7, 8, 9))
    np.testing.assert_array_equal(cropped, np.broadcast_to([7, 8, 9], (side, side, 3)))


def test_the_mean_colour_averages_all_pixels():
    assert regions.mean_colour(np.full((50, 60, 3), (10, 20, 30), np.uint8)) == (10, 20, 30)


def test_regions_of_several_boxes_equal_those_of_each_box():
    many = np.array([[[1.0, 2, 30, 40], [5, 6, 7, 8]]])
    np.testing.assert_array_equal(regions.around(many, 2.0)[0, 1], regions.around(many[0, 1], 2.0))
    assert bx.iou(many, regions.around(many, 1.0)).shape == (1, 2)
