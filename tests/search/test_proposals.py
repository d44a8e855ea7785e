import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_env.datasets.otb import load
from tracking_env.errors import InputError
from tracking_env.evaluation.metrics import overlaps
from tracking_env.search import proposals
from tracking_env.search.best_proposal import PACE, BestProposal, tracker
from tracking_env.trackers.base import run

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


def test_who_learned_nothing_says_what_is_proposed():
    seen = {"proposals": one_of([0.6, 0.4, 0.4, 0.1]), "location": np.array([0.5, 0.5, 0.2, 0.2], np.float32)}
    said, state = BestProposal().act(seen)
    assert state is None and said.dtype == np.float32
    # Twice as wide and half as high, of which a share of the logarithm is done.
    np.testing.assert_allclose(said, [0.6, 0.4, 0.2 * 2**PACE, 0.2 * 2**-PACE], atol=1e-4)


def test_it_needs_the_network(tmp_path):
    with pytest.raises(InputError, match="proposals needs NanoTrack's two files"):
        tracker()
    with pytest.raises(InputError, match="no NanoTrack backbone"):
        tracker([tmp_path / "none.onnx"])


@pytest.mark.otb
def test_it_follows_a_real_target(otb_root, nanotrack):
    (one,) = load(otb_root, "Couple")
    assert overlaps(run(tracker([nanotrack]), one).boxes, one.boxes).mean() > 0.5
