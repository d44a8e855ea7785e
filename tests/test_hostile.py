"""Malicious and damaged files: a reader reads or refuses them with one line, runs no code, and bounds its memory."""

import ast
import io
import json
import os
import pickle
import re
import signal
import struct
import sys
import zipfile
import zlib
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


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    counts = fuzz_with_hypothesis(name, 15, tmp_path / "work", replay=True)
    assert counts["inputs"] >= 10


SPECIAL_FILES = {
    "pipe": lambda path: os.mkfifo(path),
    "link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "link to an endless device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("kind", SPECIAL_FILES)
@pytest.mark.parametrize("name", PARSERS)
def test_what_is_no_regular_file_is_refused_at_once(name, kind, tmp_path):
    def give_up(*_):
        raise AssertionError(f"{name} waits for the {kind}")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(5)
    try:
        ParserFolder(PARSERS[name], tmp_path / "work").read_file(SPECIAL_FILES[kind])
    except InputError as error:
        assert "\n" not in str(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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


def large_jpeg(between: bytes) -> bytes:
    """A JPEG of 20,000 x 20,000 pixels by its header, before which there are other bytes."""
    good = PARSERS["frame, JPEG"].seeds[0]
    start = good.index(b"\xff\xc0")
    return good[:start] + between + good[start : start + 5] + struct.pack(">HH", 20_000, 20_000) + good[start + 9 :]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def large_png(*before: tuple[bytes, bytes]) -> bytes:
    """A PNG of 30,000 x 30,000 pixels by its header, before which there are other chunks."""
    header = b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [*before, header, (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def mat_element(code: int, body: bytes) -> bytes:
    return struct.pack("<II", code, len(body)) + body + bytes(-len(body) % 8)


def mat_bomb(kind: int, content: bytes) -> bytes:
    """A MAT-file of 16 kB with an array ``results`` of a class, whose elements unpack to 16 MB."""
    head = mat_element(6, struct.pack("<II", kind, 0)) + mat_element(5, struct.pack("<ii", 1, 1))
    packed = zlib.compress(mat_element(14, head + mat_element(1, b"results") + content), 9)
    return b" " * 124 + struct.pack("<H", 0x100) + b"IM" + struct.pack("<II", 15, len(packed)) + packed


MEGABYTES = (16 << 20) - 1000  # what may be unpacked

BOMBS = {
    **{
        f"a JPEG whose header is found behind {kind}": ("frame, JPEG", lambda between=between: large_jpeg(between))
        for kind, between in {
            "a stray byte": b"\0",
            "stray bytes": b"\0\x11\x22",
            "a marker without a length": b"\xff\xd0",
            "padding": b"\xff\xff",
            "an escaped byte": b"\xff\0",
        }.items()
    },
    "a PNG whose header is not its first chunk": ("frame, PNG", lambda: large_png((b"tEXt", b"a\0b"))),
    "a PNG with a second, larger header": (
        "frame, PNG",
        lambda: large_png((b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))),
    ),
    "a MAT struct with millions of names": (
        "result MAT",
        lambda: mat_bomb(2, mat_element(5, struct.pack("<i", 2)) + mat_element(1, b"ab" * (MEGABYTES // 2))),
    ),
    "a MAT cell of millions of nothings": ("result MAT", lambda: mat_bomb(1, bytes(MEGABYTES))),
    "a MAT array of bytes that become numbers": ("result MAT", lambda: mat_bomb(8, mat_element(1, b"\1" * MEGABYTES))),
    "a MAT text": ("result MAT", lambda: mat_bomb(4, mat_element(4, b"\1" * MEGABYTES))),
    "JSON of millions of lists": ("result JSON", lambda: b'[{"res": [' + b"[]," * (5 << 20) + b"[]]}]"),
    "JSON of millions of names": ("result JSON", lambda: b"{" + b",".join(b'"%x":{}' % n for n in range(10**6)) + b"}"),
    "JSON of millions of lists in place of a configuration": (
        "run, config.json",
        lambda: b'{"a": [' + b"[]," * (5 << 20) + b"[]]}",
    ),
    "annotations of millions of lines": ("OTB annotations", lambda: b"1,2,3,4\n" * (2 * 10**6)),
    "annotations of one line": ("OTB annotations", lambda: b"1 " * (8 * 10**6)),
    "empty lines in place of results": ("result text", lambda: b"\n" * MEGABYTES),
    "seconds in one line": ("result times", lambda: b"11 " * (5 * 10**6)),
    "a cfg of millions of sections": ("darknet cfg", lambda: b"[\n" * (8 * 10**6)),
    "a list of millions of sequences": ("list of sequences", lambda: b"a " * (8 * 10**6)),
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
    if not reader.startswith("result "):  # Scoring notes the reason instead of failing.
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
