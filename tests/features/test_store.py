import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.counting import CountingExtractor, sequence
from tracking_env.datasets.synthetic import generate
from tracking_env.errors import InputError
from tracking_env.features.base import extract
from tracking_env.features.extractors import GridExtractor
from tracking_env.features.store import FeatureStore
from tracking_env.files import PARTIAL

pytestmark = pytest.mark.usefixtures("own_cache")


def test_stored_features_equal_the_output_of_the_extractor_in_half_precision(tmp_path):
    s = generate(1, 40, (64, 48))  # more than one batch
    stored = FeatureStore(GridExtractor(), tmp_path / "store")[s]
    direct = extract(GridExtractor(), [s.frames[i] for i in range(40)])
    assert isinstance(stored, np.memmap) and stored.dtype == np.float16
    assert np.array_equal(stored, direct.astype(np.float16))
    with pytest.raises(ValueError, match="read-only"):
        stored[0, 0] = 1


def test_features_are_extracted_on_first_use_and_stored(tmp_path):
    extractor, s = CountingExtractor(), sequence()
    first = FeatureStore(extractor, tmp_path / "store")[s]
    assert extractor.frames == 5
    again = FeatureStore(extractor, tmp_path / "store")[s]
    assert extractor.frames == 5
    assert np.array_equal(first, again)
    assert np.array_equal(first, np.repeat(7.0 + np.arange(5)[:, None], 3, axis=1))


def test_build_extracts_only_missing_sequences(tmp_path):
    extractor, several = CountingExtractor(), [sequence(v, name=f"s{v}") for v in (1, 2, 3)]
    store = FeatureStore(extractor, tmp_path / "store")
    assert store[several[1]][0, 0] == 2
    store.build(several)
    assert extractor.frames == 15
    assert [store[s][0, 0] for s in several] == [1, 2, 3]
    assert extractor.frames == 15


def test_a_sequence_longer_than_a_batch_keeps_its_order(tmp_path):
    extractor, s = CountingExtractor(), sequence(0, length=2 * FeatureStore.BATCH + 1)
    assert FeatureStore(extractor, tmp_path / "store")[s][:, 0].tolist() == list(range(2 * FeatureStore.BATCH + 1))
    assert extractor.calls == 3


def test_each_extractor_has_its_own_default_folder_in_the_cache(tmp_path):
    FeatureStore(CountingExtractor("a"))
    FeatureStore(CountingExtractor("b"))
    assert sorted(p.name for p in (tmp_path / "cache" / "features").iterdir()) == ["a", "b"]


