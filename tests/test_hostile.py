"""Malicious and damaged files: a reader reads or refuses them with one line, runs no code, and bounds its memory."""

import ast
import io
import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import ROOT

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("scipy")
pytest.importorskip("sb3_contrib")

import torch
from safetensors.torch import load, save

from tests.soak.fuzz import fuzz_with_hypothesis, try_read
from tests.soak.parser import ParserFolder
from tests.soak.parsers import PARSERS
from tracking_env.errors import InputError
from tracking_env.features import mobilenet_v2

SOURCES = sorted(path for folder in ("tracking_env", "agents", "train") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    counts = fuzz_with_hypothesis(name, 15, tmp_path / "work", replay=True)
    assert counts["inputs"] >= 10


class MaliciousObject:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def malicious_files(mark: Path) -> dict[str, bytes]:
    """Files of several formats with a pickle that creates the folder ``mark``."""
    plain = pickle.dumps({"conv1.weight": MaliciousObject(mark)})
    saved, zipped, array = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"conv1.weight": MaliciousObject(mark)}, saved)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3\n")
        archive.writestr("../../escaped", "outside")
    np.save(array, np.array([MaliciousObject(mark)], dtype=object), allow_pickle=True)
    legacy = io.BytesIO()
    torch.save({"conv1.weight": MaliciousObject(mark)}, legacy, _use_new_zipfile_serialization=False)
    return {
        "pickle": plain,
        "torch.save": saved.getvalue(),
        "legacy": legacy.getvalue(),
        "zip": zipped.getvalue(),
        "npy": array.getvalue(),
    }


@pytest.mark.parametrize("name", PARSERS)
def test_a_malicious_pickle_is_never_executed(name, tmp_path):
    mark = tmp_path / "ran"
    folder = ParserFolder(PARSERS[name], tmp_path / "deep" / "er" / "work")
    for content in malicious_files(mark).values():
        try_read(folder, content)
    assert not mark.exists()
    assert not list(tmp_path.rglob("escaped"))
    pickle.loads(malicious_files(mark)["pickle"])  # Python's own reader does run the code.
    assert mark.is_dir()


