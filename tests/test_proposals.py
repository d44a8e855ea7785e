import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracking_env import proposals

part = st.floats(0.1, 0.9)
boxes = st.tuples(part, part, part, part).map(np.array)


def one_of(box, score=9.0):
    """One good proposal, all others bad ones of another place."""
    made = np.zeros((5, 16, 16), np.float32)
    made[1:] = 0.05
    made[:, 4, 9] = [score, *box]
    return made


def test_the_best_is_that_of_the_highest_score():
    np.testing.assert_allclose(proposals.best(one_of([0.3, 0.4, 0.2, 0.1])), [0.3, 0.4, 0.2, 0.1], atol=1e-5)


def test_equal_ones_are_averaged():
    made = np.zeros((5, 2, 2), np.float32)
    made[1] = [[0.1, 0.2], [0.3, 0.4]]
    assert proposals.best(made)[0] == np.float32(0.25)


def test_the_offset_worked_by_hand():
    # Said: centre 0.5, 0.5, sizes 0.2, 0.4. True: half a width to the right, a fourth of a height up; half as wide.
    found = proposals.offset(one_of([0.5, 0.5, 0.2, 0.4]), np.array([0.6, 0.4, 0.1, 0.4]))
    np.testing.assert_allclose(found, [0.5, -0.25, -0.5, 0], atol=1e-4)  # ln 1/2 = -0.69, cut off


@given(boxes, boxes)
def test_what_is_corrected_by_its_own_offset_is_right_within_the_limit(said, truth):
    made = one_of(said)
    offset = proposals.offset(made, truth)
    found = proposals.corrected(made, offset)
    assert found.dtype == made.dtype and np.array_equal(found[0], made[0])
    if (abs(offset) < proposals.LIMIT - 1e-6).all():
        np.testing.assert_allclose(proposals.best(found), truth, atol=1e-3)
