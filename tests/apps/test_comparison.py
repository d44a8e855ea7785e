import numpy as np
import pytest

from tracking_env.apps.comparison import Comparison
from tracking_env.errors import InputError

BOX = np.array([11.0, 21, 40, 20])
FRAMES = [np.full((60, 320, 3), shade, np.uint8) for shade in (10, 20, 30)]


class MovingTracker:
    """Moves its box to the right by a number of pixels per frame.

    Args:
        step: pixels per frame.
        spread: the deviation that it reports; None to report none.
        fails_at: number of the frame that raises an error, counted from 1.
    """

    def __init__(self, step, spread=None, fails_at=None):
        self.step, self.spread, self.fails_at = step, spread, fails_at

    def init(self, frame, box):
        self.box, self.count = box.copy(), 1
        if self.fails_at == 1:
            raise ArithmeticError("cannot start")

    def update(self, frame):
        self.count += 1
        if self.count == self.fails_at:
            raise ArithmeticError("lost\nit")
        self.box[0] += self.step
        return self.box


def compare(ours, rival, frames=FRAMES):
    comparison = Comparison()
    return comparison, list(comparison.run(ours, rival, iter(frames), BOX, "frame"))


def test_both_trackers_get_the_same_frames():
    comparison, pictures = compare(MovingTracker(4), MovingTracker(-4))
    assert [box[0] for box in comparison.ours] == [11, 15, 19]
    assert [box[0] for box in comparison.rival] == [11, 7, 3]
    assert comparison.overlap == pytest.approx([1, 32 / 48, 24 / 56])
    assert [picture[0, -1, 0] for picture in pictures] == [10, 20, 30]
    assert comparison.stopped is None


def test_confidence_is_the_first_trackers_own():
    comparison, _ = compare(MovingTracker(1), MovingTracker(2, spread=np.ones(4)))
    assert np.isnan(comparison.confidence).all()
    comparison, _ = compare(MovingTracker(0, spread=np.array([10.0, 0, 0, 0])), MovingTracker(2))
    assert comparison.confidence == pytest.approx([1, 30 / 50, 30 / 50])


def test_the_deviation_is_drawn():
    _, plain = compare(MovingTracker(0), MovingTracker(0))
    _, drawn = compare(MovingTracker(0, spread=np.array([6.0, 3, 0, 0])), MovingTracker(0))
    np.testing.assert_array_equal(plain[0], drawn[0])
    rows, columns, _ = np.nonzero(plain[1] != drawn[1])
    # The ellipse has its centre at (30, 30), 0-based, reaches two deviations each way, and its line is a pixel wide.
    assert (columns.min(), columns.max()) == pytest.approx((18, 42), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((24, 36), abs=1)


@pytest.mark.parametrize(
    "trackers", [(MovingTracker(1, fails_at=3), MovingTracker(2)), (MovingTracker(1), MovingTracker(2, fails_at=3))]
)
def test_a_failure_keeps_the_frames_before_it(trackers):
    comparison, pictures = compare(*trackers)
    assert len(comparison.ours) == len(comparison.rival) == len(pictures) == 2
    assert comparison.stopped.startswith("ArithmeticError: lost it (test_comparison.py, line ")


def test_unreadable_frames_stop_the_comparison():
    def broken_frames():
        yield FRAMES[0]
        raise InputError("breaks off after 1 of 3 frames")

    comparison, _ = compare(MovingTracker(1), MovingTracker(2), broken_frames())
    assert comparison.stopped == "breaks off after 1 of 3 frames"


def test_a_failure_in_the_first_frame_is_an_error():
    with pytest.raises(InputError, match="nothing was tracked: ArithmeticError: cannot start"):
        compare(MovingTracker(1, fails_at=1), MovingTracker(2))
