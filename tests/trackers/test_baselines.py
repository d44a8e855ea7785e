import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.trackers.baselines import best_constant_box, constant_mean_box, replay_and_freeze, static_first_box

# Six frames, so two are seen. In a 100 x 50 image the box moves 10 pixels a frame to the right and grows by 2 in width.
BOXES = np.array([[1.0 + 10 * t, 6, 20 + 2 * t, 10] for t in range(6)])


def sequence(boxes=BOXES, size=(100, 50)):
    return Sequence("six", ArrayFrames(np.zeros((len(boxes), size[1], size[0], 3), np.uint8)), boxes)


def test_static_first_box_repeats_the_first_box():
    assert np.array_equal(static_first_box(sequence()), np.tile([1, 6, 20, 10], (6, 1)))


def test_constant_mean_box_is_the_mean_of_the_seen_third():
    # Centres (0-based): 0 + 10 = 10 and 10 + 11 = 21: mean 15.5; widths 20, 22: 21. So x = 15.5 - 10.5 = 5, 1-based 6.
    assert constant_mean_box(sequence()) == pytest.approx(np.tile([6, 6, 21, 10], (6, 1)), abs=1e-4)


def test_constant_mean_box_averages_all_training_frames_relative_to_the_image():
    # Relative boxes: 0.2, 0.4, 0.2, 0.4 in one frame, and 0.8, 0.4, 0.4, 0.4 in three: mean 0.65, 0.4, 0.35, 0.4.
    single = sequence(np.array([[11.0, 11, 20, 20]]))
    three = sequence(np.array([[61.0, 11, 40, 20]] * 3))
    # In 200 x 100: centre (130, 40), 70 x 40: from (95, 20), in 1-based pixels (96, 21).
    tested = sequence(size=(200, 100))
    assert constant_mean_box(tested, [single, three]) == pytest.approx(np.tile([96, 21, 70, 40], (6, 1)), abs=1e-4)


def test_the_best_constant_box_is_the_one_that_most_frames_share_and_not_the_mean():
    # Seven of ten boxes are equal and three far away: the mean overlaps neither.
    boxes = np.array([[11.0, 11, 20, 20]] * 7 + [[71.0, 21, 20, 20]] * 3)
    tested = sequence(size=(100, 50))
    assert best_constant_box(tested, [sequence(boxes)]) == pytest.approx(np.tile([11, 11, 20, 20], (6, 1)), abs=0.6)


def test_the_best_constant_box_has_the_highest_score_on_its_training_boxes():
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform([1, 1], [60, 20], (30, 2)), rng.uniform(10, 30, (30, 2))], axis=1)

    def auc(box):
        return float((bx.iou(box, boxes)[:, None] > np.arange(21) / 20).mean())

    best = auc(best_constant_box(sequence(), [sequence(boxes)])[0])
    assert best > auc(constant_mean_box(sequence(), [sequence(boxes)])[0]) and best >= max(map(auc, boxes))


def test_replay_and_freeze_repeats_the_last_box_of_the_seen_third():
    assert np.array_equal(replay_and_freeze(sequence()), BOXES[[0, 1, 1, 1, 1, 1]])


@pytest.mark.parametrize("baseline", [static_first_box, constant_mean_box, replay_and_freeze])
def test_two_frames_have_a_first_box_and_no_seen_third(baseline):
    assert baseline(sequence(BOXES[:2])) == pytest.approx(BOXES[[0, 0]], abs=1e-4)


@pytest.mark.parametrize("baseline", [static_first_box, constant_mean_box, replay_and_freeze])
def test_unseen_truth_is_never_used(baseline):
    altered = BOXES.copy()
    altered[2:] = 33
    assert np.array_equal(baseline(sequence()), baseline(sequence(altered)))


@pytest.mark.parametrize("baseline", [static_first_box, constant_mean_box, replay_and_freeze])
def test_changing_returned_boxes_does_not_change_the_sequence(baseline):
    s = sequence()
    baseline(s)[:] = 0
    assert np.array_equal(s.boxes, BOXES)


def test_frames_without_a_true_box_are_left_out_of_the_mean():
    boxes = BOXES.copy()
    boxes[1] = 0  # of the two seen frames
    assert constant_mean_box(sequence(boxes)) == pytest.approx(np.tile(BOXES[0], (6, 1)), abs=1e-4)
