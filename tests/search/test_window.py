"""Looks and glances: when the region that is looked at grows."""

import numpy as np
import pytest

from tracking_env.features.maps import CellMaps
from tracking_env.search import regions
from tracking_env.search.window import CONTEXT, DOUBT, EVERY, LIKELIER, RECENT, WIDER, Gaze, Observation

BOX = np.array([91.0, 91.0, 20.0, 20.0])
NARROW = regions.around(BOX, CONTEXT)  # from 61 to 141
WIDE = regions.around(np.array([87.0, 87.0, 28.0, 28.0]), CONTEXT)  # from 45 to 157, that of a box 1.4 times as large


class Brightest:
    """Proposes one box whose score is how bright the brightest pixel of the crop is, from 0 to ``top``."""

    id, channels = "brightest", 1

    def __init__(self, top: float) -> None:
        self.top = top

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        cells = (len(crop) + 1) // 16
        return np.full((1, cells, cells), self.top * (crop.max() / 255), np.float32)

    def propose(self, template: np.ndarray, search: np.ndarray) -> np.ndarray:
        return np.concatenate([search, np.broadcast_to(np.float32([0.5, 0.5, 0.25, 0.25])[:, None, None], (4, 16, 16))])


def frame(bright_until: int = 0) -> np.ndarray:
    """Black, but for the columns left of the region as far as ``bright_until`` (the wider region begins at 45)."""
    made = np.zeros((200, 200, 3), np.uint8)
    made[:, :bright_until] = 255
    return made


def gaze(top: float, glances: bool = True) -> Gaze:
    """One that has seen its first frame."""
    made = Gaze(Brightest(top), glances)
    made.start(frame(), BOX)
    made.look(frame())
    return made


def glance(looking: Gaze, seen: np.ndarray) -> Observation:
    """Show it a frame until the next glance is done."""
    for _ in range(EVERY - 1):
        looking.look(frame())
        np.testing.assert_allclose(looking.region, NARROW)
    return looking.look(seen)


def test_the_look_widens_where_proposals_are_likelier_there():
    looking = gaze(top=10)
    np.testing.assert_allclose(looking.region, NARROW)
    observation = glance(looking, frame(bright_until=52))
    np.testing.assert_allclose(looking.region, WIDE)
    np.testing.assert_allclose(looking.box, [87, 87, 28, 28])
    assert (observation["proposals"][0] == 10).all()
    assert observation["zoom"] == pytest.approx(WIDER)
    np.testing.assert_allclose(observation["location"], [0.5, 0.5, 28 / WIDE[2], 28 / WIDE[2]])
    box = looking.point(observation["location"], (200, 200))  # said relative to what was shown
    np.testing.assert_allclose(box, [87, 87, 28, 28])


def test_it_takes_as_many_glances_as_the_running_mean():
    top = 1.2
    means = top * (1 - (1 - RECENT) ** np.arange(1, 10))
    wanted = int(np.argmax(means > LIKELIER)) + 1
    assert wanted > 1
    looking = gaze(top)
    for number in range(1, wanted + 1):
        glance(looking, frame(bright_until=52))
        np.testing.assert_allclose(looking.region, NARROW if number < wanted else WIDE)


def test_what_was_likelier_only_before_widens_nothing():
    looking = gaze(top=1.2)
    glance(looking, frame(bright_until=52))
    for _ in range(5):
        glance(looking, frame())
        np.testing.assert_allclose(looking.region, NARROW)


@pytest.mark.parametrize("bright_until", [0, 200])
def test_the_look_stays_where_both_are_alike(bright_until):
    looking = gaze(top=10)
    for _ in range(5):
        glance(looking, frame(bright_until))
    np.testing.assert_allclose(looking.region, NARROW)


@pytest.mark.parametrize(("within", "widens"), [(4.0, True), (6.0, False)])
def test_there_is_a_glance_only_in_doubt(within, widens):
    assert 4 < DOUBT < 6
    looking = gaze(top=10)
    seen = frame(bright_until=52)
    seen[100:110, 100:110] = round(255 * within / 10)  # so likely does the look find it; the glance 10
    for _ in range(5):
        observation = glance(looking, seen)
        if widens:
            break
    np.testing.assert_allclose(looking.region, WIDE if widens else NARROW)
    assert observation["proposals"][0].max() == pytest.approx(10 if widens else within, abs=0.1)


def test_there_is_no_glance_at_the_first_frame():
    looking = Gaze(Brightest(10))
    looking.start(frame(), BOX)
    looking.look(frame(bright_until=52))
    np.testing.assert_allclose(looking.region, NARROW)


def test_glances_can_be_left_out_and_need_proposals():
    looking = gaze(top=10, glances=False)
    glance(looking, frame(bright_until=52))
    np.testing.assert_allclose(looking.region, NARROW)
    plain = Gaze(CellMaps())
    plain.start(frame(), BOX)
    for _ in range(3):
        assert "proposals" not in plain.look(frame(bright_until=52))
    np.testing.assert_allclose(plain.region, NARROW)
