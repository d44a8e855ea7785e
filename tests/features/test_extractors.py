import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracking_env.datasets.synthetic import generate
from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.base import extract
from tracking_env.features.extractors import EXTRACTORS, GridExtractor, PixelExtractor, make_extractor
from tracking_env.features.model_zoo import NETWORKS
from tracking_env.features.store import FeatureStore

pytestmark = pytest.mark.usefixtures("own_cache")

RED, GREEN, BLUE, SATURATION, HORIZONTAL, FALLING, VERTICAL, RISING = range(8)  # the channels of a cell


@pytest.fixture
def offline(monkeypatch):
    """Remove all download addresses; returns the list of names that are requested."""
    requested = []

    def fetch(file, folder):
        requested.append(file.name)
        raise InputError(f"cannot fetch {file.name}")

    monkeypatch.setattr(download, "fetch", fetch)
    return requested


def cells(frame):
    return extract(GridExtractor(), [frame])[0].reshape(12, 16, 8)


def test_a_red_frame_is_red_saturated_and_flat():
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[..., 0] = 255
    assert np.array_equal(cells(frame), np.broadcast_to([1.0, 0, 0, 1, 0, 0, 0, 0], (12, 16, 8)))


def test_a_grey_frame_has_no_saturation():
    assert cells(np.full((50, 70, 3), 51, np.uint8))[3, 3] == pytest.approx([0.2, 0.2, 0.2, 0, 0, 0, 0, 0])


def test_a_vertical_edge_has_only_a_horizontal_gradient():
    # 128 x 96 is the grid's own size: nothing is resized. Black up to column 63, white from 64 on: Sobel's dx is 4 in
    # the two columns beside the edge, so one of the eight columns of the cells there has magnitude 1: mean 1 / 8.
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[:, 64:] = 255
    expected = np.zeros((12, 16))
    expected[:, [7, 8]] = 1 / 8
    got = cells(frame)
    assert np.array_equal(got[..., HORIZONTAL], expected)
    assert not got[..., [FALLING, VERTICAL, RISING]].any()
    assert np.array_equal(cells(255 - frame)[..., HORIZONTAL:], got[..., HORIZONTAL:]), (
        "the sign of a contrast is not kept"
    )


def test_a_horizontal_edge_has_only_a_vertical_gradient():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[48:] = 255
    expected = np.zeros((12, 16))
    expected[[5, 6]] = 1 / 8
    got = cells(frame)
    assert np.array_equal(got[..., VERTICAL], expected)
    assert not got[..., [HORIZONTAL, FALLING, RISING]].any()


def test_diagonal_edges_of_both_directions_differ():
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
    frame[:, 64:] = np.linspace(255, 245, 96, dtype=np.uint8)[:, None, None]  # slightly darker downwards
    got = cells(frame)[2:-2, 7:9]
    assert got[..., HORIZONTAL].sum() > 0.9 * got[..., HORIZONTAL:].sum()


def test_values_are_ordered_by_row_column_channel():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[8:16, 16:24, 2] = 255  # row 1, column 2
    features = extract(GridExtractor(), [frame])[0]
    assert features.shape == (GridExtractor.dim,) == (12 * 16 * 8,)
    assert features.dtype == np.float32
    blue = np.flatnonzero(features == 1)
    assert blue.tolist() == [(1 * 16 + 2) * 8 + BLUE, (1 * 16 + 2) * 8 + SATURATION]


@settings(max_examples=25)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_every_value_is_in_the_unit_interval(frame):
    features = extract(GridExtractor(), [frame])
    assert features.min() >= 0 and features.max() <= 1


def test_a_frame_gives_the_same_features_in_any_batch():
    s = generate(0, 6, (64, 48))
    frames = np.stack([s.frames[i] for i in range(6)])
    extractor = GridExtractor()
    together = extract(extractor, frames)
    assert together.shape == (6, extractor.dim)
    for i in reversed(range(6)):
        assert np.array_equal(extract(extractor, frames[i : i + 1])[0], together[i])


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    from tracking_env import features

    for module in ("pretrained", "torch_device", "mobilenet_v2", "darknet.network", "darknet.layers"):
        monkeypatch.delitem(sys.modules, f"tracking_env.features.{module}", raising=False)
    for name in ("pretrained", "torch_device"):
        monkeypatch.delattr(features, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert make_extractor("grid").dim == 1536
    with pytest.raises(InputError, match=r"yolo-nano-voc needs torch; type: pip install 'torch>="):
        make_extractor("yolo-nano-voc")


def test_the_pixels_extractor_returns_the_resized_frame():
    frame = np.zeros((4, 6, 3), np.uint8)
    frame[:2, :3] = 200, 100, 50  # the upper left quarter
    extractor = make_extractor("pixels:2x2")
    assert extractor.prepare(frame).tolist() == [[[200, 100, 50], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    features = extract(extractor, [frame])
    assert features.dtype == np.float32 and features.shape == (1, extractor.dim) == (1, 12)
    assert features[0].tolist() == [200, 100, 50] + [0] * 9


def test_pixels_survive_the_store_unchanged(tmp_path):
    s, extractor = generate(0, 3, (64, 48)), PixelExtractor(5, 7)
    stored = FeatureStore(extractor, tmp_path / "store")[s]
    assert np.array_equal(stored[2].reshape(5, 7, 3), extractor.prepare(s.frames[2]))
    assert PixelExtractor(5, 7).id == extractor.id != PixelExtractor(7, 5).id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gird", "unknown extractor 'gird'; choose one of grid, pixels, yolo-nano-voc"),
        ("timm:resnet18", "unknown extractor 'timm:resnet18'"),
        ("resnet-18", "unknown extractor 'resnet-18'; choose one of grid, pixels, .*, mobilenet-v2"),
        ("yolo-nano-voc:20", "unknown extractor 'yolo-nano-voc:20'"),
        ("yolo-nano-voc:0x5", "at least 1 row"),
        ("grid:5x5", "grid is always 12 x 16"),
    ],
)
def test_an_invalid_name_is_refused(name, message):
    with pytest.raises(InputError, match=message) as caught:
        make_extractor(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["grid", "pixels"])
def test_weights_for_an_extractor_without_weights_are_refused(name):
    with pytest.raises(InputError, match=f"{name} has no weights"):
        make_extractor(name, "random")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_weights_file_is_not_downloaded(name, tmp_path, offline):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=rf"no weights for {name} at .*none\.weights; give the file .*`weights`"):
        make_extractor(name, tmp_path / "none.weights")
    with pytest.raises(InputError, match=NETWORKS[name].files[0].name):  # a folder without the file
        make_extractor(name, tmp_path)
    assert not offline


