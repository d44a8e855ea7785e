"""Corrections of the first third recover a convention that is constant in time."""

import types

import numpy as np

from benchmarks import adapted
from tracking_env.datasets import synthetic
from tracking_env.search.ensemble.fusion import correct_boxes

VIDEO = synthetic.generate(3, 30, (160, 120))


class Follower:
    """An agent with two experts: one finds boxes half as wide as the true ones, one has lost the target."""

    def init(self, frame, box):
        self.index = 0
        self.team = types.SimpleNamespace(corrections=np.full((1, 2, 4), 0.3), boxes=np.zeros((1, 2, 4)))

    def update(self, frame):
        self.index += 1
        x, y, width, height = VIDEO.boxes[self.index]
        self.team.boxes[0] = [[x + width / 4, y, width / 2, height], [x + 500, y, width, height]]


def test_the_correction_is_the_median_error_where_the_target_is_followed():
    corrections = adapted.measure_corrections(Follower(), VIDEO)
    np.testing.assert_allclose(corrections[0], [0, 0, np.log(2), 0], atol=1e-9)
    assert (corrections[1] == 0.3).all(), "that of the first frame"
    narrow = VIDEO.boxes + VIDEO.boxes[:, [2, 0, 2, 0]] * [0.25, 0, -0.5, 0]
    np.testing.assert_allclose(correct_boxes(narrow, corrections[0]), VIDEO.boxes)
