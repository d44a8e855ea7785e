"""train/sb3.py and the files that it writes."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from safetensors.numpy import load_file  # noqa: E402

from agents.checkpoints import sb3 as sb3_checkpoint  # noqa: E402
from agents.sb3 import ALGORITHMS, FrameFeatures  # noqa: E402
from tests.helpers.training import hyperparameters, tensorboard  # noqa: E402
from tests.soak.checkpoints import make_ppo  # noqa: E402
from tracking_env import cli  # noqa: E402
from tracking_env.datasets import synthetic  # noqa: E402
from tracking_env.datasets.box_files import read_boxes  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.extractors import GridExtractor  # noqa: E402
from tracking_env.registry import TrackerSpec  # noqa: E402
from tracking_env.trackers.checkpoint import newest, numbered  # noqa: E402
from train.run.directory import RunDirectory  # noqa: E402
from train.sb3 import main  # noqa: E402

TINY = [
    *("--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--hidden", "8", "--device", "cpu"),
    *("--env-steps", "80", "--evaluate-every", "40", "--envs", "2", "--l1-share", "0.75"),
]
OFF_POLICY = ["--batch", "8", "--random-steps", "10", "--buffer", "30"]


def flags(algo, *more):
    return ["--algo", algo, *TINY, *(OFF_POLICY if ALGORITHMS[algo].off_policy else []), *map(str, more)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", cache)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache):
    """A finished run of each algorithm, trained on first use."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}

    def run(algo):
        if algo not in runs:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TRACKING_ENV_CACHE", cache)
                assert main(flags(algo, "--out", folder / algo)) == 0
            runs[algo] = folder / algo
        return runs[algo]

    return run


def last(run):
    return newest(run / "checkpoints")


def weights(run):
    """All tensors of the last checkpoint."""
    return {
        f"{file.stem} {key}": value
        for file in last(run).glob("*.safetensors")
        for key, value in load_file(file).items()
    }


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_run_writes_the_same_files_as_reinforce(finished, algo):
    run = finished(algo)
    report = json.loads((run / "report.json").read_text())
    assert report["mean"]["whole"].keys() == {"auc", "precision20", "norm_precision20", "mean_iou"}
    assert list(report["sequences"]) == ["Synthetic-0100"]
    assert report["lines"].keys() == {"static first box", "constant mean box", "best constant box", "untrained agent"}
    assert report["env_steps"] == 80 and report["steps_per_second"] > 0
    assert report["config"]["algo"] == algo
    assert read_boxes(run / "results" / "Synthetic-0100.txt").shape == (60, 4)
    assert (run / "overlay.mp4").stat().st_size > 1000
    names = {file.name for file in last(run).iterdir()}
    assert names == {"config.json", "model.safetensors", "policy.onnx", "training.safetensors"} | (
        {"replay.safetensors"} if ALGORITHMS[algo].off_policy else set()
    )


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_resumed_run_gives_the_same_numbers_and_one_curve(finished, tmp_path, algo):
    whole, half = finished(algo), tmp_path / algo
    shutil.copytree(whole, half)
    shutil.rmtree(last(half))
    (half / "report.json").unlink()
    assert last(half).name == "000000040"
    assert main(flags(algo, "--out", half, "--resume")) == 0
    expected, resumed = weights(whole), weights(half)
    assert expected.keys() == resumed.keys()
    assert all(np.array_equal(expected[key], resumed[key]) for key in expected)
    assert metrics(whole) == metrics(half)
    log = tensorboard(half)
    for events in (log.Scalars("eval/training_iou"), log.Images("eval/success"), log.Images("overlay/median")):
        assert [event.step for event in events] == [40, 80]
    flags_, scores = hyperparameters(half)
    assert flags_["agent"] == ALGORITHMS[algo].label and flags_["env_steps"] == 80
    report = json.loads((half / "report.json").read_text())
    assert scores["final/auc_whole"] == pytest.approx(report["mean"]["whole"]["auc"])


def test_the_schedule_of_the_paper_switches_the_reward(finished):
    # 60 of 80 steps on L1. The target of the value function holds the reward: rewards in [-2, 0], then in [0, 1].
    replay = load_file(last(finished("td3")) / "replay.safetensors")
    assert (replay["l1"] <= 0).all() and (replay["iou"] >= 0).all() and replay["l1"].any()
    assert replay["features"].dtype == np.float16
    switched = []

    def note(model, name):
        switched.append((model, name))

    from train.sb3_callbacks import RewardSwitch

    class Env:
        def set_attr(self, name, value):
            note(name, value)

    class Model:
        num_timesteps = 0

        def get_env(self):
            return Env()

        logger = None

    model = Model()
    schedule = RewardSwitch(60)
    schedule.init_callback(model)
    for steps in (0, 59, 60, 80):
        model.num_timesteps = schedule.num_timesteps = steps
        schedule.on_rollout_start()
    assert [name for _, name in switched] == ["l1", "l1", "iou", "iou"]


