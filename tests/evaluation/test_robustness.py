import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_env.evaluation.robustness import choose_start_frames, perturb_first_box


def truth(length, invisible=()):
    boxes = np.tile([10.0, 10, 30, 20], (length, 1))
    boxes[list(invisible)] = 0
    return boxes


def test_twenty_starts_are_spread_evenly():
    # 210 frames: 191 of them leave at least 20. [floor(1:191/19:191) 191] - 1, with 191/19 = 10.0526...
    assert choose_start_frames(truth(210)) == list(range(0, 200, 10))
    # 60 frames: 41 of them. 41/19 = 2.157...: 0, 2.16, 4.3, 6.5, 8.6, 10.8, 12.9, 15.1, 17.3, 19.4, 21.6, 23.7, ...
    assert choose_start_frames(truth(60)) == [0, 2, 4, 6, 8, 10, 12, 15, 17, 19, 21, 23, 25, 28, 30, 32, 34, 36, 38, 40]


def test_runs_start_where_the_target_is_visible():
    # 38 frames are left, two per step: places 0, 2, 4, 6, 8
    assert choose_start_frames(truth(60, [0, 1, 10]))[:5] == [2, 4, 6, 8, 11]
    # x = 0 is not valid either
    boxes = np.array([[0.0, 5, 10, 10]] + [[1.0, 5, 10, 10]] * 30)
    assert 0 not in choose_start_frames(boxes)
    assert choose_start_frames(truth(60, range(60))) == []


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [0]), (19, [0]), (20, [0]), (21, [0, 1]), (25, [0, 1, 2, 3, 4, 5]), (38, [*range(19)]), (39, [*range(20)])],
)
def test_short_sequences_have_fewer_starts(length, expected):
    assert choose_start_frames(truth(length)) == expected


def test_a_target_visible_only_at_the_end_has_one_start():
    assert choose_start_frames(truth(30, range(15))) == [15]  # no run has 20 frames: only the first valid frame


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_starts_are_valid_and_ascending_and_leave_enough_frames(length, seed):
    rng = np.random.default_rng(seed)
    boxes = truth(length, np.flatnonzero(rng.random(length) < 0.3))
    starts, valid = choose_start_frames(boxes), np.flatnonzero(boxes[:, 0] > 0)
    assert set(starts) <= set(valid) and starts == sorted(set(starts)) and len(starts) <= 20
    if len(starts) > 1:
        assert starts[0] == valid[0] and length - starts[-1] >= 20
        assert len(starts) == 20 or set(starts) == {frame for frame in valid if length - frame >= 20}


def test_sre_has_twelve_perturbed_boxes():
    boxes = perturb_first_box(np.array([101.0, 51, 30, 25]), (320, 240))
    assert {name: box.tolist() for name, box in boxes.items()} == {
        "left": [98, 51, 30, 25],  # by 3
        "right": [104, 51, 30, 25],
        "up": [101, 48, 30, 25],  # by 2.5, rounded up
        "down": [101, 54, 30, 25],
        # The corners: left edge 101 - 3 = 98, top 51 - 2.5 = 48.5 -> 49, last column 130 + 3, last row 75 + 2.5 -> 78
        "top-left": [98, 49, 33, 27],
        "top-right": [101, 49, 33, 27],
        "bottom-left": [98, 51, 33, 28],
        "bottom-right": [101, 51, 33, 28],
        "scale-0.8": [104, 54, 24, 20],  # centre 116, 63.5: 116 - 12, 63.5 - 10 = 53.5 -> 54
        "scale-0.9": [103, 52, 27, 23],  # 116 - 13.5 = 102.5 -> 103, 63.5 - 11.25 = 52.25; 22.5 -> 23
        "scale-1.1": [100, 50, 33, 28],  # 116 - 16.5 = 99.5 -> 100, 63.5 - 13.75 = 49.75; 27.5 -> 28
        "scale-1.2": [98, 49, 36, 30],  # 116 - 18, 63.5 - 15 = 48.5 -> 49
    }


def test_perturbed_boxes_stay_in_the_image():
    corner = perturb_first_box(np.array([1.0, 1, 20, 20]), (100, 80))
    assert corner["left"].tolist() == corner["up"].tolist() == [1, 1, 20, 20]
    assert corner["top-left"].tolist() == [1, 1, 22, 22]
    far = perturb_first_box(np.array([81.0, 61, 20, 20]), (100, 80))  # up to the last column and row
    assert far["right"].tolist() == [83, 61, 18, 20]
    assert far["down"].tolist() == [81, 63, 20, 18]
    assert far["bottom-right"].tolist() == [81, 61, 20, 20]
    assert far["scale-1.2"].tolist() == [79, 59, 22, 22]
