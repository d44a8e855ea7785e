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


def one_good_proposal(box, score=9.0):
    """One good proposal; all others have a low score and another place."""
    proposed = np.zeros((5, 16, 16), np.float32)
    proposed[1:] = 0.05
    proposed[:, 4, 9] = [score, *box]
    return proposed


def test_the_best_proposal_has_the_highest_score():
    np.testing.assert_allclose(proposals.best(one_good_proposal([0.3, 0.4, 0.2, 0.1])), [0.3, 0.4, 0.2, 0.1], atol=1e-5)


def test_equal_proposals_are_averaged():
    proposed = np.zeros((5, 2, 2), np.float32)
    proposed[1] = [[0.1, 0.2], [0.3, 0.4]]
    assert proposals.best(proposed)[0] == np.float32(0.25)


def test_the_offset_equals_a_value_by_hand():
    # Proposed: centre 0.5, 0.5, sizes 0.2, 0.4. True: half a width to the right, a fourth of a height up; half as wide.
    offset = proposals.offset(one_good_proposal([0.5, 0.5, 0.2, 0.4]), np.array([0.6, 0.4, 0.1, 0.4]))
    np.testing.assert_allclose(offset, [0.5, -0.25, -0.5, 0], atol=1e-4)  # ln 1/2 = -0.69, cut off


@given(boxes, boxes)
def test_correcting_by_the_measured_offset_gives_the_true_box_within_the_limit(proposal, truth):
    proposed = one_good_proposal(proposal)
    offset = proposals.offset(proposed, truth)
    corrected = proposals.corrected(proposed, offset)
    assert corrected.dtype == proposed.dtype and np.array_equal(corrected[0], proposed[0])
    if (abs(offset) < proposals.LIMIT - 1e-6).all():
        np.testing.assert_allclose(proposals.best(corrected), truth, atol=1e-3)


def test_the_policy_takes_the_best_proposal_and_damps_its_size():
    observation = {
        "proposals": one_good_proposal([0.6, 0.4, 0.4, 0.1]),
        "location": np.array([0.5, 0.5, 0.2, 0.2], np.float32),
    }
    action, state = BestProposal().act(observation)
    assert state is None and action.dtype == np.float32
    # Twice as wide and half as high, of which the share PACE is taken in the logarithm.
    np.testing.assert_allclose(action, [0.6, 0.4, 0.2 * 2**PACE, 0.2 * 2**-PACE], atol=1e-4)


def test_the_proposals_tracker_needs_the_files_of_nanotrack(tmp_path):
    with pytest.raises(InputError, match="proposals needs NanoTrack's two files"):
        tracker()
    with pytest.raises(InputError, match="no NanoTrack backbone"):
        tracker([tmp_path / "none.onnx"])


@pytest.mark.otb
def test_the_proposals_tracker_follows_a_real_target(otb_root, nanotrack):
    (sequence,) = load(otb_root, "Couple")
    assert overlaps(run(tracker([nanotrack]), sequence).boxes, sequence.boxes).mean() > 0.5
