import ast
import importlib.metadata
import tomllib

import pytest

from tests.helpers.paths import ROOT
from tracking_env import files
from tracking_env.errors import InputError, MissingPackageError, describe, first_line, requirements, suggest

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