@pytest.mark.parametrize("name", NETWORKS)
def test_default_weights_are_downloaded_with_a_message(name, offline, caplog):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="cannot fetch"):
        make_extractor(name)
    assert offline == [NETWORKS[name].files[0].name]
    assert len(caplog.messages) == 1 and "downloading" in caplog.messages[0]


@pytest.mark.parametrize(("name", "dim"), [("mobilenet-v2", 1280 * 16), ("mobilenet-v2:1x2", 1280 * 2)])
def test_random_weights_are_used_only_on_request_and_marked_in_the_id(name, dim, offline, caplog):
    pytest.importorskip("torch")
    extractor = make_extractor(name, "random")
    assert "random" in extractor.id and not offline
    assert "random weights" in caplog.text
    frames = np.stack([generate(seed, 1, (64, 48)).frames[0] for seed in range(2)])
    features = extract(extractor, frames)
    assert features.shape == (2, extractor.dim) == (2, dim) and features.dtype == np.float32
    assert np.isfinite(features).all() and features.std() > 0.01
    assert not np.allclose(features[0], features[1])
    again = make_extractor(name, "random")
    assert again.id == extractor.id and np.array_equal(extract(again, frames), features)


@pytest.mark.parametrize("name", ["grid", "pixels:9x7", "mobilenet-v2"])
def test_frames_that_are_not_prepared_are_refused(name):
    if name in NETWORKS:
        pytest.importorskip("torch")
    extractor = make_extractor(name, "random" if name in NETWORKS else None)
    frames = np.stack([generate(seed, 1, (64, 48)).frames[0] for seed in range(2)])
    prepared = np.stack([extractor.prepare(frame) for frame in frames])
    assert prepared.shape != frames.shape and prepared.dtype == np.uint8
    prepared.flags.writeable = False
    assert np.array_equal(extractor(prepared), extract(extractor, frames))
    for wrong in (frames, prepared[0], prepared[:, 1:]):
        with pytest.raises(ValueError, match=r"got frames of shape \(.*\), expected \(N, .*, 3\); call prepare"):
            extractor(wrong)


def test_an_unavailable_device_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="there is no device 'cuda:77' for torch here; try device='cpu'"):
        make_extractor("mobilenet-v2", "random", "cuda:77")


def test_the_list_of_extractors_contains_the_published_networks():
    assert set(EXTRACTORS) == {"grid", "pixels", *NETWORKS}


@pytest.fixture
def weights(otb_root):
    folder = otb_root.parent / "weights"
    if not folder.is_dir():
        pytest.skip(f"no weights in {folder}")
    pytest.importorskip("torch")
    return folder


@pytest.mark.otb
def test_the_extractor_with_published_weights_keeps_its_id_and_features(weights):
    extractor = make_extractor("yolo-nano-voc", weights)
    assert extractor.id == "yolo-nano-voc-6e26c2c2", "features are stored under it"
    assert extractor.id == make_extractor("yolo-nano-voc:10x10", weights / NETWORKS["yolo-nano-voc"].files[0].name).id
    assert extractor.dim == NETWORKS["yolo-nano-voc"].dim == 3 * 25 * 10 * 10  # three anchors of 25 numbers
    frames = np.stack([generate(seed, 1).frames[0] for seed in range(3)])
    together = extract(extractor, frames)
    assert together.shape == (3, extractor.dim) and together.dtype == np.float32
    assert np.allclose(extract(extractor, frames[1:2])[0], together[1], atol=1e-3)
    finer = make_extractor("yolo-nano-voc:20x20", weights)
    pooled = extract(finer, frames[:1]).reshape(75, 10, 2, 10, 2).mean(axis=(2, 4))
    assert np.allclose(pooled.ravel(), together[0], atol=1e-3)
    with pytest.raises(InputError, match="a map of 20 x 20, the grid has 21 x 20"):
        make_extractor("yolo-nano-voc:21x20", weights)


@pytest.mark.otb
def test_another_cfg_with_the_same_weights_gives_another_id(weights, tmp_path):
    file, cfg = (weights / entry.name for entry in NETWORKS["yolo-nano-voc"].files)
    (tmp_path / file.name).symlink_to(file)
    (tmp_path / cfg.name).write_text(cfg.read_text().replace("activation=relu\n", "activation=relu6\n"))
    assert make_extractor("yolo-nano-voc", tmp_path).id != make_extractor("yolo-nano-voc", weights).id
