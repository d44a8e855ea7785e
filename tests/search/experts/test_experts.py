import time
import tracemalloc

import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.datasets.loading import load
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec
from tracking_env.search import regions
from tracking_env.search.experts import EXPERTS, Choice, Expert, ExpertTracker, make_expert, make_experts
from tracking_env.search.experts.geometry import best_cell, grow
from tracking_env.trackers.base import run


class Brightness(Expert):
    """An expert without a network: it takes the brightest of 16 x 16 cells for the target, of the last box's size."""

    name, template_side, search_side, cells, smallest, id = "brightness", 32, 64, 16, 3.0, "none"

    def __init__(self):
        self.paths = []

    def template_region(self, box):
        return grow(box, 1.0)

    def search_region(self, box):
        return grow(box, 4.0)

    def fill(self, frame):
        return regions.mean_colour(frame)

    def prepare(self, crop):
        return crop.transpose(2, 0, 1).astype(np.float32)

    def encode(self, images):
        return images.mean(axis=(1, 2, 3))[:, None]

    def compare(self, images, features):
        cells = images.reshape(len(images), 3, 16, 4, 16, 4).mean(axis=(1, 3, 5))
        scores = (1 - abs(cells - features[..., None]) / 255).astype(np.float32)
        corners = np.stack(np.meshgrid(*[np.arange(16) / 16] * 2), axis=-1)
        boxes = np.concatenate([corners - 3 / 32, np.full((16, 16, 2), 0.25)], axis=-1)
        return scores, np.broadcast_to(boxes, (len(images), 16, 16, 4))

    def choose(self, look, box):
        cell = best_cell(look.scores)
        return Choice(look.boxes[cell], float(look.scores[cell]), cell)


def frame_with(box, size=(320, 240)):
    frame = np.full((size[1], size[0], 3), 40, np.uint8)
    x, y, w, h = np.rint(box).astype(int)
    frame[max(y - 1, 0) : max(y - 1 + h, 0), max(x - 1, 0) : max(x - 1 + w, 0)] = 250
    return frame


def test_crops_and_boxes_agree_on_where_things_are():
    box = np.array([101.0, 61.0, 40.0, 30.0])
    expert = Brightness()
    template = expert.template(frame_with(box), box)
    moved = np.array([121.0, 76.0, 40.0, 30.0])
    look = expert.look(frame_with(moved), box, template)
    assert look.scores.shape == (16, 16) and look.boxes.shape == (16, 16, 4)
    cell = np.array([121 + 20, 76 + 15])  # the middle of the target lies in one of the best cells
    middles = look.boxes[look.scores > 0.99][:, :2] + look.boxes[look.scores > 0.99][:, 2:] / 2
    assert abs(middles.mean(axis=0) - cell).max() < 3


def test_a_batch_of_looks_is_each_of_them():
    boxes = [np.array([101.0, 61.0, 40.0, 30.0]), np.array([11.0, 21.0, 8.0, 9.0])]
    frames, expert = [frame_with(box) for box in boxes], Brightness()
    templates = [expert.template(frame, box) for frame, box in zip(frames, boxes, strict=True)]
    batch = expert.look_at_all(frames, boxes, templates)
    for index, single in enumerate(map(expert.look, frames, boxes, templates)):
        np.testing.assert_array_equal(batch.scores[index], single.scores)
        np.testing.assert_array_equal(batch.boxes[index], single.boxes)


def test_the_tracker_follows():
    box = np.array([101.0, 61.0, 40.0, 30.0])
    tracker = ExpertTracker(Brightness())
    tracker.init(frame_with(box), box)
    assert (tracker.confidence, tracker.last_look) == (1.0, None)
    for step in range(1, 20):
        truth = np.array([101.0 + 3 * step, 61.0 + 2 * step, 40, 30])
        followed = tracker.update(frame_with(truth))
        assert bx.iou(followed, truth) > 0.2 and 0.9 < tracker.confidence <= 1
    assert tracker.last_look is not None and tracker.last_look.scores.max() == pytest.approx(tracker.confidence)


@pytest.mark.parametrize("box", [[10, 10, 0, 5], [10, 10, 5, -1], [np.nan, 10, 5, 5], [10, 10, np.inf, 5]])
def test_a_first_box_without_sides_is_refused(box):
    with pytest.raises(InputError, match=r"cannot start on the box .*; give one with a width and a height"):
        ExpertTracker(Brightness()).init(frame_with([5, 5, 5, 5]), np.array(box))