def warnings_of(lines, updates):
    """What `UpdateCheck` says of a run whose updates log these values, one of each in a line."""
    from stable_baselines3.common.logger import Logger

    from train.sb3_callbacks import UpdateCheck, logger

    class Model:
        num_timesteps = 0
        logger = Logger(None, [])

        def get_env(self):
            return None

    check, model, records = UpdateCheck(updates), Model(), []
    check.init_callback(model)
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger.addHandler(handler)
    for kl, explained in lines:
        model.logger.record("train/approx_kl", kl)
        model.logger.record("train/explained_variance", explained)
        check.on_rollout_start()
    logger.removeHandler(handler)
    return records


def test_a_run_of_too_large_updates_is_warned_of_once():
    (warning,) = warnings_of([(0.7, 0.5)] * 100, 100)
    assert "in the last 20 updates approx_kl is above 0.2" in warning
    assert "larger --sigma" in warning and "smaller --lr" in warning
    assert warnings_of([(0.7, 0.5)] * 19, 100) == []
    assert warnings_of(([(0.7, 0.5)] * 19 + [(0.1, 0.5)]) * 5, 100) == []


def test_a_run_whose_value_explains_nothing_is_warned_of_once():
    (warning,) = warnings_of([(0.1, -12.0)] * 100, 100)
    assert "in the last 67 updates explained_variance is not above 0" in warning and "--value-weight" in warning
    assert warnings_of([(0.1, -1.0)] * 60 + [(0.1, 0.3)] * 40, 100) == []


def test_sigma_goes_from_its_beginning_to_its_end(finished):
    stds = [line["train/std"] / 2 for line in metrics(finished("ppo")) if "train/std" in line]
    config = json.loads((finished("ppo") / "config.json").read_text())
    assert config["policy"]["sigma"] == 0.1 and config["policy"]["sigma_end"] == 0.03
    # Of 80 steps, updates begin after 0, 20, 40, 60.
    assert stds[0] == pytest.approx(0.1) and stds[-1] == pytest.approx(0.1 * 0.3**0.75)


def test_rewards_are_scaled_for_the_value_and_not_in_the_log(tmp_path):
    for scale in (1, 10):
        assert main(flags("ppo", "--out", tmp_path / str(scale), "--reward-scale", scale, "--env-steps", 20)) == 0
    plain, scaled = ({}, {})
    for scale, values in (("1", plain), ("10", scaled)):
        for line in metrics(tmp_path / scale):
            values |= line
    assert scaled["rollout/ep_rew_mean"] == pytest.approx(plain["rollout/ep_rew_mean"])
    assert scaled["train/value_loss"] > 20 * plain["train/value_loss"]


def test_the_normaliser_is_saved_with_the_policy(finished):
    policy = sb3_checkpoint.load(last(finished("sac"))).policy()
    layers = [module for module in policy.modules() if isinstance(module, FrameFeatures)]
    features = np.concatenate([extract(GridExtractor(), video.frames) for video in synthetic.parse("synthetic:0-1")])
    assert len(layers) >= 3, "the actor's, the critics' and the targets'"
    for layer in layers:
        assert np.allclose(layer.feature_mean, features.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("algo", ["ppo", "recurrent_ppo", "td3"])
def test_a_run_as_tracker_reaches_the_scores_of_its_report(finished, algo, tmp_path, capsys):
    run = finished(algo)
    arguments = ["--tracker", "sb3", "--checkpoint", str(run), "--sequences", "synthetic:100", "--out", str(tmp_path)]
    assert cli.main(["evaluate", *arguments]) == 0
    ours = read_boxes(tmp_path / "sb3" / "Synthetic-0100.txt")
    theirs = read_boxes(run / "results" / "Synthetic-0100.txt")
    # Frame by frame, on raw frames: stored features are rounded to float16, and the first box is given.
    assert np.allclose(ours[1:], theirs[1:], atol=0.05)


def test_the_best_policy_is_chosen_on_training_clips_and_is_a_tracker(finished):
    run = finished("ppo")
    judged = [(line["eval/training_iou"], line["step"]) for line in metrics(run) if "eval/training_iou" in line]
    report = json.loads((run / "report.json").read_text())
    best, at = max(judged, key=lambda pair: pair[0])
    assert report["best_training_iou"] == pytest.approx(best)
    assert newest(run / "best").name == f"{at:09d}"
    made = TrackerSpec("sb3", checkpoint=run / "best").make()
    assert made.id.startswith(f"sb3 ppo {at:09d} ") and made.id.endswith(GridExtractor.id)


def test_a_stopped_run_keeps_its_last_checkpoint(tmp_path, monkeypatch, capsys):
    log = RunDirectory.log

    def stopping(run, steps, scalars, *clocks):
        log(run, steps, scalars, *clocks)
        run.stop_requested = steps >= 60

    monkeypatch.setattr(RunDirectory, "log", stopping)
    assert main(flags("ppo", "--out", tmp_path / "run")) == 0
    assert "stopped after step 40 and saved; type the same command with --resume" in capsys.readouterr().out
    assert last(tmp_path / "run").name == "000000040"
    assert not (tmp_path / "run" / "report.json").exists()


def test_several_seeds_have_a_mean_and_a_deviation(finished, tmp_path, capsys):
    assert main(flags("a2c", "--out", tmp_path, "--seeds", "2")) == 0
    assert "A2C, 2 seeds" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["runs"] == 2 and "whole" in report["std"]
    first, other = weights(finished("a2c")), weights(tmp_path / "seed-0")
    assert all(np.array_equal(first[key], other[key]) for key in first), (
        "training several seeds in one process does not change their results"
    )
    other = weights(tmp_path / "seed-1")
    assert not all(np.array_equal(first[key], other[key]) for key in first)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, capsys):
    assert main(flags("ppo", "--out", tmp_path / "run", "--lr", "1e30")) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "not finite" in err and "--lr" in err


