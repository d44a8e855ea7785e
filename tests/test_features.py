import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracking_env.errors import InputError
from tracking_env.features import GridExtractor, make_extractor
from tracking_env.synthetic import generate

RED, GREEN, BLUE, SATURATION, HORIZONTAL, FALLING, VERTICAL, RISING = range(8)  # the channels of a cell


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


def cells(frame):
    return GridExtractor()(frame[None])[0].reshape(12, 16, 8)


def test_a_red_frame_is_red_saturated_and_flat():
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[..., 0] = 255
    assert np.array_equal(cells(frame), np.broadcast_to([1.0, 0, 0, 1, 0, 0, 0, 0], (12, 16, 8)))


def test_a_grey_frame_has_no_saturation():
    assert cells(np.full((50, 70, 3), 51, np.uint8))[3, 3] == pytest.approx([0.2, 0.2, 0.2, 0, 0, 0, 0, 0])


def test_a_vertical_edge_is_a_horizontal_gradient_and_nothing_else():
    # 128 x 96 is the grid's own size: nothing is resized. Black up to column 63, white from 64 on: Sobel's dx is 4 in
    # the two columns beside the edge, so one of the eight columns of the cells there has magnitude 1: mean 1 / 8.
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[:, 64:] = 255
    wanted = np.zeros((12, 16))
    wanted[:, [7, 8]] = 1 / 8
    got = cells(frame)
    assert np.array_equal(got[..., HORIZONTAL], wanted)
    assert not got[..., [FALLING, VERTICAL, RISING]].any()
    assert np.array_equal(cells(255 - frame)[..., HORIZONTAL:], got[..., HORIZONTAL:]), "contrast's sign is not kept"


def test_a_horizontal_edge_is_a_vertical_gradient_and_nothing_else():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[48:] = 255
    wanted = np.zeros((12, 16))
    wanted[[5, 6]] = 1 / 8
    got = cells(frame)
    assert np.array_equal(got[..., VERTICAL], wanted)
    assert not got[..., [HORIZONTAL, FALLING, RISING]].any()


def test_diagonal_edges_of_both_directions_are_told_apart():
    rows, columns = np.mgrid[:96, :128]
    falling = np.repeat((columns + rows >= 112)[..., None], 3, axis=2).astype(np.uint8) * 255  # gradient to lower right
    rising = np.repeat((columns - rows >= 16)[..., None], 3, axis=2).astype(np.uint8) * 255  # gradient to upper right
    inner = slice(1, -1), slice(1, -1)  # the image's border mirrors the edge
    for frame, mine, other in ((falling, FALLING, RISING), (rising, RISING, FALLING)):
        got = cells(frame)[inner]
        assert got[..., mine].sum() > 1
        assert not got[..., other].any()


def test_a_slightly_tilted_edge_stays_in_its_bin():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[:, 64:] = np.linspace(255, 245, 96, dtype=np.uint8)[:, None, None]  # a touch darker downwards
    got = cells(frame)[2:-2, 7:9]
    assert got[..., HORIZONTAL].sum() > 0.9 * got[..., HORIZONTAL:].sum()


def test_the_order_is_rows_columns_channels():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[8:16, 16:24, 2] = 255  # row 1, column 2
    features = GridExtractor()(frame[None])[0]
    assert features.shape == (GridExtractor.dim,) == (12 * 16 * 8,)
    assert features.dtype == np.float32
    blue = np.flatnonzero(features == 1)
    assert blue.tolist() == [(1 * 16 + 2) * 8 + BLUE, (1 * 16 + 2) * 8 + SATURATION]


@settings(max_examples=25)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_every_value_is_in_the_unit_interval(frame):
    features = GridExtractor()(frame[None])
    assert features.min() >= 0 and features.max() <= 1


def test_a_frame_gives_the_same_features_in_any_batch():
    s = generate(0, 6, (64, 48))
    frames = np.stack([s.frames[i] for i in range(6)])
    together, extractor = GridExtractor()(frames), GridExtractor()
    assert together.shape == (6, extractor.dim)
    for i in reversed(range(6)):
        assert np.array_equal(extractor(frames[i : i + 1])[0], together[i])


def test_an_unknown_extractor_is_refused_with_the_names():
    with pytest.raises(InputError, match="unknown extractor 'gird'; choose one of grid, yolo-nano-voc"):
        make_extractor("gird")


def test_missing_weights_are_an_input_error_that_names_the_file(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"no weights for yolo-nano-voc at .*cache/weights/MobileNetV2.*--weights"):
        make_extractor("yolo-nano-voc")
    with pytest.raises(InputError, match="no weights for yolo-nano-voc"):
        make_extractor("yolo-nano-voc", tmp_path / "none.weights")


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    import tracking_env

    for module in ("tracking_env.backbones", "tracking_env.darknet"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(tracking_env, "backbones", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert make_extractor("grid").dim == 1536
    with pytest.raises(InputError, match=r"yolo-nano-voc needs torch; type: pip install 'tracking-env\[torch\]'"):
        make_extractor("yolo-nano-voc")


@pytest.mark.otb
def test_the_real_networks_extractor_gives_features_of_its_finer_head(otb_root):
    weights = otb_root.parent / "weights"
    if not weights.is_dir():
        pytest.skip(f"no weights in {weights}")
    pytest.importorskip("torch")
    extractor = make_extractor("yolo-nano-voc", weights)
    assert extractor.dim == 3 * 25 * 10 * 10  # three anchors of 25 numbers, 10 x 10 places
    frames = np.stack([generate(seed, 1).frames[0] for seed in range(3)])
    together = extractor(frames)
    assert together.shape == (3, extractor.dim) and together.dtype == np.float32
    assert np.allclose(extractor(frames[1:2])[0], together[1], atol=1e-3)
    assert make_extractor("yolo-nano-voc", weights / "MobileNetV2-YOLOv3-Nano-voc.weights").id == extractor.id
