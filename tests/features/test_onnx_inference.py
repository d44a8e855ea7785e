import getpass
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.features.maps import SEARCH, make_maps

CROP = np.random.default_rng(0).integers(0, 256, (SEARCH, SEARCH, 3), dtype=np.uint8)


@pytest.mark.parametrize("opened", [onnx_inference.by_opencv, onnx_inference.fastest])
def test_a_file_that_is_no_network_is_refused(tmp_path, opened):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot read .*a\.onnx.*fetch it again"):
        opened(tmp_path / "a.onnx")


def test_onnxruntime_writes_and_reports_nothing(tmp_path):
    """Its own files lie in TMPDIR and in the user's cache: a session's number, a device's, what is to be sent."""
    pytest.importorskip("onnxruntime")
    code = "from agents import pointing_checkpoint as pc; print(type(pc.tracker().policy).__name__)"
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    # It is silent by itself where these are set, so that they would hide what is wanted to be seen.
    silent = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI")
    environment = {name: one for name, one in os.environ.items() if name not in silent} | homes
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "Exported\n"
    assert {one.name for one in tmp_path.iterdir()} <= {f"torchinductor_{getpass.getuser()}"}


def test_without_onnxruntime_opencv_runs_what_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_inference, "ONNXRUNTIME", False)
    with pytest.raises(InputError, match=r"OpenCV cannot read .*none\.onnx"):
        onnx_inference.fastest(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"needs onnxruntime; type: pip install 'tracking-env\[onnx\]'"):
        onnx_inference.by_onnxruntime(tmp_path / "none.onnx")


@pytest.mark.otb
def test_both_runners_give_the_same_numbers(nanotrack, monkeypatch):
    pytest.importorskip("onnxruntime")
    quick = make_maps("nanotrack-head", nanotrack)
    monkeypatch.setattr(onnx_inference, "ONNXRUNTIME", False)
    slow = make_maps("nanotrack-head", nanotrack)
    assert quick.id == slow.id
    seen = quick(CROP)
    np.testing.assert_allclose(seen, slow(CROP), atol=1e-3)
    template = np.ascontiguousarray(seen[:, 4:12, 4:12])
    np.testing.assert_allclose(quick.propose(template, seen), slow.propose(template, seen), atol=1e-3)


@pytest.mark.otb
@pytest.mark.parametrize("opened", [onnx_inference.by_opencv, onnx_inference.fastest])
def test_what_a_network_returns_is_the_callers(nanotrack, opened):
    (backbone,) = nanotrack.glob("*backbone*.onnx")
    run = opened(backbone)
    picture = CROP.transpose(2, 0, 1)[None].astype(np.float32)
    (first,) = run(picture)
    kept = first.copy()
    run(picture[:, :, ::-1].copy())
    np.testing.assert_array_equal(first, kept)


@pytest.mark.otb
@pytest.mark.parametrize("opened", [onnx_inference.by_opencv, onnx_inference.fastest])
def test_inputs_that_a_network_does_not_take_are_refused(nanotrack, opened):
    (head,) = nanotrack.glob("*head*.onnx")
    with pytest.raises(ValueError):
        opened(head, ("input1", "none"), ("output1",))(np.zeros((1, 48, 8, 8), np.float32), np.zeros(1, np.float32))
