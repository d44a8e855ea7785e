"""The installed wheel alone, in a working directory that has its own `agents` and `train`.

Its process can import the wheel and the installed packages, but not this checkout, and must not load torch.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tests.test_first_version import FIRST_VERSION
from tracking_env.datasets import synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.loading import load
from tracking_env.evaluation import raw_results
from tracking_env.evaluation.result_files import write_result
from tracking_env.registry import TABLE, TrackerSpec
from tracking_env.rendering import write_video

PROGRAM = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from tracking_env import cli
import tracking_env
codes = [cli.main(command) for command in json.loads(sys.argv[2])]
print(json.dumps({"file": tracking_env.__file__, "codes": codes, "modules": sorted(sys.modules)}))
"""
DECOY = "raise AssertionError('a package of the working directory was imported')\n"


def needed(module, why):
    """Skip where a module is missing; fail in CI, where this test must not be skipped."""
    if find_spec(module) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{module} is not installed: {why}")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that a wheel of this checkout was installed into, without its dependencies."""
    needed("hatchling", "it builds the wheel; type: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", folder / "site", wheel]
    subprocess.run([sys.executable, "-m", "pip", *map(str, install)], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def folder(tmp_path):
    """A working directory with foreign packages `agents` and `train`, and a video."""
    for name in ("agents", "train"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(DECOY)
    video = synthetic.generate(100, 12)
    write_video(tmp_path / "video.mp4", (video.frames[at] for at in range(len(video))))
    np.savetxt(tmp_path / "video.txt", video.boxes, delimiter=",", fmt="%.3f")
    return tmp_path


def run_commands(installed, folder, *commands):
    """Run commands of tracking-env by the installed wheel in one process; its exit codes and modules."""
    paths = [str(installed), *dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))]
    # -I: no PYTHONPATH, no working directory. -S: no .pth file, by which an editable install brings this checkout in.
    python = [sys.executable, "-I", "-S", "-W", "ignore", "-c", PROGRAM, json.dumps(paths), json.dumps(commands)]
    environment = os.environ | {"TRACKING_ENV_CACHE": str(folder / "cache")}
    done = subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert Path(result["file"]).is_relative_to(installed)
    assert not {"agents", "train", "torch"} & set(result["modules"])
    return result["codes"], done.stdout, done.stderr


DATA = ["--root", "video.mp4"]


def evaluate(tracker, *flags):
    return ["evaluate", "--tracker", tracker, *DATA, "--out", "results", *flags]


def test_every_named_tracker_runs_and_is_scored(installed, folder):
    names = ["static", "mean", "velocity", "replay", "late", "copy", "mil", "search"]
    commands = [evaluate(name) for name in names]
    commands.append(["score", *(f"results/{name}" for name in names), *DATA])
    agents = {"drlt-drawn": "drlt", "ppo-drawn": "sb3"}
    commands += [evaluate(kind, "--checkpoint", name, "--name", name) for name, kind in agents.items()]
    codes, _, err = run_commands(installed, folder, *commands)
    assert codes == [0] * len(commands), err
    assert all((folder / "results" / name / "video.txt").exists() for name in [*names, *agents])
    others = {"nano", "kcf", "csrt", "drlt", "proposals", "sb3", "experts"}  # these need files, or another OpenCV
    assert set(TABLE) <= {*names, *others, "nanotrack-v3", "fear-xs", "vittrack"}


def test_the_other_commands_run(installed, folder):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    commands = [
        ["sequences"],
        ["extract", "--sequences", "synthetic:0", "--features", "grid", "--store", "store"],
        ["track", "--video", "video.mp4", "--box", "60,40,30,30"],
        evaluate("static"),
        ["score", "--against", "nano", "--annotations", "true", "--sequences", "Deer"],
        ["report", "results/static", *DATA, "--out", "report"],
        ["trax", "--tracker", "search", "--ini", "trackers.ini"],
    ]
    write_result(folder / "true" / "Deer.txt", raw_results.read("static").runs[0]["Deer"])
    codes, out, err = run_commands(installed, folder, *commands)
    assert codes == [0] * len(commands), err
    assert re.search(r"^Deer +0\.\d{3} ", out, re.MULTILINE), "the wheel has the boxes of our trackers"
    assert (folder / "report" / "index.html").exists() and (folder / "tracked" / "search" / "video.mp4").exists()


@pytest.mark.parametrize("kind", ["drlt", "sb3", "search"])
def test_a_run_of_a_checkout_tracks_the_same_boxes_in_the_wheel(installed, folder, kind):
    pytest.importorskip("onnx")
    export = pytest.importorskip("train.export").main
    shutil.copytree(FIRST_VERSION / kind, folder / kind)
    assert export([str(folder / kind)]) == 0
    codes, _, err = run_commands(
        installed,
        folder,
        evaluate(kind, "--checkpoint", kind),
        ["push", kind, "published"],
        evaluate(kind, "--checkpoint", "published", "--name", "published"),
    )
    assert codes == [0, 0, 0], err
    (sequence,) = load(folder / "video.mp4")
    expected = TrackerSpec(kind, checkpoint=folder / kind).make().track(sequence).boxes
    for name in (kind, "published"):
        np.testing.assert_allclose(read_boxes(folder / "results" / name / "video.txt"), expected, atol=1e-3)


def test_a_missing_policy_is_a_one_line_error(installed, folder):
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "config.json").write_text((FIRST_VERSION / "drlt/checkpoints/000002/config.json").read_text())
    codes, _, err = run_commands(installed, folder, evaluate("drlt", "--checkpoint", "."))
    assert codes == [2]
    assert err.strip().endswith("has no policy.onnx; type in a checkout: python train/export.py .")
    assert err.count("\n") == 1
