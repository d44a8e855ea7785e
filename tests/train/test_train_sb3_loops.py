"""train/sb3.py in the closed loops."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from safetensors.numpy import load_file

from tracking_env import cli
from tracking_env.datasets.box_files import read_boxes
from tracking_env.trackers.checkpoint import newest
from train.sb3 import main

pytestmark = pytest.mark.usefixtures("here")
LOOPS = [
    ("OTBTrackSearch-v0", "ppo"),
    ("OTBTrackSearch-v0", "sac"),
    ("OTBTrackExperts-v0", "recurrent_ppo"),
    ("OTBTrackExperts-v0", "td3"),
]
OFF_POLICY = ("--random-steps", "4", "--buffer", "24")


def flags(env, algo, *more):
    return [
        *("--env", env, "--algo", algo, "--batch", "8", *(OFF_POLICY if algo in ("sac", "td3") else ())),
        *("--envs", "2", "--steps", "8", "--hidden", "8", "--device", "cpu"),
        *("--sequences", "synthetic:0", "--test-sequences", "synthetic:100", "--env-steps", "32"),
        *("--evaluate-every", "16", "--clip-length", "5", *map(str, more)),
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, environment):
    """A finished run of an algorithm in an environment, trained on first use."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}

    def run(env, algo):
        if (env, algo) not in runs:
            assert main(flags(env, algo, "--out", folder / env / algo)) == 0
            runs[env, algo] = folder / env / algo
        return runs[env, algo]

    return run


@pytest.mark.parametrize(("env", "algo"), LOOPS)
def test_a_run_is_scored_by_evaluate_as_in_its_report(env, algo, finished, tmp_path):
    run = finished(env, algo)
    config = json.loads((newest(run / "checkpoints") / "config.json").read_text())
    assert config["environment"] == env and config["actions"] == (4 if env == "OTBTrackSearch-v0" else 9)
    arguments = ["--tracker", "sb3", "--checkpoint", str(run), "--sequences", "synthetic:100", "--out", str(tmp_path)]
    assert cli.main(["evaluate", *arguments]) == 0
    ours = read_boxes(tmp_path / "sb3" / "Synthetic-0100.txt")
    # onnxruntime rounds differently from torch, and the loop feeds it back.
    np.testing.assert_allclose(ours[:10], read_boxes(run / "results" / "Synthetic-0100.txt")[:10], atol=0.05)
    assert np.ptp(ours, axis=0).max() > 0.1


@pytest.mark.parametrize(("env", "algo"), LOOPS[:2])
def test_a_resumed_run_equals_an_uninterrupted_one(env, algo, finished, tmp_path):
    whole, half = finished(env, algo), tmp_path / "half"
    shutil.copytree(whole, half)
    shutil.rmtree(newest(half / "checkpoints"))
    (half / "report.json").unlink()
    assert main(flags(env, algo, "--out", half, "--resume")) == 0
    weights, again = (load_file(newest(path / "checkpoints") / "model.safetensors") for path in (whole, half))
    assert weights.keys() == again.keys()
    assert all(np.array_equal(weights[name], again[name]) for name in weights)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--env", "OTBTrackSearch-v0", "--algo", "dqn"], "unknown algo 'dqn'; choose one of ppo, recurrent_ppo, a2c"),
        (["--env", "Pong-v5"], "unknown env 'Pong-v5'; choose one of OTBTrack-v0"),
        (["--env", "OTBTrackSearch-v0", "--features", "grid"], "grid"),
        (["--env", "OTBTrackExperts-v0", "--features", "gray"], "unknown expert 'gray' (did you mean 'grey'?)"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(more, message, tmp_path, capsys):
    assert main([*more, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
