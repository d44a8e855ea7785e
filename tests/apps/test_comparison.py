import numpy as np
import pytest

from tracking_env.apps.comparison import Duel, confidence
from tracking_env.errors import InputError

BOX = np.array([11.0, 21, 40, 20])
FRAMES = [np.full((60, 320, 3), shade, np.uint8) for shade in (10, 20, 30)]


class Moves:
    """By so many pixels a frame to the right; says a deviation, if it is given one, and fails where it is told to."""

    def __init__(self, by, spread=None, fails_at=None):
        self.by, self.spread, self.fails_at = by, spread, fails_at

    def init(self, frame, box):
        self.box, self.count = box.copy(), 1
        if self.fails_at == 1:
            raise ArithmeticError("cannot start")

    def update(self, frame):
        self.count += 1
        if self.count == self.fails_at:
            raise ArithmeticError("lost\nit")
        self.box[0] += self.by
        return self.box


def fight(ours, rival, frames=FRAMES):
    duel = Duel()
    return duel, list(duel.run(ours, rival, iter(frames), BOX, "frame"))


def test_both_follow_the_same_frames():
    duel, pictures = fight(Moves(4), Moves(-4))
    assert [box[0] for box in duel.ours] == [11, 15, 19] and [box[0] for box in duel.rival] == [11, 7, 3]
    assert duel.overlap == pytest.approx([1, 32 / 48, 24 / 56])
    assert [picture[0, -1, 0] for picture in pictures] == [10, 20, 30]
    assert duel.stopped is None


def test_confidence_is_the_overlap_with_a_box_a_deviation_away():
    assert confidence(BOX, np.array([10.0, 0, 0, 0])) == pytest.approx(30 / 50)
    assert confidence(BOX, np.array([0.0, 0, 40, 0])) == pytest.approx(1 / 2)
    assert confidence(BOX, np.zeros(4)) == 1
    assert np.isnan(confidence(BOX, None))


def test_who_says_no_deviation_has_no_confidence_and_the_first_box_is_not_said():
    assert np.isnan(fight(Moves(1), Moves(2, spread=np.ones(4)))[0].confidence).all()
    sure = fight(Moves(1, spread=np.ones(4)), Moves(2))[0].confidence
    assert np.isnan(sure[0]) and sure[1:] == pytest.approx([confidence(BOX, np.ones(4))] * 2)


def test_the_deviation_is_drawn():
    plain, sure = (fight(Moves(0, spread=spread), Moves(0))[1] for spread in (None, np.array([6.0, 3, 0, 0])))
    np.testing.assert_array_equal(plain[0], sure[0])
    rows, columns, _ = np.nonzero(plain[1] != sure[1])
    # Around the centre, 0-based (30, 30): two deviations each way, and a pixel of line.
    assert (columns.min(), columns.max()) == pytest.approx((18, 42), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((24, 36), abs=1)


@pytest.mark.parametrize("pair", [(Moves(1, fails_at=3), Moves(2)), (Moves(1), Moves(2, fails_at=3))])
def test_what_was_tracked_before_a_failure_is_kept(pair):
    duel, pictures = fight(*pair)
    assert len(duel.ours) == len(duel.rival) == len(pictures) == 2
    assert duel.stopped.startswith("ArithmeticError: lost it (test_comparison.py, line ")


def test_frames_that_break_off_end_it():
    def breaks():
        yield FRAMES[0]
        raise InputError("breaks off after 1 of 3 frames")

    assert fight(Moves(1), Moves(2), breaks())[0].stopped == "breaks off after 1 of 3 frames"


def test_who_cannot_start_is_an_error():
    with pytest.raises(InputError, match="nothing was tracked: ArithmeticError: cannot start"):
        fight(Moves(1, fails_at=1), Moves(2))
