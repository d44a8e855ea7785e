import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tracking_env import boxes as bx

# Whole pixels: products and sums are exact, so that the invariances hold to the last bit or nearly.
place = st.integers(-500, 500)
side = st.integers(1, 500)
box = st.tuples(place, place, side, side).map(lambda values: np.array(values, dtype=np.float64))
size = st.tuples(st.integers(1, 2000), st.integers(1, 2000))


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        ([1, 1, 10, 10], [1, 1, 10, 10], 1),
        ([1, 1, 10, 10], [6, 1, 10, 10], 1 / 3),
        ([1, 1, 10, 10], [11, 1, 10, 10], 0),  # they touch
        ([1, 1, 10, 10], [3, 3, 5, 5], 1 / 4),  # one inside the other
        ([1, 1, 10, 10], [100, 100, 10, 10], 0),
        ([1, 1, 0, 10], [1, 1, 10, 10], 0),
        ([1, 1, 10, -10], [1, 1, 10, 10], 0),
        ([1, 1, 0, 0], [1, 1, 0, 0], 0),
        ([0.25, 0.25, 0.5, 0.5], [0, 0, 1, 1], 1 / 4),
    ],
)
def test_iou_equals_values_by_hand(a, b, answer):
    assert bx.iou(np.array(a, dtype=float), np.array(b, dtype=float)) == pytest.approx(answer)


def test_iou_of_nan_is_nan():
    assert np.isnan(bx.iou(np.array([1, 1, np.nan, 5]), np.array([1.0, 1, 5, 5])))


def test_iou_broadcasts():
    a = np.ones((3, 1, 4))
    b = np.ones((5, 4))
    assert_allclose(bx.iou(a, b), np.ones((3, 5)))


@given(box, box)
def test_iou_is_symmetric_and_in_range(a, b):
    assert bx.iou(a, b) == bx.iou(b, a)
    assert 0 <= bx.iou(a, b) <= 1
    assert bx.iou(a, a) == 1


@given(box, box, place, place, st.floats(0.01, 100))
def test_iou_ignores_shift_and_scale(a, b, dx, dy, scale):
    shift = np.array([dx, dy, 0, 0])
    assert bx.iou(a + shift, b + shift) == bx.iou(a, b)
    assert bx.iou(a * scale, b * scale) == pytest.approx(bx.iou(a, b), abs=1e-9)


def test_relative_boxes_equal_values_by_hand():
    whole_image = np.array([1.0, 1, 200, 100])
    assert_allclose(bx.to_relative(whole_image, (200, 100)), [0.5, 0.5, 1, 1])
    assert_allclose(bx.to_relative(np.array([51.0, 11, 20, 10]), (200, 100)), [0.3, 0.15, 0.1, 0.1])


@given(box, size)
def test_to_pixels_inverts_to_relative(a, size):
    assert_allclose(bx.to_pixels(bx.to_relative(a, size), size), a, atol=1e-9)
    assert_allclose(bx.top_left(bx.centre(a)), a)


def test_zero_based_boxes_start_one_pixel_earlier():
    assert bx.to_zero_based(np.array([[1, 2, 30, 40]])).tolist() == [[0, 1, 30, 40]]
    assert bx.to_one_based((0.0, 1.0, 30.0, 40.0)) == (1, 2, 30, 40)


def test_clip_limits_boxes_to_the_image():
    assert_allclose(bx.clip_box(np.array([-0.1, 0.5, 1.2, 1.0])), [0, 0.5, 1, 1])


def test_centre_error_equals_values_by_hand():
    a, b = np.array([1.0, 1, 10, 10]), np.array([4.0, 5, 10, 10])
    assert bx.centre_error(a, b) == 5
    assert bx.centre_error(a, np.array([0.0, 0, 12, 12])) == 0


@given(st.lists(st.tuples(box, box), min_size=1, max_size=5), size)
def test_numpy_and_torch_agree(pairs, size):
    torch = pytest.importorskip("torch")
    a, b = np.array(pairs).swapaxes(0, 1)
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    for measure in (bx.iou, bx.centre_error):
        assert_allclose(measure(ta, tb).numpy(), measure(a, b), rtol=1e-12)
    for convert in (bx.to_relative, bx.to_pixels):
        assert_allclose(convert(ta, size).numpy(), convert(a, size), rtol=1e-12)


@given(box, box, size)
def test_measures_of_boxes_of_floats_equal_those_of_arrays_bit_for_bit(a, b, size):
    p, q = tuple(map(float, a)), tuple(map(float, b))
    for measure in (bx.iou, bx.centre_error):
        assert type(measure(p, q)) is float and measure(p, q) == measure(a, b)
    for convert in (bx.to_relative, bx.to_pixels):
        assert np.array_equal(convert(p, size), convert(a, size))
    for convert in (bx.to_zero_based, bx.to_one_based):
        assert np.array_equal(convert(p), convert(a))
    assert np.array_equal(bx.clip_box(bx.to_relative(p, size)), bx.clip_box(bx.to_relative(a, size)))


def test_boxes_can_be_given_as_component_arrays():
    a, b = np.random.default_rng(0).uniform(1, 90, (2, 7, 4))
    size = np.arange(100, 107), np.arange(50, 57)
    assert np.array_equal(bx.iou(tuple(a.T), tuple(b.T)), bx.iou(a, b))
    each = [bx.to_pixels(row, (w, h)) for row, w, h in zip(a, *size, strict=True)]
    assert np.array_equal(np.stack(bx.to_pixels(tuple(a.T), size), axis=1), each)
