"""The layers of the code, read from its imports."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {"tracking_env": set(), "agents": {"tracking_env"}, "train": {"tracking_env", "agents"}}  # what a layer may use
NEEDS_TORCH = {"backbones", "convnets", "darknet", "darknet_layers", "devices"}
FILES = sorted(path for package in BELOW for path in (ROOT / package).rglob("*.py"))


def name(path):
    return str(path.relative_to(ROOT))


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes):
    """Names of the modules that these nodes import; for ``from a import b`` both ``a`` and ``a.b``."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(nodes):
    """The nodes that run when a module is imported: all but the bodies of functions."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(ast.iter_child_nodes(node))


def tops(nodes):
    return {module.partition(".")[0] for module in imported(nodes)}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_packages_import_downwards_only(path):
    package = path.relative_to(ROOT).parts[0]
    assert tops(ast.walk(tree(path))) & BELOW.keys() <= BELOW[package] | {package}
    assert "tests" not in tops(ast.walk(tree(path)))


LIBRARY = [path for path in FILES if path.is_relative_to(ROOT / "tracking_env")]


def library():
    """What each module of tracking_env imports of it; of a package what it offers itself."""
    dotted = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in LIBRARY
    }
    del dotted["tracking_env"]
    return {module: set(imported(ast.walk(tree(path)))) & dotted.keys() for module, path in dotted.items()}


def test_imports_form_no_cycle():
    rest = library()
    rest["tracking_env.features"] -= {"tracking_env.backbones", "tracking_env.devices"}  # on demand: they need torch
    while free := {module for module, others in rest.items() if not others & rest.keys()}:
        rest = {module: others for module, others in rest.items() if module not in free}
    assert not rest


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_only_pretrained_networks_need_torch(path):
    assert ("torch" in tops(at_import([tree(path)]))) == (path.stem in NEEDS_TORCH)


@pytest.mark.parametrize("path", [p for p in FILES if p.parts[-2] == "agents"], ids=name)
def test_agents_know_nothing_of_flags_loops_and_files(path):
    used = tops(ast.walk(tree(path)))
    assert not used & {"argparse", "tyro", "tqdm", "tensorboard", "logging"}
    if path.stem.endswith("checkpoint"):
        return
    assert not used & {"pathlib", "os", "io", "json", "pickle", "shutil", "safetensors"}
    calls = {node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not {f.id for f in calls if isinstance(f, ast.Name)} & {"open", "print"}
    assert not {f.attr for f in calls if isinstance(f, ast.Attribute)} & {"open", "load", "save", "read_text"}


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.stem != "cli" and p.parent.name != "commands"], ids=name)
def test_the_library_does_not_print(path):
    names = {node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
    assert "print" not in names


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(tree(path))
