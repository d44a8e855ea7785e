"""The examples, run as scripts from another folder, on a tiny budget."""

import importlib.util
import json

import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tests.helpers.scripts import run_script
from tracking_env.datasets.synthetic import generate
from tracking_env.registry import make_tracker

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(cache, folder, name, *flags):
    """Run an example and return its output."""
    return run_script(ROOT / "examples" / f"{name}.py", folder, *flags, cache=cache)


def needs(module, extra):
    there = importlib.util.find_spec(module)
    return pytest.mark.skipif(not there, reason=f"{module} is not installed: pip install -e '.[{extra}]'")


def test_the_notebook_is_code_without_outputs():
    notebook = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            compile("".join(cell["source"]), "quickstart.ipynb", "exec")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_shorter_than_60_lines(path):
    assert len(path.read_text().splitlines()) < 60


def test_a_random_agent_writes_a_video(cache, tmp_path):
    assert "mean IoU 0." in run(cache, tmp_path, "random_agent", "--frames", "5")
    assert (tmp_path / "random_agent.mp4").stat().st_size > 1000


@needs("stable_baselines3", "train")
def test_sb3_ppo_saves_a_model_that_evaluate_scores(cache, tmp_path, monkeypatch):
    from tracking_env.errors import InputError
    from tracking_env.registry import TrackerSpec

    monkeypatch.setenv("TRACKING_ENV_CACHE", str(cache))
    flags = ["--steps", "160", "--model", "model.zip"]
    assert "SB3 PPO" in run(cache, tmp_path, "sb3_ppo", *flags)
    with pytest.raises(InputError, match="if you trust where it comes from, add trust=True"):
        TrackerSpec("sb3", checkpoint=tmp_path / "model.zip").make()
    assert TrackerSpec("sb3", checkpoint=tmp_path / "model.zip", trust=True).make().id.startswith("sb3 model.zip ")


@needs("torch", "torch")
def test_ppo_in_one_file_learns_from_its_steps(cache, tmp_path):
    lines = run(cache, tmp_path, "ppo", "--updates", "2").splitlines()
    assert [line.split()[:2] for line in lines] == [["update", "1"], ["update", "2"]]


@needs("torchrl", "torchrl")
def test_torchrl_trains_and_scores_a_policy(cache, tmp_path):
    assert "mean IoU 0." in run(cache, tmp_path, "torchrl_ppo", "--steps", "20")


@needs("stable_baselines3", "train")
@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_off_policy_algorithms_of_sb3_learn_from_steps_of_the_closed_loop(algo, cache, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(cache))
    output = run(cache, tmp_path, "sb3_search", "--algo", algo, "--steps", "120")  # learning starts after 100
    assert "mean IoU 0." in output
    # The file is one that evaluate scores.
    tracker, video = make_tracker("sb3", checkpoint=tmp_path / "search" / "search.zip", trust=True), generate(0, 2)
    tracker.init(video.frames[0], video.boxes[0])
    assert np.isfinite(tracker.update(video.frames[1])).all()
    assert "does not tell whether VecNormalize normalised its observations" in caplog.text


@needs("optuna", "optuna")
def test_optuna_searches_over_runs_of_the_training_script(cache, tmp_path):
    tiny = ["--sequences", "synthetic:0", "--test-sequences", "synthetic:100", "--hidden", "8", "--env-steps", "20"]
    tiny += ["--envs", "2", "--batch", "20"]
    output = run(cache, tmp_path, "optuna_sb3", "--trials", "1", "--", *tiny)
    assert "best: 0." in output and "--config runs/optuna/trial-0/config.json" in output


@needs("ray", "rllib")
def test_rllib_samples_on_two_workers(cache, tmp_path):
    output = run(cache, tmp_path, "rllib_ppo", "--updates", "1", "--steps", "100", "--workers", "2")
    assert output.startswith("update 1  ") and "mean IoU 0." in output.splitlines()[-1]
