"""Scans find a target that has jumped to another place of the image."""

import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.search.ensemble import Team, scan
from tracking_env.search.ensemble.action import action_size, split_action
from tracking_env.search.ensemble.scan import Candidates, Scan, cover
from tracking_env.search.experts import Choice, make_experts

EXPERTS = make_experts(["grey", "colour"])
BOX = np.array([21.0, 31, 32, 32])


def image(x, y, size=(320, 240)):
    """A grey image with a textured red square of 32 pixels whose corner is at these 0-based pixels."""
    frame = np.full((size[1], size[0], 3), 90, np.uint8)
    square = frame[y : y + 32, x : x + 32]
    square[:], square[8:24, 8:24] = (195, 30, 30), (220, 30, 30)
    return frame


def scanned(team, frame, scans):
    """The candidates of so many frames, all equal, while the team only scans."""
    action = np.zeros((1, action_size(2, False)))
    action[0, -1] = 1
    seen = []
    for _ in range(scans):
        report, candidates = team.look([frame], [0]), team.scan([frame], [0])
        team.act([0], report, candidates, split_action(action, 2, False))
        seen.append(candidates)
    return seen


def test_the_places_cover_the_image_and_the_nearest_comes_first():
    places = cover((320, 240), np.array([1.0, 1, 40, 20]), np.array([30.0, 20]))
    centres = places[:, :2] + places[:, 2:] / 2 - 1
    assert (places[:, 2:] == [30, 20]).all() and len(places) == 16  # 4 columns of 80 pixels, 4 rows of 60
    assert centres[0].tolist() == [40, 30]
    distances = np.abs(centres - [20, 10]) / [30, 20]
    assert (np.diff(distances.max(axis=1)) >= 0).all()
    # Every point of the image is within one and a half sides of a place.
    x, y = np.meshgrid(np.arange(0, 321, 10), np.arange(0, 241, 10))
    gaps = np.abs(np.stack([x, y], axis=-1)[..., None, :] - centres) / [30, 20]
    assert gaps.max(axis=-1).min(axis=-1).max() <= scan.SPACING / 2


def test_a_tiny_target_in_a_large_image_has_a_bounded_number_of_places():
    here = np.array([4001.0, 2001, 3, 3])
    places = cover((7680, 4320), here, np.array([3.0, 3]))
    assert places.shape == (scan.MOST, 4)
    assert np.abs(places[:, :2] - here[:2]).max() <= 3 * scan.SPACING * (np.sqrt(scan.MOST) / 2 + 1)


def test_no_frame_is_scanned_unless_that_was_asked_for():
    team = Team(EXPERTS, likeness=False)
    team.start([0], [image(20, 30)], [BOX])
    jumped = image(250, 180)
    first, second, *_ = scanned(team, jumped, 2)
    assert not first.looks.any() and not first.found.any()
    assert second.looks[0, 1] == scan.LOOKS


def test_a_target_that_jumped_becomes_the_candidate_and_the_experts_are_put_back_on_it():
    team = Team(EXPERTS, likeness=False)
    team.start([0], [image(20, 30)], [BOX])
    jumped, truth = image(250, 180), np.array([251.0, 181, 32, 32])
    # 4 x 3 places are seen in two frames, after one without a scan.
    (hit,) = (candidates for candidates in scanned(team, jumped, 3) if candidates.found[0])
    assert bx.iou(hit.boxes[0], truth) > 0.7 and (hit.log_odds > 1).all()
    assert bx.iou(team.boxes[0], np.stack([truth, truth])).max() == 0, "a scan alone moves no expert"
    reset = np.zeros((1, action_size(2, False)))
    reset[0, 6:8] = 1
    report = team.look([jumped], [0])
    team.act([0], report, hit, split_action(reset, 2, False))
    np.testing.assert_array_equal(team.boxes[0], np.repeat(hit.boxes, 2, axis=0))


@pytest.mark.parametrize("agrees", [True, False])
def test_a_find_counts_only_if_the_other_expert_sees_the_target_there(agrees, monkeypatch):
    grey, colour = EXPERTS
    place = np.array([101.0, 101, 20, 20])
    monkeypatch.setattr(type(colour), "choose", lambda *_: Choice(place, 0.95, (0, 0)))
    seen = place + 2 if agrees else place + 30
    monkeypatch.setattr(type(grey), "choose", lambda *_: Choice(seen, 0.6, (0, 0)))
    frame, seeking = image(20, 30), Scan(EXPERTS, 1)
    seeking.start(0, BOX)
    templates = [[expert.template(frame, BOX) for expert in EXPERTS]]
    candidates = seeking.look([frame], [0], templates, BOX[None])
    assert candidates.found.tolist() == [agrees]
    assert candidates.looks.tolist() == [[scan.CHECKED, scan.LOOKS]]
    if agrees:
        np.testing.assert_array_equal(candidates.boxes[0], place)
        np.testing.assert_allclose(candidates.log_odds[0], [np.log(0.6 / 0.4), np.log(0.95 / 0.05)])


def test_every_second_sweep_is_for_the_size_of_the_first_frame(monkeypatch):
    sides = []
    monkeypatch.setattr(scan, "cover", lambda size, box, lengths: sides.append(lengths.tolist()) or box[None])
    frame, seeking = image(20, 30), Scan(EXPERTS, 1)
    seeking.start(0, BOX)
    for _ in range(200):
        seeking.remember(0, np.array([1.0, 1, 40, 10]))
    templates = [[expert.template(frame, BOX) for expert in EXPERTS]]
    for _ in range(3):
        seeking.look([frame], [0], templates, BOX[None])
    np.testing.assert_allclose(sides, [[40, 10], [32, 32], [40, 10]], rtol=1e-3)


def test_log_odds_are_finite_and_those_of_none_are_zero():
    assert scan.log_odds(0.5) == 0 and [scan.log_odds(score) for score in (0.0, 1.0)] == pytest.approx(
        [-13.8, 13.8], abs=0.1
    )
    none = Candidates.none(2, 3)
    assert not none.found.any() and none.log_odds.shape == (2, 3) and not none.looks.any()
