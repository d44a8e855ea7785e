"""The search window: its observation of a frame, and its next place."""

import numpy as np
import pytest

from tests.helpers.comparing import different
from tracking_env.datasets import synthetic
from tracking_env.features.maps import CellMaps
from tracking_env.search import regions
from tracking_env.search.window import CONTEXT, SearchWindows, WindowTracker

BOX = np.array([91.0, 91.0, 20.0, 20.0])
SIDE = 1 / (2 * CONTEXT)  # of a square target, over its search region's


class OneProposal:
    """Maps of one channel, with the same proposal in every cell: the target, shifted right by half its size."""

    id, channels = "one-proposal", 1

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        cells = (len(crop) + 1) // 16
        return np.full((1, cells, cells), crop.max() / 255, np.float32)

    def propose(self, template: np.ndarray, search: np.ndarray) -> np.ndarray:
        boxes = np.broadcast_to(np.float32([0.5 + SIDE / 2, 0.5, SIDE, SIDE])[:, None, None], (4, 16, 16))
        return np.concatenate([search, boxes])


def frame() -> np.ndarray:
    return np.full((200, 200, 3), 100, np.uint8)


def started(maps) -> WindowTracker:
    """A window around the box, with one target."""
    tracker = WindowTracker(None, maps)
    tracker.windows.start([0], [frame()], [BOX])
    return tracker


def test_the_region_follows_the_box():
    window = started(CellMaps())
    np.testing.assert_allclose(window.region, regions.around(BOX, CONTEXT))
    moved = BOX + np.array([20, 0, 0, 0])
    box = window.move_to(regions.to_region(moved, window.region), frame())
    np.testing.assert_allclose(box, moved)
    np.testing.assert_allclose(window.region, regions.around(box, CONTEXT))


def test_zoom_is_the_size_relative_to_the_first_region():
    window = started(CellMaps())
    assert window.observe(frame())["zoom"] == 1
    twice = np.array([81.0, 81.0, 40.0, 40.0])
    window.move_to(regions.to_region(twice, window.region), frame())
    assert window.observe(frame())["zoom"] == pytest.approx(2)


def test_observing_does_not_move_the_window():
    window = started(CellMaps())
    first, second = window.observe(frame()), window.observe(frame())
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_proposals_are_observed_after_correction_by_the_first_frame():
    assert "proposals" not in started(CellMaps()).observe(frame())
    observation = started(OneProposal()).observe(frame())
    np.testing.assert_allclose(observation["proposals"][1:, 3, 4], [0.5, 0.5, SIDE, SIDE], atol=1e-6)


@pytest.mark.parametrize("maps", [CellMaps(), OneProposal()])
def test_windows_together_equal_windows_alone(maps):
    videos = [synthetic.generate(seed, 4, size) for seed, size in ((3, (160, 120)), (5, (120, 160)), (3, (160, 120)))]
    frames = [np.stack([video.frames[index] for index in range(4)]) for video in videos]
    frames[2] = frames[0]
    sizes = np.array([video.size for video in videos])
    actions = np.random.default_rng(0).normal(0.5, 0.2, (4, 3, 4))
    together, alone = SearchWindows(maps, 3), [SearchWindows(maps) for _ in videos]
    together.start([2, 0, 1], [part[0] for part in frames], [video.boxes[0] for video in videos])
    for index, (windows, target) in enumerate(zip(alone, (2, 0, 1), strict=True)):
        windows.start([0], [frames[index][0]], [videos[index].boxes[0]])
        np.testing.assert_array_equal(together.regions[target], windows.regions[0])
    for step in range(4):
        observed = together.observe([2, 0, 1], [part[step] for part in frames])
        moved = together.move_to([2, 0, 1], actions[step], sizes)
        for index, windows in enumerate(alone):
            expected = windows.observe([0], [frames[index][step]])
            assert not different({name: values[index] for name, values in observed.items()}, _first(expected))
            np.testing.assert_array_equal(moved[index], windows.move_to([0], actions[step, [index]], sizes[[index]])[0])


def _first(observation):
    return {name: values[0] for name, values in observation.items()}
