import numpy as np
import pytest

from tracking_env.datasets import otb
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.evaluation.scoring import evaluate
from tracking_env.trackers.baselines import (
    constant_mean_box,
    constant_velocity,
    copy_first_of_window,
    one_frame_late,
    replay_and_freeze,
    static_first_box,
)

SIZE = (100, 80)


class Blank:
    """Sequences with unused frames; their size cancels in every score."""

    fingerprint = "blank"
    size = SIZE

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def sequence(boxes):
    boxes = np.array(boxes, float)
    return Sequence("baseline", ArrayFrames(np.zeros((len(boxes), SIZE[1], SIZE[0], 3), np.uint8)), boxes)


def test_constant_velocity_extrapolates_the_last_two_true_boxes():
    boxes = [[10, 10, 20, 20], [12, 10, 20, 20], [15, 11, 22, 20], [15, 20, 22, 18]]
    # 2 * (12, 10, 20, 20) - (10, 10, 20, 20), then 2 * (15, 11, 22, 20) - (12, 10, 20, 20)
    expected = [boxes[0], boxes[0], [14, 10, 20, 20], [18, 12, 24, 20]]
    assert constant_velocity(sequence(boxes)).tolist() == expected


def test_one_frame_late_returns_the_previous_true_box():
    boxes = [[10, 10, 20, 20], [12, 10, 20, 20], [15, 11, 22, 20]]
    assert one_frame_late(sequence(boxes)).tolist() == [boxes[0], boxes[0], boxes[1]]


def test_copy_first_of_window_reads_the_true_box_every_tenth_frame():
    boxes = np.array([[1.0 + at, 2, 10, 10] for at in range(23)])
    expected = boxes[[0] * 10 + [10] * 10 + [20] * 3]
    assert np.array_equal(copy_first_of_window(sequence(boxes)), expected)
    assert np.array_equal(copy_first_of_window(sequence(boxes), 1), boxes)


@pytest.mark.parametrize("baseline", [constant_velocity, one_frame_late, copy_first_of_window])
def test_oracles_start_on_the_true_box_and_do_not_change_the_truth(baseline):
    single = sequence([[10, 10, 20, 20]])
    boxes = baseline(single)
    assert boxes.tolist() == [[10, 10, 20, 20]]
    boxes[:] = 0
    assert single.boxes.tolist() == [[10, 10, 20, 20]]


MEASURED = {  # AUC whole, precision whole, AUC unseen, to three decimals (four where these two roundings differ)
    static_first_box: (0.213, 0.187, 0.161),
    constant_mean_box: (0.273, 0.267, 0.212),
    replay_and_freeze: (0.495, 0.4955, 0.267),
    one_frame_late: (0.794, 0.919, 0.785),
}


def score(baseline, truths):
    runs = {name: baseline(Sequence(name, Blank(len(boxes)), boxes)) for name, boxes in truths.items()}
    return evaluate(runs, truths).mean


@pytest.fixture
def thirty(reference):
    """The official boxes of the paper's 30 sequences."""
    return {name: otb.read_truth(reference / "annotations" / f"{name}.txt", name) for name in otb.LISTS["drlt30"]}


@pytest.mark.otb
@pytest.mark.parametrize("baseline", MEASURED, ids=lambda baseline: baseline.__name__)
def test_the_baselines_have_known_scores_on_the_sequences_of_the_paper(thirty, baseline):
    mean = score(baseline, thirty)
    scores = mean["whole"].auc, mean["whole"].precision20, mean["unseen"].auc
    assert scores == pytest.approx(MEASURED[baseline], abs=5e-4)


@pytest.mark.otb
def test_copying_the_first_box_of_each_window_scores_high_without_frames(thirty):
    assert score(copy_first_of_window, thirty)["whole"].mean_iou == pytest.approx(0.639, abs=5e-4)
    complete = {name: boxes[: len(boxes) // 10 * 10] for name, boxes in thirty.items()}
    assert score(copy_first_of_window, complete)["whole"].mean_iou == pytest.approx(0.638, abs=5e-4)
