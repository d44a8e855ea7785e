import pickle

import cv2
import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env.datasets.loading import load
from tracking_env.errors import InputError
from tracking_env.features.maps import SEARCH, TEMPLATE, make_maps
from tracking_env.search import proposals, regions
from tracking_env.search.window import SearchWindows


def noise(side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(("side", "cells"), [(SEARCH, 16), (TEMPLATE, 8)])
def test_each_cell_covers_sixteen_pixels(side, cells):
    maps = make_maps("cells")
    computed = maps(noise(side))
    assert computed.shape == (maps.channels, cells, cells) and computed.dtype == np.float32
    assert np.isfinite(computed).all() and np.abs(computed).max() < 10


def test_cells_hold_colours_at_their_places():
    crop = np.zeros((SEARCH, SEARCH, 3), np.uint8)
    crop[:64, 191:] = (255, 0, 0)  # red in the upper right
    red, green = make_maps("cells")(crop)[:2]
    assert np.unravel_index(red.argmax(), red.shape)[0] < 4 and np.unravel_index(red.argmax(), red.shape)[1] >= 12
    assert np.ptp(green) == 0


def test_cells_hold_the_orientation_of_edges():
    lines = np.zeros((TEMPLATE, TEMPLATE, 3), np.uint8)
    lines[:, ::8] = 255
    upright = make_maps("cells")(lines)[6:].sum(axis=(1, 2))
    level = make_maps("cells")(np.ascontiguousarray(lines.transpose(1, 0, 2)))[6:].sum(axis=(1, 2))
    assert upright.argmax() != level.argmax()


@pytest.mark.parametrize("side", [SEARCH, TEMPLATE])
def test_cells_equal_their_documented_definition(side):
    """Each cell holds colours minus the mean of the crop, deviations, and shares of gradients by orientation."""
    crop = cv2.GaussianBlur(noise(side), (0, 0), 2)
    frame = cv2.resize(crop, (side + 1, side + 1)) / 255
    grey = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2GRAY).astype(float)
    edge = np.pad(grey, 1, mode="reflect")
    dx, dy = edge[1:-1, 2:] - edge[1:-1, :-2], edge[2:, 1:-1] - edge[:-2, 1:-1]
    magnitude, bins = np.hypot(dx, dy), np.floor(np.arctan2(dy, dx) % np.pi * 9 / np.pi).clip(0, 8)
    computed = make_maps("cells")(crop)
    means, shares = np.empty((3, *computed.shape[1:])), np.empty((9, *computed.shape[1:]))
    for y, x in np.ndindex(computed.shape[1:]):
        inside = np.s_[16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
        means[:, y, x] = frame[inside].mean(axis=(0, 1))
        np.testing.assert_allclose(computed[3:6, y, x], 4 * frame[inside].std(axis=(0, 1)), atol=1e-4)
        each = [(magnitude[inside] * (bins[inside] == number)).sum() for number in range(9)]
        shares[:, y, x] = 4 * np.array(each) / (magnitude[inside].sum() + 0.05 * 256)
    # OpenCV's angles are good to a third of a degree: a pixel on the border of two orientations may count to either.
    assert np.abs(computed[6:] - shares).max() < 0.03 and np.abs(computed[6:] - shares).mean() < 5e-4
    np.testing.assert_allclose(computed[:3], 2 * (means - means.mean(axis=(1, 2), keepdims=True)), atol=1e-4)


def test_the_same_crop_gives_the_same_map():
    np.testing.assert_array_equal(make_maps("cells")(noise(SEARCH)), make_maps("cells")(noise(SEARCH)))


def test_unknown_names_and_mismatched_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="unknown extractor of maps 'cels'; choose one of cells, nanotrack"):
        make_maps("cels")
    with pytest.raises(InputError, match=r"cells has no weights; leave out w\.onnx"):
        make_maps("cells", "w.onnx")
    with pytest.raises(InputError, match=r"nanotrack needs NanoTrack's backbone.*`weights`"):
        make_maps("nanotrack")
    with pytest.raises(InputError, match=r"no NanoTrack backbone at .*none\.onnx"):
        make_maps("nanotrack", tmp_path / "none.onnx")
    (tmp_path / "a_backbone.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"_backbone.onnx is no network, or damaged.*fetch it again"):
        make_maps("nanotrack", tmp_path)


@pytest.mark.otb
def test_nanotrack_gives_maps_and_can_be_pickled(nanotrack):
    maps = make_maps("nanotrack", nanotrack)
    search, template = maps(noise(SEARCH)), maps(noise(TEMPLATE))
    assert search.shape == (48, 16, 16) and template.shape == (48, 8, 8)
    again = pickle.loads(pickle.dumps(maps))
    assert again.id == maps.id
    np.testing.assert_array_equal(again(noise(SEARCH)), search)


@pytest.mark.otb
def test_nanotrack_head_proposes_a_box_on_the_target(otb_root, nanotrack):
    maps = make_maps("nanotrack-head", nanotrack)
    sequence = load(otb_root, "Human7")[0]
    windows, size = SearchWindows(maps), np.array([sequence.size])
    windows.start([0], [sequence.frames[0]], [sequence.boxes[0]])
    first = regions.from_region(best_proposal(windows, sequence.frames[0]), windows.regions[0])
    np.testing.assert_allclose(first, sequence.boxes[0], atol=2)  # proposals are corrected by the true box
    windows.centre_on([0], sequence.boxes[[5]] + [6, -4, 0, 0], size)  # beside the true box
    proposed = regions.from_region(best_proposal(windows, sequence.frames[5]), windows.regions[0])
    assert bx.iou(proposed, sequence.boxes[5]) > 0.75
    crop = noise(SEARCH), noise(TEMPLATE)
    pair = [maps(part) for part in reversed(crop)]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(maps)).propose(*pair), maps.propose(*pair))


def best_proposal(windows, frame):
    return proposals.best(windows.observe([0], [frame])["proposals"][0])


@pytest.mark.otb
def test_nanotrack_head_needs_both_files(nanotrack, tmp_path):
    (backbone,) = nanotrack.glob("*backbone*.onnx")
    (tmp_path / backbone.name).write_bytes(backbone.read_bytes())
    with pytest.raises(InputError, match="no NanoTrack head at"):
        make_maps("nanotrack-head", tmp_path)
    (tmp_path / "head.onnx").write_bytes(backbone.read_bytes())
    with pytest.raises(InputError, match="does not run as NanoTrack's head"):
        make_maps("nanotrack-head", tmp_path)