LOADERS = {  # calls that may run code in a file, and the keyword that makes them safe
    ("torch", "load"): "weights_only",
    ("np", "load"): None,
    ("numpy", "load"): None,
    ("pickle", "load"): None,
    ("pickle", "loads"): None,
    ("joblib", "load"): None,
    ("shutil", "unpack_archive"): None,
    ("tarfile", "open"): None,
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_call_uses_a_reader_that_could_run_code(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            call = node.func.value.id, node.func.attr
            if call in LOADERS:
                keywords = {keyword.arg: keyword.value for keyword in node.keywords}
                safe = keywords.get(LOADERS[call] or "")
                assert isinstance(safe, ast.Constant) and safe.value is True, f"{path.name}, line {node.lineno}: {call}"
            assert node.func.attr not in ("extractall", "extract"), f"{path.name}, line {node.lineno}: an archive"


def memory(kind: str) -> int:
    """Memory of this process in MB: ``VmRSS`` for now, ``VmHWM`` for the peak."""
    return int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10


def peak_growth(action) -> int:
    """Peak memory in MB that an action takes (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        pytest.skip("this system does not report the memory of a process")
    before = memory("VmRSS")
    action()
    return memory("VmHWM") - before


def zip_bomb() -> bytes:
    """Weights of 160 MB in a file of 200 kB, with a compression that torch never uses."""
    plain, file = io.BytesIO(), io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(40 << 20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            archive.writestr(entry.filename, source.read(entry))
    return file.getvalue()


def wide_tensor() -> bytes:
    """A weight of 10^8 numbers that share one place in memory. As float32 they would take 400 MB."""
    file = io.BytesIO()
    wide = torch.zeros(1, dtype=torch.half).expand(10**4, 10**4, 1, 1)
    torch.save({"conv1.weight": wide, "conv1.bias": torch.zeros(1)}, file)
    return file.getvalue()


def changed_config(kind: str = "checkpoint", **changes) -> bytes:
    """The ``config.json`` of a good checkpoint with some values changed."""
    content = json.loads(PARSERS[f"{kind}, config.json"].seeds[0])
    return json.dumps(content | changes).encode()


BOMBS = {
    "a very long text": (
        "result JSON",
        lambda: json.dumps([{"res": [["1", "x" * 10**5, *["1"] * 2]] + [["1"] * 4] * 300}]).encode(),
    ),
    "a type that is a deep tree": (
        "result JSON",
        lambda: b'[{"res": [[1,2,3,4]], "type": ' + b"[" * 900 + b"]" * 900 + b"}]",
    ),
    "a huge annotation file": ("OTB annotations", lambda: b"1,2,3,4\n" * (3 << 20)),
    "a network of another size than its weights": (
        "checkpoint, config.json",
        lambda: changed_config(network={"observation": 20_000, "hidden": 20_000}),
    ),
    "features of 10^15 numbers": ("checkpoint, config.json", lambda: changed_config(features=10**15)),
    "a closed-loop agent of another size than its weights": (
        "search checkpoint, config.json",
        lambda: changed_config("search checkpoint", network={"width": 5_000}),
    ),
    "an SB3 policy of another size than its weights": (
        "SB3 checkpoint, config.json",
        lambda: changed_config("SB3 checkpoint", hidden=5_000),
    ),
    "a cfg of a huge image": ("darknet cfg", lambda: b"[net]\nwidth=99999\nheight=99999\n[dropout]\n"),
    "a cfg of 10^30 filters": (
        "darknet cfg",
        lambda: PARSERS["darknet cfg"].seeds[0].replace(b"filters=2", b"filters=1" + b"0" * 30),
    ),
    "a cfg that enlarges its input four times": (
        "darknet cfg",
        lambda: b"[net]\nwidth=8\nheight=8\n" + b"[upsample]\nstride=100\n" * 4,
    ),
    "a zip that unpacks to 160 MB": ("torch weights", zip_bomb),
    "one number in the shape of 10^8": ("torch weights", wide_tensor),
    "a PNG with a chunk of 2 GB": (
        "frame, PNG",
        lambda: PARSERS["frame, PNG"].seeds[0].replace(b"\0\0\0\x30IDAT", b"\x7f\0\0\x30IDAT"),
    ),
    "an archive in place of features": ("store, npy", lambda: malicious_files(Path("x"))["zip"]),
    "features of another type": (
        "store, npy",
        lambda: PARSERS["store, npy"].seeds[0].replace(b"'<f2'", b"'S99'") + bytes(9 * 99),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_would_fill_the_memory_are_refused(name, tmp_path):
    reader, content = BOMBS[name]
    folder, data = ParserFolder(PARSERS[reader], tmp_path / "work"), content()
    accepted = []
    assert peak_growth(lambda: accepted.append(try_read(folder, data))) < 120
    if reader != "result JSON":  # Scoring notes the reason instead of failing.
        assert accepted == [False]


@pytest.mark.parametrize("kind", ["checkpoint, optimizer", "search checkpoint, optimizer", "SB3 checkpoint, training"])
@pytest.mark.parametrize("steps", [-1.0, float("nan"), float("inf")])
def test_an_impossible_number_of_optimiser_steps_is_refused(kind, steps, tmp_path):
    reader = f"{kind}.safetensors"
    tensors = load(PARSERS[reader].seeds[0])
    name = next(key for key in tensors if "step" in key)
    assert not try_read(ParserFolder(PARSERS[reader], tmp_path / "work"), save(tensors | {name: torch.tensor(steps)}))


def test_a_huge_stride_is_refused(tmp_path):
    wide = PARSERS["darknet cfg"].seeds[0].replace(b"stride=2", b"stride=" + b"9" * 30, 1)
    assert not try_read(ParserFolder(PARSERS["darknet cfg"], tmp_path / "work"), wide)


def test_a_box_far_outside_any_image_is_refused(tmp_path):
    folder = ParserFolder(PARSERS["OTB annotations"], tmp_path / "work")
    assert try_read(folder, b"1e5,2,3,4\n" * 3)
    with pytest.raises(InputError, match=r"mine: box 2 is \[1e\+60, 2.0, 3.0, 4.0\], far outside any image; correct"):
        folder.read(b"1,2,3,4\n1e60,2,3,4\n1,2,3,4\n")


def test_features_with_a_header_that_numpy_would_repair_are_refused(tmp_path):
    good = PARSERS["store, npy"].seeds[0]
    folder = ParserFolder(PARSERS["store, npy"], tmp_path / "work")
    assert try_read(folder, good)
    assert not try_read(folder, good.replace(b"(3, 3), } ", b"(3L, 3),}"[:9] + b" "))


def test_darknet_weights_that_are_not_finite_are_refused(tmp_path):
    folder = ParserFolder(PARSERS["darknet weights"], tmp_path / "work")
    good = PARSERS["darknet weights"].seeds[0]
    assert try_read(folder, good)
    # The numbers are two biases, two scales, two means, two variances.
    for index, value in ((0, np.inf), (7, np.nan), (7, -1.0)):
        numbers = np.frombuffer(good[20:], "<f4").copy()
        numbers[index] = value
        with pytest.raises(InputError, match="not finite, or variances below 0"):
            folder.read(good[:20] + numbers.tobytes())


def test_read_pth_reads_files_of_torch_save(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "a.pth")
    assert mobilenet_v2.read_pth(tmp_path / "a.pth")["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("suffix", "position", "digits"), [("PNG", 16, 4), ("JPEG", None, 2)])
def test_an_image_with_a_huge_size_in_its_header_is_not_decoded(suffix, position, digits, tmp_path):
    good = PARSERS[f"frame, {suffix}"].seeds[0]
    position = good.index(b"\xff\xc0") + 5 if position is None else position
    folder = ParserFolder(PARSERS[f"frame, {suffix}"], tmp_path / "work")
    with pytest.raises(InputError, match="has 900000000 pixels by its header; give frames of at most 33554432"):
        folder.read(good[:position] + (30_000).to_bytes(digits, "big") * 2 + good[position + 2 * digits :])