@pytest.mark.parametrize(
    ("algo", "more", "words"),
    [
        ("dqn", [], ["unknown algo 'dqn'", "ppo, recurrent_ppo, a2c, sac, td3"]),
        ("ppo", ["--hiden", "8"], ["--hiden", "did you mean '--hidden'"]),
        ("ppo", ["--root", "nowhere"], ["nowhere"]),
        ("ppo", ["--resume"], ["no run to resume"]),
        ("ppo", ["--device", "cuda:77"], ["cuda:77", "--device cpu"]),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(capsys, tmp_path, algo, more, words):
    assert main(["--algo", algo, "--out", str(tmp_path / "run"), *more]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("train/sb3.py: error: ")
    assert all(word in err for word in words), err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("algo", "more", "words"),
    [
        ("ppo", ["--env-steps", "0"], "--env-steps is 0"),
        ("ppo", ["--evaluate-every", "0"], "--evaluate-every is 0"),
        ("ppo", ["--clip-length", "0"], "--clip-length is 0"),
        ("ppo", ["--l1-share", "1.5"], "--l1-share is 1.5"),
        ("ppo", ["--sigma", "0"], "--sigma is 0"),
        ("ppo", ["--sigma-end", "2"], "--sigma-end is 2"),
        ("ppo", ["--reward-scale", "0"], "--reward-scale is 0"),
        ("ppo", ["--hidden", "0"], "--hidden is 0"),
        ("ppo", ["--envs", "0"], "--envs is 0"),
        ("ppo", ["--lr", "-1"], "--lr is -1"),
        ("ppo", ["--gamma", "2"], "--gamma is 2"),
        ("ppo", ["--batch", "7"], "--batch is 7; give a divisor"),
        ("ppo", ["--batch", "1"], "--batch is 1; give at least 2"),
        ("ppo", ["--buffer", "100"], "--buffer is 100, with --algo ppo; leave it out"),
        ("a2c", ["--passes", "2"], "--passes is 2, with --algo a2c; leave it out"),
        ("sac", ["--gamma", "0.9"], "in OTBTrack-v0 sac stores no next observations"),
        ("sac", ["--env", "OTBTrackSearch-v0", "--l1-share", "0.5"], "give 0 (IoU) or 1 (L1)"),
        ("sac", ["--batch", "None"], "--batch is None, with --algo sac; give a number"),
        ("td3", ["--buffer", "3"], "at least one step for each of the 16 --envs"),
        ("ppo", ["--features", "pixels"], "needs a feature vector, not pixels"),
        ("ppo", ["--seeds", "0"], "--seeds is 0"),
        ("ppo", ["--lr", "fast"], "lr"),
    ],
)
def test_a_bad_value_gives_a_message_and_exit_code_2(capsys, tmp_path, algo, more, words):
    try:
        code = main(["--algo", algo, "--out", str(tmp_path / "run"), *more])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    message = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert words in message
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_kind_is_refused(finished, capsys):
    assert main(flags("a2c", "--out", finished("ppo"), "--resume")) == 2
    assert "another configuration" in capsys.readouterr().err
    assert main(flags("ppo", "--out", finished("ppo"))) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_script_gives_no_warnings(cache, tmp_path):
    command = [sys.executable, "-W", "error::UserWarning", str(ROOT / "train" / "sb3.py"), *flags("ppo")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TRACKING_ENV_CACHE": cache}
    command += ["--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "PPO" in done.stdout and "static first box" in done.stdout
    assert math.isfinite(json.loads((tmp_path / "run" / "report.json").read_text())["mean"]["whole"]["auc"])


def test_a_checkpoint_is_deleted_as_a_whole(tmp_path, monkeypatch):
    def dies_meanwhile(path, *_, **__):
        Path(path, "model.safetensors").unlink()
        raise KeyboardInterrupt

    facts = {"algorithm": "ppo", "features": 5, "hidden": 3, "extractor": "mean", "best": None, "run": {}}
    model = make_ppo()
    sb3_checkpoint.save(tmp_path, model, facts)
    model.num_timesteps = 10
    monkeypatch.setattr(shutil, "rmtree", dies_meanwhile)
    with pytest.raises(KeyboardInterrupt):
        sb3_checkpoint.save(tmp_path, model, facts, keep=1)
    assert [folder.name for folder in numbered(tmp_path)] == ["000000010"]
