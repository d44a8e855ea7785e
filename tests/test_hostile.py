"""Files of strangers: every reader refuses with one line or reads, runs no code of them, and takes bounded memory."""

import ast
import io
import json
import os
import pickle
import re
import sys
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

from tests.soak.fuzz import by_hypothesis, try_one
from tests.soak.parser import Workplace
from tests.soak.parsers import PARSERS
from tracking_env.errors import InputError
from tracking_env.features import pretrained, torchvision_models

SOURCES = sorted(path for folder in ("tracking_env", "agents", "train") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    counts = by_hypothesis(name, 15, tmp_path / "work", replay=True)
    assert counts["inputs"] >= 10


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def evil_files(mark: Path) -> dict[str, bytes]:
    """Pickles in every dress."""
    plain = pickle.dumps({"conv1.weight": Evil(mark)})
    saved, zipped, array = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"conv1.weight": Evil(mark)}, saved)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3\n")
        archive.writestr("../../escaped", "outside")
    np.save(array, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    legacy = io.BytesIO()
    torch.save({"conv1.weight": Evil(mark)}, legacy, _use_new_zipfile_serialization=False)
    return {
        "pickle": plain,
        "torch.save": saved.getvalue(),
        "legacy": legacy.getvalue(),
        "zip": zipped.getvalue(),
        "npy": array.getvalue(),
    }


@pytest.mark.parametrize("name", PARSERS)
def test_a_malicious_pickle_runs_nowhere(name, tmp_path):
    mark = tmp_path / "ran"
    workplace = Workplace(PARSERS[name], tmp_path / "deep" / "er" / "work")
    for content in evil_files(mark).values():
        try_one(workplace, content)
    assert not mark.exists()
    assert not list(tmp_path.rglob("escaped"))
    pickle.loads(evil_files(mark)["pickle"])  # it would
    assert mark.is_dir()


def test_weights_for_timm_are_looked_at_before_timm_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", type(sys)("timm"))
    for name, content in evil_files(tmp_path / "ran").items():
        file = tmp_path / "a.pth"
        file.write_bytes(content)
        with pytest.raises(InputError, match="damaged or no"):
            pretrained.make_timm("net", file)
        assert not (tmp_path / "ran").exists(), name


LOADERS = {  # calls that may run code of a file, and what makes them safe
    ("torch", "load"): "weights_only",
    ("np", "load"): None,
    ("numpy", "load"): None,
    ("pickle", "load"): None,
    ("pickle", "loads"): None,
    ("joblib", "load"): None,
    ("shutil", "unpack_archive"): None,
    ("tarfile", "open"): None,
}
MODELS_OF_OTHERS = {"sb3.py"}  # where Stable-Baselines3 loads its own files, which are pickles


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_loaded_that_could_run(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            call = node.func.value.id, node.func.attr
            if call in LOADERS:
                given = {one.arg: one.value for one in node.keywords}
                safe = given.get(LOADERS[call] or "")
                assert isinstance(safe, ast.Constant) and safe.value is True, f"{path.name}, line {node.lineno}: {call}"
            assert node.func.attr not in ("extractall", "extract"), f"{path.name}, line {node.lineno}: an archive"


def memory(kind: str) -> int:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at the highest."""
    return int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10


def grown(action) -> int:
    """MB that an action took at its highest (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the highest begins anew
    except OSError:
        pytest.skip("this system does not tell a process's memory")
    before = memory("VmRSS")
    action()
    return memory("VmHWM") - before


def zip_bomb() -> bytes:
    """Weights of 160 MB that take 200 kB, compressed as torch never writes them."""
    plain, file = io.BytesIO(), io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(40 << 20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in source.infolist():
            archive.writestr(one.filename, source.read(one))
    return file.getvalue()


def wide_tensor() -> bytes:
    """One number that says it is a weight of 10^8, which take 400 MB once they are turned into float32."""
    file = io.BytesIO()
    wide = torch.zeros(1, dtype=torch.half).expand(10**4, 10**4, 1, 1)
    torch.save({"conv1.weight": wide, "conv1.bias": torch.zeros(1)}, file)
    return file.getvalue()


def config(kind: str = "checkpoint", **changes) -> bytes:
    content = json.loads(PARSERS[f"{kind}, config.json"].seeds[0])
    return json.dumps(content | changes).encode()


BOMBS = {
    "a text far longer than others": (
        "result JSON",
        lambda: json.dumps([{"res": [["1", "x" * 10**5, *["1"] * 2]] + [["1"] * 4] * 300}]).encode(),
    ),
    "a type that is a deep tree": (
        "result JSON",
        lambda: b'[{"res": [[1,2,3,4]], "type": ' + b"[" * 900 + b"]" * 900 + b"}]",
    ),
    "an annotation file without an end": ("OTB annotations", lambda: b"1,2,3,4\n" * (3 << 20)),
    "a network that its weights are not of": (
        "checkpoint, config.json",
        lambda: config(network={"observation": 20_000, "hidden": 20_000}),
    ),
    "features of 10^15 numbers": ("checkpoint, config.json", lambda: config(features=10**15)),
    "a closed-loop agent that its weights are not of": (
        "search checkpoint, config.json",
        lambda: config("search checkpoint", network={"width": 5_000}),
    ),
    "an SB3 policy that its weights are not of": (
        "SB3 checkpoint, config.json",
        lambda: config("SB3 checkpoint", hidden=5_000),
    ),
    "a cfg of a huge picture": ("darknet cfg", lambda: b"[net]\nwidth=99999\nheight=99999\n[dropout]\n"),
    "a cfg of 10^30 filters": (
        "darknet cfg",
        lambda: PARSERS["darknet cfg"].seeds[0].replace(b"filters=2", b"filters=1" + b"0" * 30),
    ),
    "a cfg that grows": (
        "darknet cfg",
        lambda: b"[net]\nwidth=8\nheight=8\n" + b"[upsample]\nstride=100\n" * 4,
    ),
    "a zip that unpacks to 160 MB": ("torch weights", zip_bomb),
    "one number in the shape of many": ("torch weights", wide_tensor),
    "a PNG with a chunk of 2 GB": (
        "frame, PNG",
        lambda: PARSERS["frame, PNG"].seeds[0].replace(b"\0\0\0\x30IDAT", b"\x7f\0\0\x30IDAT"),
    ),
    "an archive in place of features": ("store, npy", lambda: evil_files(Path("x"))["zip"]),
    "features of another type": (
        "store, npy",
        lambda: PARSERS["store, npy"].seeds[0].replace(b"'<f2'", b"'S99'") + bytes(9 * 99),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_fill_the_memory_is_refused(name, tmp_path):
    reader, content = BOMBS[name]
    workplace, data = Workplace(PARSERS[reader], tmp_path / "work"), content()
    accepted = []
    assert grown(lambda: accepted.append(try_one(workplace, data))) < 120
    if reader != "result JSON":  # whose readers note the reason instead
        assert accepted == [False]


@pytest.mark.parametrize("kind", ["checkpoint, optimizer", "search checkpoint, optimizer", "SB3 checkpoint, training"])
@pytest.mark.parametrize("steps", [-1.0, float("nan"), float("inf")])
def test_an_optimiser_has_taken_a_number_of_steps(kind, steps, tmp_path):
    reader = f"{kind}.safetensors"
    tensors = load(PARSERS[reader].seeds[0])
    name = next(key for key in tensors if "step" in key)
    assert not try_one(Workplace(PARSERS[reader], tmp_path / "work"), save(tensors | {name: torch.tensor(steps)}))


def test_a_stride_wider_than_any_network_s_is_refused(tmp_path):
    wide = PARSERS["darknet cfg"].seeds[0].replace(b"stride=2", b"stride=" + b"9" * 30, 1)
    assert not try_one(Workplace(PARSERS["darknet cfg"], tmp_path / "work"), wide)


def test_a_box_farther_than_any_image_is_refused(tmp_path):
    workplace = Workplace(PARSERS["OTB annotations"], tmp_path / "work")
    assert try_one(workplace, b"1e5,2,3,4\n" * 3)
    with pytest.raises(InputError, match=r"mine: box 2 is \[1e\+60, 2.0, 3.0, 4.0\], which is no place"):
        workplace.read(b"1,2,3,4\n1e60,2,3,4\n1,2,3,4\n")


def test_features_with_a_header_that_numpy_would_mend_are_refused(tmp_path):
    good = PARSERS["store, npy"].seeds[0]
    workplace = Workplace(PARSERS["store, npy"], tmp_path / "work")
    assert try_one(workplace, good)
    assert not try_one(workplace, good.replace(b"(3, 3), } ", b"(3L, 3),}"[:9] + b" "))


def test_numbers_of_darknet_weights_are_finite(tmp_path):
    workplace = Workplace(PARSERS["darknet weights"], tmp_path / "work")
    good = PARSERS["darknet weights"].seeds[0]
    assert try_one(workplace, good)
    for at, value in ((0, np.inf), (7, np.nan), (7, -1.0)):  # two biases, two scales, two means, two variances
        numbers = np.frombuffer(good[20:], "<f4").copy()
        numbers[at] = value
        with pytest.raises(InputError, match="not finite, or variances below 0"):
            workplace.read(good[:20] + numbers.tobytes())


def test_read_pth_reads_what_torch_saves(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "a.pth")
    assert torchvision_models.read_pth(tmp_path / "a.pth")["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("suffix", "at", "digits"), [("PNG", 16, 4), ("JPEG", None, 2)])
def test_a_picture_is_not_decoded_that_says_it_is_huge(suffix, at, digits, tmp_path):
    good = PARSERS[f"frame, {suffix}"].seeds[0]
    at = good.index(b"\xff\xc0") + 5 if at is None else at
    workplace = Workplace(PARSERS[f"frame, {suffix}"], tmp_path / "work")
    with pytest.raises(InputError, match="has 900000000 pixels, at most 67108864"):
        workplace.read(good[:at] + (30_000).to_bytes(digits, "big") * 2 + good[at + 2 * digits :])
