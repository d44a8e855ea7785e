import getpass
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.errors import InputError
from tracking_env.features import onnx_inference
from tracking_env.features.maps import SEARCH

CROP = np.random.default_rng(0).integers(0, 256, (SEARCH, SEARCH, 3), dtype=np.uint8)


def test_a_file_that_contains_no_network_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot read .*a\.onnx.*fetch it again"):
        onnx_inference.by_onnxruntime(tmp_path / "a.onnx")


def test_onnxruntime_writes_no_logs_and_sends_no_reports(tmp_path):
    """onnxruntime keeps ids and pending reports in TMPDIR and in the user's cache."""
    code = "from tracking_env.search.trained import tracker; print(type(tracker().policy).__name__)"
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    # onnxruntime reports nothing if these are set, so they would hide a failure of this library.
    silent = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in silent} | homes
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "OnnxPolicy\n"
    assert {path.name for path in tmp_path.iterdir()} <= {f"torchinductor_{getpass.getuser()}"}


def test_without_onnxruntime_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime; type: pip install 'onnxruntime>="):
        onnx_inference.by_onnxruntime(b"network")


@pytest.mark.otb
def test_later_calls_do_not_change_returned_arrays(nanotrack):
    (backbone,) = nanotrack.glob("*backbone*.onnx")
    run = onnx_inference.by_onnxruntime(backbone)
    picture = CROP.transpose(2, 0, 1)[None].astype(np.float32)
    (first,) = run(picture)
    copy = first.copy()
    run(picture[:, :, ::-1].copy())
    np.testing.assert_array_equal(first, copy)


@pytest.mark.otb
def test_the_numbers_are_those_of_opencv_with_any_number_of_threads(nanotrack):
    (head,) = nanotrack.glob("*head*.onnx")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1, 48, side, side)).astype(np.float32) for side in (8, 16)]
    names = ("input1", "input2"), ("output1", "output2")
    single, double = (onnx_inference.by_onnxruntime(head, *names, threads=threads)(*arrays) for threads in (1, 2))
    reference = cv2.dnn.readNetFromONNX(str(head))
    for name, array in zip(names[0], arrays, strict=True):
        reference.setInput(array, name)
    for ours, same, theirs in zip(single, double, reference.forward(names[1]), strict=True):
        np.testing.assert_array_equal(ours, same)
        np.testing.assert_allclose(ours, theirs, atol=1e-2, rtol=1e-3)


@pytest.mark.otb
def test_unexpected_inputs_are_refused(nanotrack):
    (head,) = nanotrack.glob("*head*.onnx")
    run = onnx_inference.by_onnxruntime(head, ("input1", "none"), ("output1",))
    with pytest.raises(ValueError):
        run(np.zeros((1, 48, 8, 8), np.float32), np.zeros(1, np.float32))


def test_an_unknown_device_is_refused():
    assert onnx_inference.resolve_device("cpu") == "cpu"
    with pytest.raises(InputError, match="unknown device 'gpu'; give one of auto, cpu, cuda"):
        onnx_inference.resolve_device("gpu")


def test_cuda_is_refused_without_cuda_support_in_onnxruntime(monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    assert onnx_inference.resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match=r"has no CUDA; type: pip .*onnxruntime-gpu, or give device='cpu'$"):
        onnx_inference.resolve_device("cuda")


def test_cuda_is_chosen_if_available(monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [onnx_inference.CUDA, "CPUExecutionProvider"])
    assert [onnx_inference.resolve_device(device) for device in ("auto", "cuda")] == ["cuda", "cuda"]
    requested = []

    class Session:
        def __init__(self, content, options, providers, **more):
            requested.extend(providers)

        def get_providers(self):
            return ["CPUExecutionProvider"]

    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    with pytest.raises(InputError, match=r"cannot use the GPU here.*give device='cpu'"):
        onnx_inference.open_session(b"", "cuda")
    assert requested == [(onnx_inference.CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]
