import ast
import importlib.metadata
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tracking_env import cli, files
from tracking_env.errors import (
    InputError,
    MissingPackageError,
    describe,
    first_line,
    naming_flags,
    option,
    requirements,
    suggest,
)
from tracking_env.features.extractors import make_extractor
from tracking_env.program import run_program

METADATA = [
    "numpy<3,>=2.0",
    "torch<2.14,>=2.8; extra == 'torch'",
    "onnxruntime>=1.20; extra == 'demo'",
    'ray[rllib]>=2.50; extra == "demo"',
    "torch<2.14,>=2.8; extra == 'demo'",
    "stable-baselines3>=2.7; extra == 'train'",
    "six; python_version < '3.13' and extra == 'demo'",
]


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: METADATA)


@pytest.fixture
def not_installed(monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)


def test_errors_name_arguments_in_python_and_flags_in_a_program(capsys):
    forms = [("clip_length",), ("device", "cpu"), ("overwrite", True), ("checkpoint", Path("runs"))]
    in_python = ["`clip_length`", "device='cpu'", "overwrite=True", "checkpoint='runs'"]
    in_programs = ["--clip-length", "--device cpu", "--overwrite", "--checkpoint runs"]
    assert [option(*form) for form in forms] == in_python
    seen = []
    assert run_program("it", lambda flags: seen.extend(option(*form) for form in forms), []) == 0
    assert seen == in_programs
    assert [option(*form) for form in forms] == in_python  # after a program that ran in this process

    with pytest.raises(InputError, match=r"leave out weights='x'$"):
        make_extractor("grid", "x")
    assert cli.main(["extract", "--sequences", "synthetic:0", "--features", "grid", "--weights", "x"]) == 2
    assert capsys.readouterr().err.strip().endswith("grid has no weights; leave out --weights x")


def test_flags_are_named_in_the_processes_of_a_program():
    print_it = "from tracking_env.errors import option; print(option('out'))"
    with naming_flags():
        lines = [subprocess.run([sys.executable, "-c", print_it], capture_output=True, text=True, check=True).stdout]
    lines.append(subprocess.run([sys.executable, "-c", print_it], capture_output=True, text=True, check=True).stdout)
    assert lines == ["--out\n", "`out`\n"]


def test_no_error_of_the_library_names_a_flag():
    """Except in the rooms that are programs; there `option` names arguments and flags."""
    programs = {"commands", "cli.py", "program.py", "demo"}
    flags = []
    for path in [*(ROOT / "tracking_env").rglob("*.py"), *(ROOT / "agents").rglob("*.py")]:
        if programs & set(path.relative_to(ROOT).parts):
            continue
        raised = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
        texts = [part for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant)]
        flags += [text.value for text in texts if re.search(r"(^|\s)--([a-z]|$)", str(text.value))]
    assert not flags


def test_the_requirements_of_an_extra_come_from_the_metadata(installed):
    assert requirements("torch") == ["torch>=2.8,<2.14"]
    assert requirements("demo") == ["onnxruntime>=1.20", "ray[rllib]>=2.50", "torch>=2.8,<2.14", "six"]
    assert requirements("unknown") == []


def test_a_missing_package_is_an_error_with_the_packages_to_install(installed):
    error = MissingPackageError("yolo-nano-voc", ModuleNotFoundError("no", name="torch"), "torch")
    assert isinstance(error, InputError) and error.package == "torch"
    assert str(error) == "yolo-nano-voc needs torch; type: pip install 'torch>=2.8,<2.14'"
    assert str(MissingPackageError("it", "numpy")) == "it needs numpy; type: pip install 'numpy>=2.0,<3'"
    error = ModuleNotFoundError("no", name="stable_baselines3")
    assert str(MissingPackageError("a model", error)).endswith("; type: pip install 'stable-baselines3>=2.7'")
    assert str(MissingPackageError("a tracker", "mine")) == "a tracker needs mine; type: pip install mine"


def test_without_metadata_the_error_names_the_missing_package(not_installed):
    assert str(MissingPackageError("report", "jinja2", "report")) == "report needs jinja2; type: pip install jinja2"


def test_a_failed_import_without_a_name_is_described_by_its_message(not_installed):
    error = MissingPackageError("exporting", ImportError("cannot import name 'x' from 'y'\nmore"), "train")
    assert error.package == "cannot import name 'x' from 'y'"


def test_every_extra_named_in_an_error_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set()
    for path in (path for package in ("tracking_env", "agents", "train") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingPackageError":
                named |= {value.value for value in node.args[2:] if isinstance(value, ast.Constant)}
    assert {"torch", "report", "demo"} <= named <= extras.keys()


def test_no_message_tells_to_install_this_library_from_an_index():
    for package in ("tracking_env", "agents", "train"):
        for path in (ROOT / package).rglob("*.py"):
            assert "tracking-env[" not in path.read_text(encoding="utf-8"), path


def test_a_similar_word_is_suggested_in_any_case():
    assert suggest("sekwence", ("sequence", "start")) == " (did you mean 'sequence'?)"
    assert suggest("suv", ("Suv", "Deer")) == " (did you mean 'Suv'?)"
    assert suggest("zebra", ("Suv", "Deer")) == suggest("Suv", ()) == ""


def test_first_line_returns_the_first_line_of_an_error():
    assert first_line(ValueError("\n one \ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
    assert first_line(ValueError("x" * 500)) == "x" * 200


def test_an_unexpected_error_is_described_with_its_place():
    try:
        raise KeyError("a\nb")
    except KeyError as error:
        assert describe(error).startswith(r"KeyError: 'a\nb' (test_errors.py, line ")
    assert describe(InputError("give a box")) == "give a box"


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "empty").touch()
    assert files.sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(InputError, match=r"cannot read .*none: No such file"):
        files.sha256(tmp_path / "none")


def test_a_long_message_is_described_at_once():
    begun = time.monotonic()
    for text in ("y/" * 100_000, "/" * 100_000, "a/b.c:1 x" * 20_000):
        assert len(describe(ValueError(text))) < 300
    assert time.monotonic() - begun < 5
