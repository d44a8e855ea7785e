"""No variable, argument or loop target has a placeholder such as `one` or `found` as its name."""

import ast

import pytest

from tests.helpers.paths import ROOT

PLACEHOLDERS = {"one", "said", "kept", "found", "wanted", "given", "what"}
FOLDERS = ("tracking_env", "agents", "train", "benchmarks", "examples", "docs", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def bound_names(root):
    """Yield each name that is assigned, looped over or taken as an argument, with its line."""
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_a_placeholder_is_found():
    assert ("one", 1) in set(bound_names(ast.parse("names = [one.name for one in sequences]")))
    assert ("said", 1) in set(bound_names(ast.parse("def f(said): pass")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_variable_is_a_placeholder(path):
    lines = {line for name, line in bound_names(ast.parse(path.read_text(encoding="utf-8"))) if name in PLACEHOLDERS}
    assert not lines
