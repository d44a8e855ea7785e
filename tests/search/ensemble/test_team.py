"""A team of many targets reports what a team of each of them reports."""

import numpy as np
import pytest

from tracking_env.datasets import synthetic
from tracking_env.search.ensemble import Team
from tracking_env.search.ensemble.action import split_action
from tracking_env.search.experts import Choice, make_expert
from tracking_env.search.experts.simple import GreyExpert

EXPERTS = [make_expert(name) for name in ("grey", "colour")]
VIDEOS = [synthetic.generate(seed, 12, (160, 120)) for seed in (3, 5)]


class BatchedGrey(GreyExpert):
    """The grey expert, all targets in one call, as on a GPU."""

    on_gpu = True

    def __init__(self):
        super().__init__()
        self.sizes = []

    def compare(self, images, features):
        self.sizes.append(len(images))
        return super().compare(images, features)


def play(team, targets, videos, around=None):
    """Reports of five frames, with resets and pauses that depend on the target alone."""
    team.start(targets, [video.frames[0] for video in videos], [video.boxes[0] for video in videos], around)
    reports, rows = [], len(targets)
    for frame in range(5):
        frames = [video.frames[frame] for video in videos]
        report, candidates = team.look(frames, targets), team.scan(frames, targets)
        rng = np.random.default_rng(frame)
        action = [*rng.uniform(-1, 1, 2), 0, 0, 0, 0, *rng.uniform(0, 0.7, 2), frame >= 2, 0, -(frame == 2)]
        decision = split_action(np.repeat([action], rows, axis=0), 2, True)
        boxes = team.act(targets, report, candidates, decision)
        reports.append(report._asdict() | candidates._asdict() | {"reported": boxes})
    return reports


@pytest.mark.parametrize("experts", [EXPERTS, [BatchedGrey(), EXPERTS[1]]], ids=["one by one", "in batches"])
def test_targets_together_equal_targets_alone(experts):
    videos = [VIDEOS[0], VIDEOS[1], VIDEOS[0]]
    lost = np.array([[20.0, 20, 30, 30], VIDEOS[0].boxes[0]])
    around = [None, None, lost]
    together = play(Team(experts, 4), [3, 0, 1], videos, around)
    for index, video in enumerate(videos):
        alone = play(Team(experts), [0], [video], around[index : index + 1])
        for many, single in zip(together, alone, strict=True):
            for name, values in many.items():
                np.testing.assert_array_equal(values[index], single[name][0], name)
    assert together[4]["looks"][:, 1].all()


def test_without_likeness_the_other_numbers_stay_and_no_network_encodes_the_boxes(monkeypatch):
    whole = play(Team(EXPERTS), [0], VIDEOS[:1], [None])
    encoded = []
    encode = type(EXPERTS[0]).encode
    monkeypatch.setattr(type(EXPERTS[0]), "encode", lambda self, images: encoded.append(0) or encode(self, images))
    without = play(Team(EXPERTS, likeness=False), [0], VIDEOS[:1], [None])
    assert len(encoded) == 1  # the template
    for expected, report in zip(whole, without, strict=True):
        for name, values in report.items():
            right = np.zeros((1, 2)) if "likeness" in name else expected[name]
            np.testing.assert_array_equal(values, right, name)
    assert (whole[1]["first_likeness"] > 0).all()


def test_a_gpu_gets_all_targets_in_one_call():
    expert = BatchedGrey()
    play(Team([expert, EXPERTS[1]], 3), range(3), [VIDEOS[0], VIDEOS[1], VIDEOS[0]])
    assert expert.sizes == [5, 5, 5] + 5 * [3]  # five looks each to correct the first frame, then the five frames


def test_equal_starts_are_computed_once():
    expert, frame, box = BatchedGrey(), VIDEOS[0].frames[0], VIDEOS[0].boxes[0]
    team = Team([expert], 3)
    team.start(range(3), [frame] * 3, [box, box, box + 1])
    assert len(expert.sizes) == 2
    report = team.look([VIDEOS[0].frames[1]] * 3, range(3))
    assert np.array_equal(report.boxes[0], report.boxes[1]) and not np.array_equal(report.boxes[0], report.boxes[2])


class ScriptedGrey(GreyExpert):
    """The grey expert, but with one answer to every look."""

    box = np.zeros(4)

    def choose(self, look, box):
        return Choice(self.box, 0.5, (0, 0))


def test_motion_growth_and_area_are_relative_to_the_last_box_and_the_first():
    expert, frame, box = ScriptedGrey(), VIDEOS[0].frames[0], np.array([30.0, 40, 20, 10])
    expert.box = box
    team = Team([expert])
    team.start([0], [frame], [box])
    # Twice as wide and high, the centre 20 to the right and 10 down: of a size of sqrt(200).
    expert.box = np.array([40.0, 45, 40, 20])
    report = team.look([frame], [0])
    assert report.motion == pytest.approx(np.hypot(20, 10) / 200**0.5)
    assert report.growth == pytest.approx(np.log(4))
    assert report.relative_area == pytest.approx(np.log(4))
    report = team.look([frame], [0])
    assert report.motion == 0 and report.growth == 0
    assert report.relative_area == pytest.approx(np.log(4)), "of the first box, not of the last one"
