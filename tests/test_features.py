import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracking_env.errors import InputError
from tracking_env.features import FeatureStore, GridExtractor, make_extractor
from tracking_env.files import PARTIAL
from tracking_env.sequence import ArrayFrames, Sequence
from tracking_env.synthetic import generate

RED, GREEN, BLUE, SATURATION, HORIZONTAL, FALLING, VERTICAL, RISING = range(8)  # the channels of a cell


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


class Counting:
    """The mean colour of each frame; notes how often it was asked, and fails from a given call on."""

    dim = 3

    def __init__(self, id="counting", fail_at=None):
        self.id, self.fail_at, self.calls, self.frames = id, fail_at, 0, 0

    def __call__(self, frames):
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("out of memory")
        self.frames += len(frames)
        return frames.mean(axis=(1, 2), dtype=np.float32)


def cells(frame):
    return GridExtractor()(frame[None])[0].reshape(12, 16, 8)


def sequence(value=7, length=5, name="one"):
    frames = np.full((length, 8, 10, 3), value, np.uint8)
    frames += np.arange(length, dtype=np.uint8)[:, None, None, None]
    return Sequence(name, ArrayFrames(frames), np.ones((length, 4)))


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


def test_stored_features_are_the_extractors_in_half_precision(tmp_path):
    s = generate(1, 40, (64, 48))  # more than one batch
    stored = FeatureStore(GridExtractor(), tmp_path / "store")[s]
    direct = GridExtractor()(np.stack([s.frames[i] for i in range(40)]))
    assert isinstance(stored, np.memmap) and stored.dtype == np.float16
    assert np.array_equal(stored, direct.astype(np.float16))
    with pytest.raises(ValueError, match="read-only"):
        stored[0, 0] = 1


def test_features_are_extracted_on_first_use_and_kept(tmp_path):
    extractor, s = Counting(), sequence()
    first = FeatureStore(extractor, tmp_path / "store")[s]
    assert extractor.frames == 5
    again = FeatureStore(extractor, tmp_path / "store")[s]
    assert extractor.frames == 5
    assert np.array_equal(first, again)
    assert np.array_equal(first, np.repeat(7.0 + np.arange(5)[:, None], 3, axis=1))


def test_build_extracts_what_is_missing_only(tmp_path):
    extractor, several = Counting(), [sequence(v, name=f"s{v}") for v in (1, 2, 3)]
    store = FeatureStore(extractor, tmp_path / "store")
    assert store[several[1]][0, 0] == 2
    store.build(several)
    assert extractor.frames == 15
    assert [store[s][0, 0] for s in several] == [1, 2, 3]
    assert extractor.frames == 15


def test_a_sequence_longer_than_a_batch_keeps_its_order(tmp_path):
    extractor, s = Counting(), sequence(0, length=2 * FeatureStore.BATCH + 1)
    assert FeatureStore(extractor, tmp_path / "store")[s][:, 0].tolist() == list(range(2 * FeatureStore.BATCH + 1))
    assert extractor.calls == 3


def test_the_default_folder_is_the_extractors_own_in_the_cache(tmp_path):
    FeatureStore(Counting("a"))
    FeatureStore(Counting("b"))
    assert sorted(p.name for p in (tmp_path / "cache" / "features").iterdir()) == ["a", "b"]


def test_another_extractors_store_is_refused_naming_both(tmp_path):
    FeatureStore(Counting("grey"), tmp_path)
    with pytest.raises(InputError, match=r"'grey'.*'colour'"):
        FeatureStore(Counting("colour"), tmp_path)
    wider = Counting("grey")
    wider.dim = 4
    with pytest.raises(InputError, match="'grey'"):
        FeatureStore(wider, tmp_path)


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(InputError, match="not a feature store and not empty"):
        FeatureStore(Counting(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_becomes_a_store(tmp_path):
    assert FeatureStore(Counting(), tmp_path)[sequence()].shape == (5, 3)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x80"])
def test_a_header_that_does_not_read_is_an_input_error(tmp_path, content):
    (tmp_path / "store.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"store\.json|feature store"):
        FeatureStore(Counting(), tmp_path)


def test_a_file_in_place_of_the_folder_is_an_input_error(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(InputError, match="store"):
        FeatureStore(Counting(), tmp_path / "store")


def test_a_store_that_another_process_is_just_making_is_no_stranger(tmp_path):
    (tmp_path / f"{PARTIAL}12345-{FeatureStore.HEADER}").write_text("")  # see `files.whole`
    assert FeatureStore(Counting(), tmp_path)[sequence()].shape == (5, 3)


def test_a_failure_in_the_middle_leaves_nothing_and_the_next_use_works(tmp_path):
    s = sequence(0, length=FeatureStore.BATCH + 1)
    failing = Counting(fail_at=2)
    store = FeatureStore(failing, tmp_path / "store")
    with pytest.raises(RuntimeError, match="out of memory"):
        store[s]
    assert [p.name for p in store.folder.iterdir()] == [FeatureStore.HEADER]
    assert store[s].shape == (FeatureStore.BATCH + 1, 3)


def test_a_failure_while_writing_leaves_no_file(tmp_path, monkeypatch):
    store = FeatureStore(Counting(), tmp_path / "store")

    def half(file, array):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", half)
        with pytest.raises(OSError, match="No space left"):
            store[sequence()]
    assert [p.name for p in store.folder.iterdir()] == [FeatureStore.HEADER]
    assert store[sequence()].shape == (5, 3)


def test_changed_frames_never_meet_old_features(tmp_path):
    store = FeatureStore(Counting(), tmp_path / "store")
    assert store[sequence(7)][0, 0] == 7
    assert store[sequence(9)][0, 0] == 9
    assert store[sequence(7)][0, 0] == 7


def test_features_of_a_wrong_shape_are_refused(tmp_path):
    store = FeatureStore(Counting(), tmp_path / "store")
    store[sequence()]
    (file,) = store.folder.glob("*.npy")
    np.save(file, np.zeros((4, 3), np.float16))
    with pytest.raises(InputError, match=r"holds \(4, 3\), wanted \(5, 3\); delete it"):
        store[sequence()]


@pytest.mark.parametrize("left", [0, 7, 100, 150])
def test_damaged_features_are_an_input_error_that_says_to_delete_them(tmp_path, left):
    store = FeatureStore(Counting(), tmp_path / "store")
    store[sequence()]
    (file,) = store.folder.glob("*.npy")
    assert len(file.read_bytes()) == 128 + 5 * 3 * 2
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(InputError, match="delete the file"):
        store[sequence()]


def test_values_beyond_half_precision_stay_finite(tmp_path):
    extractor = Counting()
    extractor.__class__ = type("Large", (Counting,), {"__call__": lambda self, frames: np.full((len(frames), 3), 1e6)})
    assert np.isfinite(FeatureStore(extractor, tmp_path / "store")[sequence()]).all()


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
