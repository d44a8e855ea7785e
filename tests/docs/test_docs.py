"""The documentation: its code runs as written, and it names nothing that is not there."""

import ast
import fnmatch
import importlib
import importlib.util
import json
import re
import shlex
import sys

import cv2
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env import cli
from tracking_env.datasets import synthetic

DOCS = ROOT / "docs"
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
LOGGERS = ("reinforce", "search", "sb3", "sb3_callbacks", "results")


def blocks(page, language):
    """The fenced code of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[DOCS / page], re.DOTALL | re.MULTILINE)


def run(page, folder, monkeypatch):
    """All Python code of a page in a working directory, and then the names that it left."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(folder / "cache"))
    names = {"__name__": "__main__"}
    for number, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{page}, block {number}", "exec"), names)
    return names


@pytest.fixture
def drawn(tmp_path):
    """Two sequences, as files in the layouts of the page on data sets; a frame of each has no box."""
    sequences = {name: synthetic.generate(seed, 9, (64, 48)) for seed, name in enumerate(("first", "second"))}
    for name, one in sequences.items():
        rows = (one.boxes - [1, 1, 0, 0]).tolist()
        for folder, images in ((tmp_path / "clips", "."), (tmp_path / "mine", "frames")):
            (folder / name / images).mkdir(parents=True)
            for index in range(len(one)):
                cv2.imwrite(str(folder / name / images / f"{index + 1:04d}.png"), one.frames[index][..., ::-1])
        (tmp_path / "clips" / name / "boxes.json").write_text(json.dumps([*rows[:-1], None]))
        lines = [",".join(map(repr, row)) for row in rows[:-1]] + ["nan,nan,nan,nan"]
        (tmp_path / "mine" / name / "groundtruth.txt").write_text("\n".join(lines))
    return sequences


@pytest.mark.parametrize("page", ["dataset", "extractor", "agent"])
def test_each_example_has_under_40_lines(page):
    codes = blocks(f"extend/{page}.md", "python")
    assert codes and all(len(code.splitlines()) < 40 for code in codes)


def test_a_data_set_is_added_as_written(drawn, tmp_path, monkeypatch, capsys):
    from tracking_env.datasets import other_benchmarks

    monkeypatch.setattr(other_benchmarks, "LAYOUTS", dict(other_benchmarks.LAYOUTS))
    names = run("extend/dataset.md", tmp_path, monkeypatch)
    assert re.match(r"clips (first|second) [3-8]\n", capsys.readouterr().out)
    for loaded in (names["sequences"], names["by_layout"]):
        assert [one.name for one in loaded] == list(drawn)
        for one in loaded:
            np.testing.assert_allclose(one.boxes[:-1], drawn[one.name].boxes[:-1])
            assert not one.annotated[-1]
            np.testing.assert_array_equal(one.frames[2], drawn[one.name].frames[2])


def test_an_extractor_is_added_as_written(tmp_path, monkeypatch, capsys):
    hues = run("extend/extractor.md", tmp_path, monkeypatch)["Hues"]()
    assert capsys.readouterr().out == "(64,)\n"
    frame = synthetic.generate(0, 1, (96, 64)).frames[0]
    np.testing.assert_allclose(hues(frame[None]), hues(hues.prepare(frame)[None]))


def test_an_agent_is_added_as_written(tmp_path, monkeypatch, capsys):
    names = run("extend/agent.md", tmp_path, monkeypatch)
    assert len(names["scores"]) == 2 and all(0 < score < 20 / 21 for score in names["scores"].values())
    (tmp_path / "mytracker.py").write_text(blocks("extend/agent.md", "python")[0])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    capsys.readouterr()
    (command,) = blocks("extend/agent.md", "bash")
    assert cli.main([*shlex.split(command)[1:], "--json"]) == 0
    matched = json.loads(capsys.readouterr().out)["mean"]["whole"]["auc"]
    assert matched > np.mean(list(names["scores"].values())), "it tracks better than what stands still"


def test_every_logged_key_is_in_the_table():
    rows = re.findall(r"^\| (`.*?`) \|", TEXTS[DOCS / "logged.md"], re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`(\w+/[\w*]+)`", row)} - {"train/*"}
    logged = set()
    for node in (one for name in LOGGERS for one in ast.walk(ast.parse((ROOT / f"train/{name}.py").read_text()))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        key = "".join(str(one.value) if isinstance(one, ast.Constant) else "*" for one in parts)
        if re.fullmatch(r"[a-z_]+/[a-z0-9_*]+", key):
            logged.add(key)
    assert {"warm/generalised_iou", "reward/*", "size/pull"} <= logged
    alike = [
        (row, key) for row in documented for key in logged if fnmatch.fnmatch(row, key) or fnmatch.fnmatch(key, row)
    ]
    assert logged - {key for _, key in alike} == set(), "not in the table"
    assert documented - {row for row, _ in alike} == set(), "in the table, but never logged"


def test_what_the_pages_name_is_there():
    text = "".join(TEXTS.values())
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", "".join(re.findall(r"`+[^`]+`+", text)))) <= targets
    scripts = re.findall(r"\b(?:train|benchmarks|examples|docs)/\w+\.py", text)
    assert scripts and not [one for one in scripts if not (ROOT / one).is_file()]
    nav = re.findall(r"\S+\.md", (ROOT / "mkdocs.yml").read_text())
    assert nav and not [one for one in nav if not (DOCS / one).is_file()]


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", "".join(TEXTS.values()), re.MULTILINE))
def test_what_is_generated_has_a_docstring(name):
    if name.startswith("agents."):
        pytest.importorskip("stable_baselines3" if "sb3" in name else "torch")
    if importlib.util.find_spec(name.rpartition(".")[0]).submodule_search_locations is not None:
        assert importlib.import_module(name).__doc__
    else:
        module, _, attribute = name.rpartition(".")
        assert vars(importlib.import_module(module))[attribute].__doc__


def test_every_environment_has_a_page_with_a_picture(tmp_path):
    import gymnasium as gym

    image = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'tracking-env[docs]'")
    spec = importlib.util.spec_from_file_location("make_gifs", DOCS / "make_gifs.py")
    gifs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gifs)
    ours = {name for name, one in gym.registry.items() if str(one.entry_point).startswith("tracking_env.")}
    assert {name for name, _ in gifs.PAGES.values()} == ours
    gifs.make(tmp_path, frames=3)
    for page, (name, _) in gifs.PAGES.items():
        assert TEXTS[DOCS / f"environments/{page}.md"].startswith(f"# {name}\n")
        kept = DOCS / "images" / f"{page}.gif"
        assert kept.stat().st_size < 300_000
        with image.open(tmp_path / kept.name) as drawn, image.open(kept) as shown:
            assert drawn.n_frames == 3 and drawn.size == shown.size
            first = np.asarray(drawn.convert("RGB"), int) - np.asarray(shown.convert("RGB"), int)
            assert np.abs(first).mean() < 3, "drawn anew it looks the same: python docs/make_gifs.py"
