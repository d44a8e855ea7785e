"""Two installs are equal, and CI runs the code that was reviewed."""

import re
import tomllib

import pytest

from tests.helpers.paths import ROOT

packaging = pytest.importorskip("packaging.requirements")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
LOCKED = re.search(r"^LOCKED = (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split(",")
WORKFLOW = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements():
    """All direct requirements of the library and of the locked extras, those of extras inside extras included."""
    waiting, texts = [*LOCKED], [*PROJECT["dependencies"]]
    while waiting:
        for text in PROJECT["optional-dependencies"][waiting.pop()]:
            inner = re.match(r"tracking-env\[(.*)\]", text)
            waiting += inner[1].split(",") if inner else []
            texts += [] if inner else [text]
    return [packaging.Requirement(text) for text in texts]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_to_a_version_that_pyproject_allows(requirement):
    pins = {plain(name): version for name, version in PINS.items()}
    assert requirement.specifier.contains(pins[plain(requirement.name)])


def test_make_installs_the_pinned_versions():
    installs = re.findall(r"pip install .*--editable .*", (ROOT / "Makefile").read_text(encoding="utf-8") + WORKFLOW)
    assert len(installs) == 2 and all("--constraint constraints.txt" in install for install in installs)


def test_every_action_is_pinned_by_its_commit():
    uses = re.findall(r"uses: (\S+)", WORKFLOW)
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses)


def test_every_job_has_a_time_limit_and_may_only_read():
    jobs = re.findall(r"^  (\w+):\n    runs-on", WORKFLOW, re.MULTILINE)
    assert len(jobs) == len(re.findall(r"^    timeout-minutes: \d+$", WORKFLOW, re.MULTILINE)) == 3
    assert re.search(r"^permissions:\n  contents: read\n\n", WORKFLOW, re.MULTILINE)
    assert "write" not in WORKFLOW


def test_ci_runs_on_every_system_and_python_that_is_named():
    assert "system: [ubuntu-latest, windows-latest, macos-latest]" in WORKFLOW
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert versions and WORKFLOW.count(f"python: {versions}".replace("'", '"')) == 2