def test_the_store_of_another_extractor_is_refused_with_both_ids(tmp_path):
    FeatureStore(CountingExtractor("grey"), tmp_path)
    with pytest.raises(InputError, match=r"'grey'.*'colour'"):
        FeatureStore(CountingExtractor("colour"), tmp_path)
    wider = CountingExtractor("grey")
    wider.dim = 4
    with pytest.raises(InputError, match="'grey'"):
        FeatureStore(wider, tmp_path)


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(InputError, match="not a feature store and not empty"):
        FeatureStore(CountingExtractor(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_store_that_another_process_makes_meanwhile_is_used(tmp_path, monkeypatch):
    list_files = Path.iterdir

    def make_store_and_list(folder):
        monkeypatch.setattr(Path, "iterdir", list_files)
        FeatureStore(CountingExtractor(), tmp_path)
        return list_files(folder)

    monkeypatch.setattr(Path, "iterdir", make_store_and_list)
    assert FeatureStore(CountingExtractor(), tmp_path)[sequence()].shape == (5, 3)


def test_an_empty_folder_becomes_a_store(tmp_path):
    assert FeatureStore(CountingExtractor(), tmp_path)[sequence()].shape == (5, 3)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x80"])
def test_an_unreadable_header_is_an_input_error(tmp_path, content):
    (tmp_path / "store.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"store\.json|feature store"):
        FeatureStore(CountingExtractor(), tmp_path)


def test_a_file_in_place_of_the_folder_is_an_input_error(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(InputError, match="store"):
        FeatureStore(CountingExtractor(), tmp_path / "store")


def test_a_store_that_another_process_is_creating_is_accepted(tmp_path):
    (tmp_path / f"{PARTIAL}12345-{FeatureStore.HEADER}").write_text("")  # see `files.write_atomically`
    assert FeatureStore(CountingExtractor(), tmp_path)[sequence()].shape == (5, 3)


def test_features_of_changed_frames_are_extracted_again(tmp_path):
    store = FeatureStore(CountingExtractor(), tmp_path / "store")
    assert store[sequence(7)][0, 0] == 7
    assert store[sequence(9)][0, 0] == 9
    assert store[sequence(7)][0, 0] == 7


def test_a_store_records_its_extractor_and_frames(tmp_path):
    store, s = FeatureStore(CountingExtractor("mean"), tmp_path), sequence()
    store[s]
    assert json.loads((tmp_path / "store.json").read_text()) == {
        "format": 2,
        "extractor": "mean",
        "dim": 3,
        "dtype": "float16",
    }
    (record,) = tmp_path.glob("one-*.json")
    assert json.loads(record.read_text()) == {
        "extractor": "mean",
        "sequence": "one",
        "fingerprint": s.frames.fingerprint,
        "frames": 5,
        "dataset": "otb",
        "width": 10,
        "height": 8,
    }


def test_a_feature_file_of_another_extractor_is_refused(tmp_path):
    store, other = (
        FeatureStore(CountingExtractor("mine"), tmp_path / "mine"),
        FeatureStore(CountingExtractor("yours"), tmp_path / "yours"),
    )
    store[sequence()], other[sequence()]
    for path in other.folder.glob("one-*"):
        path.replace(store.folder / path.name)
    reason = r"one-.*npy was made from extractor 'yours', not 'mine'; delete it"
    with pytest.raises(InputError, match=reason):
        store[sequence()]
    with pytest.raises(InputError, match=reason):
        store.build([sequence()])


def test_features_of_other_frames_under_the_same_name_are_refused(tmp_path):
    store, old, new = FeatureStore(CountingExtractor(), tmp_path), sequence(7), sequence(9)
    store[old]
    for path in tmp_path.glob("one-*"):
        path.rename(tmp_path / path.name.replace(old.frames.fingerprint, new.frames.fingerprint))
    with pytest.raises(
        InputError, match=f"from fingerprint '{old.frames.fingerprint}', not '{new.frames.fingerprint}'"
    ):
        store[new]


def test_features_without_metadata_are_refused(tmp_path):
    store = FeatureStore(CountingExtractor(), tmp_path)
    store[sequence()]
    (record,) = tmp_path.glob("one-*.json")
    record.write_text("{")
    with pytest.raises(InputError, match=rf"{record.name}, the record of the features; delete .*npy"):
        store[sequence()]
    record.unlink()
    with pytest.raises(InputError, match=r"npy is of unknown origin: there is no one-.*json beside it; delete it"):
        store[sequence()]


@pytest.mark.parametrize(("key", "value"), [("format", 1), ("dtype", "uint8"), ("dim", 4)])
def test_a_store_of_another_format_is_refused_with_the_reason(tmp_path, key, value):
    FeatureStore(CountingExtractor(), tmp_path)
    header = tmp_path / FeatureStore.HEADER
    header.write_text(json.dumps(json.loads(header.read_text()) | {key: value}))
    with pytest.raises(InputError, match=rf"of 'counting' has {key} {value!r}, not .*; delete it, or .* `store`"):
        FeatureStore(CountingExtractor(), tmp_path)


def test_features_of_a_wrong_shape_are_refused(tmp_path):
    store = FeatureStore(CountingExtractor(), tmp_path / "store")
    store[sequence()]
    (file,) = store.folder.glob("*.npy")
    np.save(file, np.zeros((4, 3), np.float16))
    with pytest.raises(InputError, match=r"holds \(4, 3\) float16, expected \(5, 3\) float16; delete it"):
        store[sequence()]


@pytest.mark.parametrize("left", [0, 7, 100, 150])
def test_damaged_features_are_an_input_error_that_says_to_delete_them(tmp_path, left):
    store = FeatureStore(CountingExtractor(), tmp_path / "store")
    store[sequence()]
    (file,) = store.folder.glob("*.npy")
    assert len(file.read_bytes()) == 128 + 5 * 3 * 2
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(InputError, match="delete the file"):
        store[sequence()]


def test_values_beyond_half_precision_stay_finite(tmp_path):
    extractor = CountingExtractor()
    extractor.__class__ = type(
        "Large", (CountingExtractor,), {"__call__": lambda self, frames: np.full((len(frames), 3), 1e6)}
    )
    assert np.isfinite(FeatureStore(extractor, tmp_path / "store")[sequence()]).all()