CORNERS = [[1, 1, 3, 3], [318, 238, 3, 3], [-20, 100, 30, 30], [300, 200, 60, 80], [1, 1, 320, 240], [160, 120, 1, 200]]


@pytest.mark.parametrize("box", [*CORNERS, [500, 500, 20, 20]])
def test_boxes_of_any_place_and_size(box):
    tracker = ExpertTracker(Brightness())
    box = np.array(box, float)
    tracker.init(frame_with(box), box)
    for _ in range(3):
        followed = tracker.update(frame_with(box))
        middle = followed[:2] + followed[2:] / 2
        assert np.isfinite(followed).all() and (followed[2:] >= 3).all()
        assert (middle >= 1).all() and (middle <= [321, 241]).all()


@pytest.fixture(scope="module")
def frame_8k():
    return np.random.default_rng(0).integers(0, 256, (4320, 7680, 3), np.uint8)


@pytest.mark.parametrize("box", [[3000, 2000, 60, 40], [1000, 500, 6000, 3000]])
def test_a_frame_of_8k_needs_no_copy(frame_8k, box):
    check_8k(ExpertTracker(Brightness()), frame_8k, np.array(box, float))


def check_8k(tracker, frame, box):
    tracemalloc.start()
    start = time.perf_counter()
    tracker.init(frame, box)
    tracker.update(frame)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < frame.nbytes / 4 and seconds < 3


@pytest.mark.otb
@pytest.mark.parametrize("name", EXPERTS)
def test_real_experts_on_hard_boxes_and_large_frames(expert_files, frame_8k, name):
    tracker = ExpertTracker(make_expert(name, [expert_files]))
    for box in ([500, 500, 20, 20], *CORNERS):
        tracker.init(frame_with(box), np.array(box, float))
        for _ in range(2):
            followed = tracker.update(frame_with(box))
            assert np.isfinite(followed).all() and (followed[2:] >= 3).all()
            assert 0 <= tracker.confidence <= 1
    check_8k(tracker, frame_8k, np.array([3000.0, 2000.0, 60.0, 40.0]))


@pytest.mark.otb
@pytest.mark.parametrize("name", EXPERTS)
def test_real_experts_in_batches(expert_files, otb_root, name):
    (sequence,) = load(otb_root, "Couple")
    expert = make_expert(name, [expert_files])
    frames, boxes = [sequence.frames[index] for index in (0, 5, 9)], sequence.boxes[[0, 5, 9]]
    templates = [expert.template(frame, box) for frame, box in zip(frames, boxes, strict=True)]
    batch = expert.look_at_all(frames, boxes, templates)
    for index, single in enumerate(map(expert.look, frames, boxes, templates)):
        np.testing.assert_allclose(batch.scores[index], single.scores, atol=1e-4)
        np.testing.assert_allclose(batch.boxes[index], single.boxes, atol=0.05)
        assert bx.iou(expert.choose(single, boxes[index]).box, boxes[index]) > 0.5


@pytest.mark.otb
@pytest.mark.parametrize("name", EXPERTS)
def test_real_experts_follow_by_name(expert_files, otb_root, name):
    (sequence,) = load(otb_root, "Couple")
    runner = TrackerSpec(name, (expert_files,)).make()
    assert runner.id.startswith(f"{name} ")
    trajectory = run(runner.live(), sequence, frames=40)
    assert bx.iou(trajectory.boxes, sequence.boxes[:40]).mean() > 0.6
    assert 0 < runner.tracker.confidence <= 1


@pytest.mark.otb
def test_a_device_that_is_not_there_is_refused(expert_files, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InputError, match="has no CUDA"):
        TrackerSpec("vittrack", (expert_files,), device="cuda").make()
    assert TrackerSpec("vittrack", (expert_files,), device="auto").make().id == "vittrack ac1418b4"


def test_other_trackers_take_no_device():
    with pytest.raises(InputError, match="mil takes no `device`; leave it out"):
        TrackerSpec("mil", device="cpu").make()


def test_a_folder_of_weights_is_for_the_experts_that_need_files(tmp_path):
    with pytest.raises(InputError, match="grey has no weights"):
        make_experts(["grey", "colour"], tmp_path)
    with pytest.raises(InputError, match="nanotrack-v3 needs one"):
        make_experts(["grey", "nanotrack-v3"], tmp_path)
    assert [expert.name for expert in make_experts(["colour", "grey"])] == ["colour", "grey"]
