import cv2
import numpy as np
import pytest

pytest.importorskip("torch")  # required by agents

from tracking_env import boxes as bx
from tracking_env.datasets import otb, synthetic
from tracking_env.errors import InputError
from tracking_env.trackers import opencv
from tracking_env.trackers.base import run


class Fake:
    """A tracker of OpenCV that records its arguments and returns prepared answers."""

    def __init__(self, answers=()):
        self.answers, self.got = list(answers), []

    def init(self, image, box):
        self.got.append((image, box))

    def update(self, image):
        self.got.append((image, None))
        return self.answers.pop(0)


def red():
    frame = np.zeros((60, 80, 3), np.uint8)
    frame[..., 0] = 255
    return frame


def test_opencv_gets_bgr_frames_and_zero_based_integer_boxes():
    fake = Fake([(True, (5, 6, 7, 8))])
    tracker = opencv.OpenCVTracker("fake", lambda: fake)
    tracker.init(red(), np.array([11.4, 21.6, 30.6, 0.3]))
    assert fake.got[0][1] == (10, 21, 31, 1)
    assert all(type(value) is int for value in fake.got[0][1])
    assert tracker.update(red()).tolist() == [6, 7, 7, 8]
    assert all(image[0, 0].tolist() == [0, 0, 255] for image, _ in fake.got)


@pytest.mark.parametrize(
    ("box", "inside", "expected"),
    [
        ([-3, 51, 20, 20], True, (0, 50, 16, 10)),  # columns -4 to 15, rows 50 to 69 of an image of 80 x 60
        ([-3, 51, 20, 20], False, (-4, 50, 20, 20)),
        ([101, 5, 20, 20], True, (79, 4, 1, 20)),  # outside the image
        ([-50, 5, 20, 20], True, (0, 4, 1, 20)),
    ],
)
def test_a_box_partly_outside_the_image_is_clipped_if_the_tracker_requires_it(box, inside, expected):
    fake = Fake()
    opencv.OpenCVTracker("fake", lambda: fake, inside=inside).init(red(), np.array(box, float))
    assert fake.got[0][1] == expected


def test_mil_starts_on_a_box_partly_outside_the_image():
    sequence = synthetic.generate(4, length=2)
    assert sequence.boxes[0, 0] < 0
    assert run(opencv.mil(), sequence).boxes.shape == (2, 4)


def test_a_lost_target_keeps_the_last_box():
    fake = Fake([(False, (0, 0, 0, 0)), (True, (5, 6, 7, 8)), (False, (1, 1, 1, 1))])
    tracker = opencv.OpenCVTracker("fake", lambda: fake)
    tracker.init(red(), np.array([11.5, 21, 30, 20]))
    boxes = [tracker.update(red()) for _ in range(3)]
    assert [box.tolist() for box in boxes] == [[11.5, 21, 30, 20], [6, 7, 7, 8], [6, 7, 7, 8]]
    boxes[1][:] = 0
    assert boxes[2].tolist() == [6, 7, 7, 8]


@pytest.mark.parametrize("box", [[5, 5, 0, 10], [5, 5, 10, -1], [np.nan, 5, 10, 10]])
def test_a_first_box_without_area_is_refused(box):
    with pytest.raises(InputError, match="cannot start on the box"):
        opencv.OpenCVTracker("fake", Fake).init(red(), np.array(box, float))


def test_mil_follows_the_target_and_is_reproducible_by_its_seed():
    sequence = synthetic.generate(3, length=6)
    first, again, other = (run(opencv.mil(seed), sequence).boxes for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert bx.iou(first, sequence.boxes).min() > 0.4


@pytest.mark.parametrize("name", ["kcf", "csrt"])
def test_the_error_names_a_tracker_that_opencv_lacks(monkeypatch, name):
    for module in filter(None, (cv2, getattr(cv2, "legacy", None))):
        monkeypatch.delattr(module, f"Tracker{name.upper()}_create", raising=False)
    with pytest.raises(InputError, match=f"has no {name.upper()}; type: pip .*opencv-contrib-python<5") as caught:
        getattr(opencv, name)()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["main", "legacy"])
def test_a_tracker_is_looked_up_in_both_modules_of_opencv(monkeypatch, place):
    class Legacy:
        pass

    monkeypatch.setattr(cv2, "legacy", Legacy, raising=False)
    monkeypatch.delattr(cv2, "TrackerKCF_create", raising=False)
    monkeypatch.setattr(cv2 if place == "main" else Legacy, "TrackerKCF_create", Fake, raising=False)
    assert opencv.kcf().create is Fake


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((), "nano needs its two files"),
        (("a.onnx",), "needs its two"),
        (("a.onnx", "b.onnx"), "cannot read a.onnx: No such file"),
    ],
)
def test_nano_without_its_files_is_refused(weights, message, capfd):
    with pytest.raises(InputError, match=message) as caught:
        opencv.nano(weights)
    assert "\n" not in str(caught.value)


@pytest.mark.otb
def test_nano_follows_a_real_target(otb_root, capfd):
    folder = otb_root.parent / "weights"
    files = [folder / f"nanotrackv2_{part}.onnx" for part in ("backbone", "head")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no NanoTrack in {folder}")
    sequence = otb.load_sequence(otb_root, "Suv")
    tracker = opencv.nano(files)
    first, again = (run(tracker, sequence, 40).boxes for _ in range(2))
    assert np.array_equal(first, again)
    assert bx.iou(first, sequence.boxes[:40]).mean() > 0.75
    assert "WARN" not in capfd.readouterr().err
