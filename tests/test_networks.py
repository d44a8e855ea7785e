import numpy as np
import pytest

from tracking_env import networks
from tracking_env.errors import InputError
from tracking_env.maps import SEARCH, make_maps

CROP = np.random.default_rng(0).integers(0, 256, (SEARCH, SEARCH, 3), dtype=np.uint8)


@pytest.mark.parametrize("opened", [networks.by_opencv, networks.fastest])
def test_a_file_that_is_no_network_is_refused(tmp_path, opened):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot read .*a\.onnx.*fetch it again"):
        opened(tmp_path / "a.onnx")


def test_without_onnxruntime_opencv_runs_what_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "ort", None)
    with pytest.raises(InputError, match=r"OpenCV cannot read .*none\.onnx"):
        networks.fastest(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"needs onnxruntime; type: pip install 'tracking-env\[onnx\]'"):
        networks.by_onnxruntime(tmp_path / "none.onnx")


@pytest.mark.otb
def test_both_runners_give_the_same_numbers(nanotrack, monkeypatch):
    pytest.importorskip("onnxruntime")
    quick = make_maps("nanotrack-head", nanotrack)
    monkeypatch.setattr(networks, "ort", None)
    slow = make_maps("nanotrack-head", nanotrack)
    assert quick.id == slow.id
    seen = quick(CROP)
    np.testing.assert_allclose(seen, slow(CROP), atol=1e-3)
    template = np.ascontiguousarray(seen[:, 4:12, 4:12])
    np.testing.assert_allclose(quick.propose(template, seen), slow.propose(template, seen), atol=1e-3)


@pytest.mark.otb
@pytest.mark.parametrize("opened", [networks.by_opencv, networks.fastest])
def test_what_a_network_returns_is_the_callers(nanotrack, opened):
    (backbone,) = nanotrack.glob("*backbone*.onnx")
    run = opened(backbone)
    picture = CROP.transpose(2, 0, 1)[None].astype(np.float32)
    (first,) = run(picture)
    kept = first.copy()
    run(picture[:, :, ::-1].copy())
    np.testing.assert_array_equal(first, kept)


@pytest.mark.otb
@pytest.mark.parametrize("opened", [networks.by_opencv, networks.fastest])
def test_inputs_that_a_network_does_not_take_are_refused(nanotrack, opened):
    (head,) = nanotrack.glob("*head*.onnx")
    with pytest.raises(ValueError):
        opened(head, ("input1", "none"), ("output1",))(np.zeros((1, 48, 8, 8), np.float32), np.zeros(1, np.float32))
