"""train/search.py and the files that it writes."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from agents.checkpoints import region_agent as region_agent_checkpoint  # noqa: E402
from tests.helpers.training import hyperparameters, tensorboard  # noqa: E402
from tracking_env import cli  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from train import search  # noqa: E402
from train.run.directory import RunDirectory  # noqa: E402
from train.search import main  # noqa: E402
from train.search_config import LoopConfig, WarmConfig, parse  # noqa: E402

TINY = [
    *("--sequences", "synthetic:0", "--test-sequences", "synthetic:100", "--width", "4", "--warm-batch", "4"),
    *("--warm-steps", "4", "--crops", "1", "--l1-updates", "1", "--iou-updates", "3", "--clips", "1"),
    *("--episodes", "2", "--steps", "2", "--checkpoint-every", "3"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert main([*TINY, "--out", str(out)]) == 0
    return out


def test_a_run_writes_its_report_and_checkpoints(finished):
    report = json.loads((finished / "report.json").read_text())
    assert report["updates"] == 8 and report["mean"]["seen"] is None and report["fps"]["online"] > 0
    rows = {"static first box", "best constant box", "untrained agent", "Region agent, warm start"}
    assert rows <= set(report["lines"]) and report["lines"]["untrained agent"]["whole"] != report["mean"]["whole"]
    assert report["drift"]["frames"] == 60
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["000006", "000008"]
    for name in ("overlay.mp4", "results/Synthetic-0100.txt", "warm/model.safetensors", "metrics.jsonl"):
        assert (finished / name).exists(), name


def test_tensorboard_shows_the_test_scores_and_sorts_by_them(finished):
    report = json.loads((finished / "report.json").read_text())
    log = tensorboard(finished)
    for name in ("rollout/ep_rew_mean", "time/fps", "train/loss", "train/advantage_std"):
        # Four supervised updates, then environment steps: two episodes of two frames an update.
        assert [event.step for event in log.Scalars(name)] == [8, 12, 16, 20]
    assert [event.step for event in log.Scalars("train/learning_rate")] == [1, 2, 3, 4, 8, 12, 16, 20]
    assert {name: [event.step for event in log.Images(name)] for name in log.Tags()["images"]} == {
        "eval/success": [20],
        "overlay/median": [20],  # of one sequence
    }
    flags, scores = hyperparameters(finished)
    assert flags["agent"] == "Region agent (reinforce)" and flags["gamma"] == pytest.approx(0.95)
    assert scores["final/auc_unseen"] == pytest.approx(report["mean"]["unseen"]["auc"])


def test_the_loop_changes_the_weights_of_the_warm_start(finished):
    before, after = (load_file(finished / name / "model.safetensors") for name in ("warm", "checkpoints/000008"))
    assert any(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("stop_after", [2, 6])  # in the warm start, in the loop
def test_a_resumed_run_gives_the_same_weights(finished, tmp_path, monkeypatch, stop_after):
    out, steps, real = tmp_path / "two", [], search.step

    def counting(*args):
        steps.append(real(*args))
        runs[0].stop_requested = len(steps) == stop_after
        return steps[-1]

    runs = []
    monkeypatch.setattr(RunDirectory, "catch_interrupts", lambda self, once=True: runs.append(self))
    monkeypatch.setattr(search, "step", counting)
    assert main([*TINY, "--out", str(out)]) == 0
    assert not (out / "report.json").exists() and len(steps) == stop_after
    monkeypatch.undo()
    assert main([*TINY, "--out", str(out), "--resume"]) == 0
    name = "checkpoints/000008/model.safetensors"
    once, twice = load_file(finished / name), load_file(out / name)
    assert all(torch.equal(once[key], twice[key]) for key in once)
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert lines == [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_start_loads_the_warm_start_of_another_run(finished, tmp_path):
    out = tmp_path / "on"
    flags = [*TINY, "--start", str(finished), "--out", str(out), "--tune", "last", "--learner", "supervised"]
    assert main(flags) == 0
    before, after = (load_file(path / "model.safetensors") for path in (finished / "warm", out / "checkpoints/000008"))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed and changed <= {
        f"{layer}.{kind}" for layer in ("score", "box", "renew") for kind in ("weight", "bias")
    } | {
        "pace_logit",
        "pull_logit",
    }


def test_each_seed_has_its_own_warm_start_and_failures_add_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(region_agent_checkpoint, "export", lambda path: None)  # takes seconds, four times
    first, on = tmp_path / "first", tmp_path / "on"
    assert main([*TINY, "--l1-updates", "0", "--iou-updates", "0", "--seeds", "2", "--out", str(first)]) == 0
    flags = ["--l1-updates", "0", "--iou-updates", "1", "--start", str(first), "--lr", "1e-12", "--lr-end", "1e-12"]
    assert main([*TINY, *flags, "--seeds", "2", "--out", str(on)]) == 0
    printed = capsys.readouterr().out
    assert "Region agent (reinforce), 2 seeds" in printed
    each = [json.loads((on / f"seed-{seed}" / "report.json").read_text()) for seed in range(2)]
    report = json.loads((on / "report.json").read_text())
    drift = report["drift"]
    untrained = [seed["lines"]["untrained agent"]["whole"]["auc"] for seed in each]
    assert report["lines"]["untrained agent"]["whole"]["auc"] == pytest.approx(sum(untrained) / 2)
    assert all(row in printed.split("2 seeds")[-2] for row in ("best constant box", "untrained agent"))
    assert drift["runs"] == 2 and drift["frames"] == 120
    assert drift["failures"] == sum(report["drift"]["failures"] for report in each)
    for seed in range(2):
        (trained,) = (on / f"seed-{seed}" / "checkpoints").iterdir()
        began, ended = (load_file(path / "model.safetensors") for path in (first / f"seed-{seed}" / "warm", trained))
        assert all(torch.allclose(began[key], ended[key], atol=1e-9) for key in began)


def test_the_tracker_search_gives_the_boxes_of_the_run(finished, tmp_path, capsys):
    flags = ["evaluate", "--tracker", "search", "--checkpoint", str(finished), "--sequences", "synthetic:100"]
    assert cli.main([*flags, "--out", str(tmp_path), "--json"]) == 0
    report = json.loads((finished / "report.json").read_text())
    assert json.loads(capsys.readouterr().out)["mean"]["whole"]["auc"] == pytest.approx(
        report["mean"]["unseen"]["auc"], abs=0.01
    )  # boxes are rounded in files


def test_it_runs_as_a_script_with_one_line_errors(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "train" / "search.py"),
        "--features",
        "nanotrack",
        "--out",
        str(tmp_path / "x"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""}, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "x").exists()
    assert done.stderr.startswith("train/search.py: error: nanotrack needs NanoTrack's backbone")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--warm-stepz", "1"], "unknown flag '--warm-stepz' (did you mean '--warm-steps'?)"),
        (["--extra", "synthetic:0", "--sequences", "synthetic:0-1"], "Synthetic-0000 is among --extra"),
        (["--start", "nowhere", "--sequences", "synthetic:0"], "cannot read nowhere/warm/config.json"),
    ],
)
def test_bad_flags_give_one_line_and_exit_code_2(flags, message, tmp_path, capsys):
    assert main([*flags, "--out", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (LoopConfig, {"iou_updates": -1}, "--l1-updates and --iou-updates count from 0"),
        (WarmConfig, {"pretended_share": 2.0}, "--pretended-share and --blind-share from 0 to 1"),
        (WarmConfig, {"crops": 0, "pretended": 0}, "a warm start needs crops"),
    ],
)
def test_options_out_of_range_are_refused(config, options, message):
    with pytest.raises(InputError, match=message):
        config(**options)


def test_learning_rates_rise_and_fall():
    warm, loop = WarmConfig(warm_steps=100, warm_lr=1.0), LoopConfig(l1_updates=2, iou_updates=9, lr=1e-2, lr_end=1e-4)
    rates = [warm.rate(done) for done in range(100)]
    assert max(rates) == pytest.approx(1.0, abs=0.01) and rates.index(max(rates)) == 30
    assert rates[0] == pytest.approx(0.1) and rates[-1] < 0.01
    assert [loop.reward(0), loop.reward(1), loop.reward(2)] == ["l1", "l1", "iou"]
    assert (loop.rate(0), loop.rate(10)) == pytest.approx((1e-2, 1e-4))


def test_presets_set_the_output_folder():
    assert parse([]).out == "runs/search-demo" and parse(["--preset", "small"]).out == "runs/search-small"
    assert parse(["--preset", "small"]).data.features == "nanotrack-head"
