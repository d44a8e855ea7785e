"""The code of the documentation runs, and every flag, file and module that it names exists."""

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
from tracking_env.features.base import extract
from tracking_env.program import TRACEBACK

DOCS = ROOT / "docs"
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
TEXTS |= {ROOT / name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
OTHER_PROGRAMS = {"--nproc-per-node", "--logdir", "--summary", "--strict", "--no-deps", "--wheel-dir", "--workspace"}
OTHER_PROGRAMS |= {"--nnodes", "--node-rank", "--master-addr"}
"""Flags of torchrun, TensorBoard, pip-licenses, pip-audit and pip."""
LOGGERS = (
    "reinforce",
    "epoch",
    "search",
    "experts",
    "sb3",
    "sb3_callbacks",
    "run/results",
    "run/pictures",
    "run/steps",
    "run/optimisation",
)


def blocks(page, language):
    """The fenced code of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[(DOCS / page).resolve()], re.DOTALL | re.MULTILINE)


def run(page, folder, monkeypatch):
    """Run all Python code of a page in a working directory; returns the variables that it sets."""
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
    for name, sequence in sequences.items():
        rows = (sequence.boxes - [1, 1, 0, 0]).tolist()
        for folder, images in ((tmp_path / "clips", "."), (tmp_path / "mine", "frames")):
            (folder / name / images).mkdir(parents=True)
            for index in range(len(sequence)):
                cv2.imwrite(str(folder / name / images / f"{index + 1:04d}.png"), sequence.frames[index][..., ::-1])
        (tmp_path / "clips" / name / "boxes.json").write_text(json.dumps([*rows[:-1], None]))
        lines = [",".join(map(repr, row)) for row in rows[:-1]] + ["nan,nan,nan,nan"]
        (tmp_path / "mine" / name / "groundtruth.txt").write_text("\n".join(lines))
    return sequences


def test_every_row_of_unusual_input_names_a_test_that_exists():
    rows = [line for line in TEXTS[DOCS / "unusual-input.md"].splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| input |")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 50
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row)
        assert names, row
        assert [name for name in names if f"def {name}(" not in sources] == []


@pytest.mark.parametrize("page", ["dataset", "extractor", "tracker", "agent"])
def test_each_example_has_under_40_lines(page):
    codes = blocks(f"extend/{page}.md", "python")
    assert codes and all(len(code.splitlines()) < 40 for code in codes)


def test_the_example_of_a_new_data_set_runs(drawn, tmp_path, monkeypatch, capsys):
    from tracking_env.datasets import layouts

    monkeypatch.setattr(layouts, "LAYOUTS", dict(layouts.LAYOUTS))
    names = run("extend/dataset.md", tmp_path, monkeypatch)
    assert re.match(r"clips (first|second) [3-8]\n", capsys.readouterr().out)
    for loaded in (names["sequences"], names["by_layout"]):
        assert [sequence.name for sequence in loaded] == list(drawn)
        for sequence in loaded:
            np.testing.assert_allclose(sequence.boxes[:-1], drawn[sequence.name].boxes[:-1])
            assert not sequence.annotated[-1]
            np.testing.assert_array_equal(sequence.frames[2], drawn[sequence.name].frames[2])


def test_the_example_of_a_new_extractor_runs(tmp_path, monkeypatch, capsys):
    hues = run("extend/extractor.md", tmp_path, monkeypatch)["Hues"]()
    assert capsys.readouterr().out == "(64,)\n"
    features = extract(hues, [synthetic.generate(0, 1, (96, 64)).frames[0]])
    assert features.shape == (1, hues.dim) and features.dtype == np.float32


def test_the_examples_of_a_new_agent_and_tracker_run(tmp_path, monkeypatch, capsys):
    names = run("extend/agent.md", tmp_path, monkeypatch)
    assert len(names["scores"]) == 2 and all(0 < score < 20 / 21 for score in names["scores"].values())
    (tmp_path / "mytracker.py").write_text(blocks("extend/tracker.md", "python")[0])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    capsys.readouterr()
    (command,) = blocks("extend/tracker.md", "bash")
    assert cli.main([*shlex.split(command)[1:], "--json"]) == 0
    matched = json.loads(capsys.readouterr().out)["mean"]["whole"]["auc"]
    assert matched > np.mean(list(names["scores"].values())), "it tracks better than a tracker that stands still"


def test_the_tracker_of_three_minutes_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "mytracker", raising=False)
    (tmp_path / "mytracker.py").write_text(blocks("evaluate.md", "python")[0])
    commands = next(code for code in blocks("evaluate.md", "bash") if "mytracker:Still" in code).splitlines()
    assert cli.main(shlex.split(commands[0])[1:]) == 0
    assert "\nmytracker.Still " in capsys.readouterr().out


@pytest.mark.parametrize("page", ["../README.md", "index.md", "environments/index.md"])
def test_the_code_of_the_first_pages_runs(page, tmp_path, monkeypatch, capsys):
    if "stable_baselines3" in "".join(blocks(page, "python")):
        sb3 = pytest.importorskip("stable_baselines3")
        monkeypatch.setattr(sb3.PPO, "learn", lambda model, steps: model)  # tests/learn trains it
    run(page, tmp_path, monkeypatch)
    assert re.search(r"IoU \d\.\d\d|\(256, 1536\)", capsys.readouterr().out)


def test_the_readme_is_short_and_its_numbers_equal_the_results_page():
    text = TEXTS[ROOT / "README.md"]
    assert len(text.splitlines()) <= 140 and len(text.split()) < 1200
    rows = re.findall(r"^\| .*\d\.\d\d\d.*$", text, re.MULTILINE)
    assert len(rows) == 5
    results = TEXTS[DOCS / "results.md"].replace("**", "").splitlines()
    for row in rows:
        numbers = re.findall(r"\d\.\d{3}(?: ± \d\.\d{3})?", row)
        assert any(all(number in line for number in numbers) for line in results), row


def test_the_table_contains_every_logged_key():
    rows = re.findall(r"^\| (`.*?`) \|", TEXTS[DOCS / "training/index.md"], re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`(\w+/[\w*]+)`", row)} - {"train/*"}
    logged = set()
    for name in LOGGERS:
        for node in ast.walk(ast.parse((ROOT / f"train/{name}.py").read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            key = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
            if re.fullmatch(r"[a-z_]+/[a-z0-9_*]+", key):
                logged.add(key)
    assert {"warm/generalised_iou", "reward/*", "size/pull"} <= logged
    alike = [
        (row, key) for row in documented for key in logged if fnmatch.fnmatch(row, key) or fnmatch.fnmatch(key, row)
    ]
    assert logged - {key for _, key in alike} == set(), "not in the table"
    assert documented - {row for row, _ in alike} == set(), "in the table, but never logged"


def test_every_named_make_target_script_and_page_exists():
    text = "".join(TEXTS.values())
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", "".join(re.findall(r"`+[^`]+`+", text)))) <= targets
    scripts = re.findall(r"\b(?:train|benchmarks|examples|docs|tests)/[\w/]+\.py", text)
    assert scripts and not [path for path in scripts if not (ROOT / path).is_file()]
    nav = re.findall(r"\S+\.md", (ROOT / "mkdocs.yml").read_text())
    assert sorted(nav) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_points_to_a_file(path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", TEXTS[path])
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


@pytest.fixture(scope="module")
def commands():
    """The module docs/make_commands.py."""
    spec = importlib.util.spec_from_file_location("make_commands", DOCS / "make_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_command_with_its_flags(commands):
    page = commands.on_page_markdown(TEXTS[DOCS / "commands.md"])
    names = commands.names()
    assert {"track", "evaluate", "score", "completion"} <= set(names)
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == names
    assert "| `--tracker STR` | required |" in page and "| `--repeat INT` | `1` |" in page
    assert "```bash\ntracking-env check --root OTB\n```" in page
    for name in names:
        flags = re.findall(r"^│ (--[\w-]+)", commands.read_help(f"tracking-env {name}"), re.MULTILINE)
        section = commands.describe(f"tracking-env {name}")
        assert [flag for flag in flags if f"| `{flag}" not in section] == []


def test_no_page_tells_to_install_this_package_from_an_index():
    texts = [*TEXTS.values(), *(path.read_text() for path in (ROOT / "examples").glob("*.py"))]
    assert not [line for text in texts for line in re.findall(r"pip install [^#`\n]*\btracking-env\b.*", text)]


def test_packages_to_install_have_the_versions_of_pyproject():
    project = (ROOT / "pyproject.toml").read_text()
    lines = [line for text in TEXTS.values() for line in re.findall(r"pip install ([^#`\n]*)", text)]
    requirements = [name for line in lines for name in shlex.split(line) if ">=" in name]
    assert requirements and not [name for name in requirements if f'"{name}"' not in project]
    extras = [extra for line in lines for extra in re.findall(r"\.\[(\w+)\]", line)]
    assert extras and not [extra for extra in extras if not re.search(rf"^{extra} = \[", project, re.MULTILINE)]


def test_every_named_flag_exists(commands):
    pytest.importorskip("torch")
    markers = {marker for text in TEXTS.values() for marker in commands.MARKER.findall(text)}
    assert markers == {"tracking-env", "train/reinforce.py", "train/search.py", "train/experts.py", "train/sb3.py"}
    helps = [f"tracking-env {name}" for name in commands.names()] + sorted(
        markers - {"tracking-env"} | {"train/export.py"}
    )
    known = set(re.findall(r"--[a-z][\w-]*", "".join(map(commands.read_help, helps)))) | OTHER_PROGRAMS | {TRACEBACK}
    for folder in ("benchmarks", "examples", "tests/soak", "docs"):
        for script in (ROOT / folder).rglob("*.py"):
            known |= set(_flags(script.read_text()))
    for path, text in TEXTS.items():
        named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
        assert named - known == set(), f"{path} names flags that do not exist"


def test_every_named_module_exists():
    dotted = r"\b(?:tracking_env|agents|train|tests)(?:\.[A-Za-z_]\w*)+"
    for name in sorted({name for text in TEXTS.values() for name in re.findall(dotted, text)} - {"train.py"}):
        if not name.startswith("tracking_env"):
            pytest.importorskip("torch")
        module, rest = name, []
        while module and not _is_module(module):
            module, _, attribute = module.rpartition(".")
            rest.insert(0, attribute)
        if module == "tracking_env.clients.got10k" and not _is_module("got10k"):
            continue  # the module needs the package
        value = importlib.import_module(module)
        for attribute in rest:
            assert hasattr(value, attribute), f"{name} does not exist"
            value = getattr(value, attribute)


def _flags(source):
    """The flags that a script defines: by argparse, or by tyro from the arguments of its function main."""
    yield from re.findall(r"add_argument\(\s*\"(--[\w-]+)\"", source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            for argument in node.args.args + node.args.kwonlyargs:
                yield "--" + argument.arg.replace("_", "-")


def _is_module(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", "".join(TEXTS.values()), re.MULTILINE))
def test_every_generated_page_has_a_docstring(name):
    if name.startswith("agents."):
        pytest.importorskip("stable_baselines3" if "sb3" in name else "torch")
    if importlib.util.find_spec(name.rpartition(".")[0]).submodule_search_locations is not None:
        assert importlib.import_module(name).__doc__
    else:
        module, _, attribute = name.rpartition(".")
        assert vars(importlib.import_module(module))[attribute].__doc__


def test_every_environment_has_a_page_with_an_animation(tmp_path):
    import gymnasium as gym

    image = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'pillow>=10'")
    spec = importlib.util.spec_from_file_location("make_gifs", DOCS / "make_gifs.py")
    gifs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gifs)
    ours = {name for name, spec in gym.registry.items() if str(spec.entry_point).startswith("tracking_env.")}
    assert {name for name, _ in gifs.PAGES.values()} == ours
    gifs.make(tmp_path, frames=3)
    for page, (name, _) in gifs.PAGES.items():
        assert TEXTS[DOCS / f"environments/{page}.md"].startswith(f"# {name}\n")
    for name in (*gifs.PAGES, *gifs.AGENTS):
        published = DOCS / "images" / f"{name}.gif"
        assert published.stat().st_size < 500_000
        with image.open(tmp_path / published.name) as drawn, image.open(published) as shown:
            assert drawn.n_frames == (6 if name in gifs.AGENTS else 3) and drawn.size == shown.size
            first = np.asarray(drawn.convert("RGB"), int) - np.asarray(shown.convert("RGB"), int)
            assert np.abs(first).mean() < 3, "the animation is out of date; type python docs/make_gifs.py"
