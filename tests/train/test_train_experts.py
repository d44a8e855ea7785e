"""train/experts.py and the files that it writes."""

import json
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from tests.helpers.paths import ROOT

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

import tracking_env  # noqa: E402, F401  (registers the ids)
from agents.arbiter import Arbiter, ArbiterConfig  # noqa: E402
from agents.checkpoints import arbiter as arbiter_checkpoint  # noqa: E402
from tests.helpers.training import hyperparameters, tensorboard  # noqa: E402
from tracking_env import cli  # noqa: E402
from tracking_env.datasets import synthetic  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.evaluation.scoring import evaluate as score_boxes  # noqa: E402
from tracking_env.search.ensemble import RunStore, Team, observation_names  # noqa: E402
from tracking_env.search.ensemble.fusion import overlaps  # noqa: E402
from tracking_env.search.ensemble.observation import PER_EXPERT  # noqa: E402
from tracking_env.search.experts import make_experts  # noqa: E402
from train import experts as script  # noqa: E402
from train.arbiter_report import gain_over  # noqa: E402
from train.experts import main  # noqa: E402
from train.experts_config import LoopConfig, WarmConfig, parse  # noqa: E402
from train.run.directory import RunDirectory  # noqa: E402
from train.samples import hard_clips  # noqa: E402
from train.samples.stored_runs import draw_windows, read_paused_runs, read_run, read_runs, stored_auc  # noqa: E402
from train.samples.team_rollout import Start, draw_start, sample_episodes  # noqa: E402

TINY = [
    *("--sequences", "synthetic:0-1", "--test-sequences", "synthetic:100", "--width", "8", "--hidden", "6"),
    *("--warm-steps", "4", "--losses", "1", "--warm-batch", "2", "--window", "20", "--choose-every", "2"),
    *("--updates", "4", "--clips", "1", "--episodes", "2", "--steps", "3", "--checkpoint-every", "3"),
]
QUICK = [*TINY, "--no-test-hard"]
EXPERTS = make_experts(["grey", "colour"])
VIDEO = synthetic.generate(5, 30, (160, 120))


@pytest.fixture(scope="module")
def cache(environment):
    """The cache of stored runs, which these tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKING_ENV_CACHE", environment["TRACKING_ENV_CACHE"])
        yield


@pytest.fixture(scope="module")
def finished(cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*TINY, "--out", str(out)]) == 0
    return out


def metrics_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_writes_its_report_and_checkpoints(finished):
    report = json.loads((finished / "report.json").read_text())
    assert report["updates"] == 8 and report["mean"]["seen"] is None and report["fps"]["online"] > 0
    rows = {"static first box", "best constant box", "grey", "colour", "hand-made rule", "Arbiter, warm start"}
    assert rows <= set(report["lines"])
    assert report["lines"]["untrained agent"] == report["lines"]["hand-made rule"]
    assert report["extractor"] == ["grey v1", "colour v1"] and report["drift"]["frames"] == 60
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["000006", "000008"]
    for name in ("overlay.mp4", "results/Synthetic-0100.txt", "warm/policy.onnx", "checkpoints/000008/policy.onnx"):
        assert (finished / name).exists(), name


def test_the_report_states_the_gain_on_the_test_sequences_and_on_hard_clips_of_them(finished):
    report = json.loads((finished / "report.json").read_text())
    rows = ["grey", "colour", "hand-made rule", "Arbiter, warm start", "Arbiter (REINFORCE)"]
    for title in ("test sequences", "hard clips"):
        summary, gain = report["summary"][title], report["gain"][title]
        assert list(summary) == rows
        assert gain["auc"]["difference"] == pytest.approx(summary[rows[4]]["auc"] - summary[rows[3]]["auc"])
        low, high = gain["auc"]["interval"]
        assert low <= gain["auc"]["difference"] <= high
    # Four clips of the one test sequence, so the intervals are not those of a single number.
    assert report["summary"]["hard clips"]["grey"] != report["summary"]["test sequences"]["grey"]


def test_the_gain_counts_auc_and_failures_per_sequence():
    truth = {"a": np.array([[10.0, 10, 10, 10]] * 4), "b": np.array([[10.0, 10, 10, 10]] * 4)}
    away = np.array([[90.0, 90, 10, 10]])
    lost = {"a": np.concatenate([truth["a"][:2], away, truth["a"][:1]]), "b": truth["b"]}
    before, after = (score_boxes(boxes, truth) for boxes in (lost, truth))
    gains = gain_over(before, after)
    assert gains["failures_per_100_frames"]["difference"] == pytest.approx(-12.5)  # one in four frames of one of two
    assert gains["auc"]["difference"] == pytest.approx(20 / 21 / 4 / 2)  # a quarter of the frames of one of two
    assert gains["auc"]["interval"][0] == 0 and gains["auc"]["interval"][1] == pytest.approx(20 / 21 / 4)


def test_hard_clips_to_test_on_are_not_those_to_learn_from():
    sequence = synthetic.generate(0)
    training = hard_clips.training_clips([(sequence, range(30))], copies=2)
    assert len(training) == 8 and all(len(part) == len(clip) <= 30 for clip, part in training)
    tests = hard_clips.test_clips([sequence])
    names = {clip.name for clip, _ in training}
    assert len(names) == 8 and len(tests) == 4 and not names & {clip.name for clip in tests}


def test_a_run_logs_metrics_of_warm_start_and_loop(finished):
    lines = metrics_of(finished)
    assert [line["update"] for line in lines] == list(range(1, 9))
    assert {"warm/overlap_loss", "warm/reset_loss", "train/learning_rate"} <= lines[0].keys()
    assert [line["update"] for line in lines if "warm/auc_stored" in line] == [2, 4]
    assert {"reward/iou", "reward/l1", "loop/resets_per_100_frames"} <= lines[-1].keys()
    log = tensorboard(finished)
    for name in ("rollout/ep_rew_mean", "time/fps", "train/loss", "train/advantage_std"):
        # Four supervised updates, then environment steps: two episodes of three frames an update.
        assert [event.step for event in log.Scalars(name)] == [10, 16, 22, 28]
    assert log.Tags()["images"] == ["eval/success", "overlay/median"]
    flags, scores = hyperparameters(finished)
    assert flags["agent"] == "Arbiter (REINFORCE)" and "final/auc_unseen" in scores


def test_the_warm_start_keeps_the_best_weights_and_the_loop_changes_them(finished):
    scores = {line["update"]: line["warm/auc_stored"] for line in metrics_of(finished) if "warm/auc_stored" in line}
    warm = arbiter_checkpoint.load(finished / "warm")
    assert warm.done == max(scores, key=scores.get)
    before, after = (load_file(finished / name / "model.safetensors") for name in ("warm", "checkpoints/000008"))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert {"overlap.bias", "residual.bias", "switches.bias", "fc.weight"} <= changed
    assert not changed & {"observation_mean", "observation_scale"}


@pytest.mark.parametrize("stop_after", [1, 3, 4, 6])  # in the warm start, at its end, in the loop
def test_a_resumed_run_gives_the_same_weights(finished, tmp_path, monkeypatch, stop_after):
    out, steps, runs, take_step = tmp_path / "stopped", [], [], script.step

    def count_steps(*arguments):
        steps.append(take_step(*arguments))
        runs[0].stop_requested = len(steps) == stop_after
        return steps[-1]

    monkeypatch.setattr(RunDirectory, "catch_interrupts", lambda self, once=True: runs.append(self))
    monkeypatch.setattr(script, "step", count_steps)
    assert main([*QUICK, "--out", str(out)]) == 0
    assert not (out / "report.json").exists() and len(steps) == stop_after
    monkeypatch.undo()
    assert main([*QUICK, "--out", str(out), "--resume"]) == 0
    for name in ("warm/model.safetensors", "checkpoints/000008/model.safetensors"):
        whole, resumed = load_file(finished / name), load_file(out / name)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert metrics_of(finished) == metrics_of(out)


def test_the_tracker_experts_gives_the_boxes_of_the_run(finished, tmp_path, capsys):
    flags = ["evaluate", "--tracker", "experts", "--checkpoint", str(finished), "--sequences", "synthetic:100"]
    assert cli.main([*flags, "--out", str(tmp_path), "--json"]) == 0
    report = json.loads((finished / "report.json").read_text())
    assert json.loads(capsys.readouterr().out)["mean"]["whole"]["auc"] == pytest.approx(
        report["mean"]["unseen"]["auc"], abs=0.01
    )  # boxes are rounded in files


def test_the_scores_of_the_experts_are_those_of_their_trackers(finished, cache, tmp_path, capsys):
    """Their runs without resets, which the warm start learned from; corrected by the first frame."""
    report = json.loads((finished / "report.json").read_text())
    store = RunStore(EXPERTS)
    stored = read_run(store, synthetic.generate(100))
    for index, name in enumerate(("grey", "colour")):
        boxes = np.concatenate([stored.truth[:1], stored.boxes[1:, index]])
        assert report["lines"][name]["unseen"]["auc"] == pytest.approx(stored.auc(boxes), abs=0.02)


def test_start_loads_the_warm_start_of_another_run_with_the_same_cost(finished, tmp_path, cache, capsys):
    out = tmp_path / "on"
    assert main([*QUICK, "--start", str(finished), "--out", str(out), "--lr", "1e-12", "--lr-end", "1e-12"]) == 0
    before, after = (load_file(path / "model.safetensors") for path in (finished / "warm", out / "checkpoints/000008"))
    assert all(torch.allclose(before[key], after[key], atol=1e-9) for key in before)
    assert main([*QUICK, "--start", str(finished), "--cost", "0.01", "--out", str(tmp_path / "x")]) == 2
    assert "give --features, --weights and --cost as there" in capsys.readouterr().err
    pausing = tmp_path / "pausing"
    assert main([*QUICK, "--cost", "0.01", "--reward", "l1", "--out", str(pausing)]) == 0
    assert json.loads((pausing / "checkpoints/000008/config.json").read_text())["pausing"] is True
    summary = json.loads((pausing / "report.json").read_text())["summary"]["test sequences"]
    # Each of the two experts is said to take 0.5 ms; scanning, the second looks at up to eight places more.
    assert [summary[row]["milliseconds"] for row in ("grey", "colour", "hand-made rule")] == [0.5, 0.5, 1.0]
    assert 0.5 <= summary["Arbiter (REINFORCE)"]["milliseconds"] <= 9.0


def test_with_the_split_of_the_paper_the_last_weights_are_used(tmp_path, cache):
    out = tmp_path / "thirds"
    assert main([*TINY[:2], *TINY[4:], "--no-test-hard", "--updates", "0", "--out", str(out)]) == 0
    assert not any("warm/auc_stored" in line for line in metrics_of(out))
    assert arbiter_checkpoint.load(out / "warm").done == 4


def test_it_runs_as_a_script_with_one_line_errors(tmp_path):
    command = [sys.executable, str(ROOT / "train" / "experts.py"), "--features", "gray", "--out", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""}, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "x").exists()
    assert done.stderr.startswith("train/experts.py: error: unknown expert 'gray'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--warm-stepz", "1"], "unknown flag '--warm-stepz'"),
        (["--preset", "small", "--weights", "nowhere"], "nanotrack-v3 needs "),
        (["--weights", "folder"], "grey has no weights"),
        (["--episodes", "1"], "error: episodes is 1; give at least 2, since the baseline averages over them\n"),
        (["--steps", "abc"], "error: --steps: invalid literal for int() with base 10: 'abc'\n"),
        (["--steps"], "error: Missing value for argument '--steps'"),
        (["--ignore", "first_likenes"], "--ignore names 'first_likenes' (did you mean 'first_likeness'?)"),
        (["--start", "nowhere", "--sequences", "synthetic:0"], "cannot read nowhere/warm/config.json"),
        (["--store", "{here}", "--sequences", "synthetic:0"], "is not empty and no store of experts' runs"),
    ],
)
def test_bad_flags_give_one_line_and_exit_code_2(flags, message, tmp_path, capsys, own_cache):
    (tmp_path / "file").touch()
    flags = [flag.replace("{here}", str(tmp_path)) for flag in flags]
    assert main([*flags, "--out", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (LoopConfig, {"updates": -1}, "--updates counts from 0"),
        (LoopConfig, {"cost": -1.0}, "--cost >= 0"),
        (WarmConfig, {"loss_share": 2.0}, "--loss-share is 2.0; give a number from 0 to 1"),
        (WarmConfig, {"window": 0}, "--window and --warm-batch count from 1"),
        (WarmConfig, {"hard": -1}, "--hard and --choose-every count from 0"),
        (LoopConfig, {"hard_share": 1.5}, "give --lost-share and --hard-share from 0 to 1"),
        (WarmConfig, {"warm_lr": 0.0}, "give --warm-lr and --warm-clip-norm > 0"),
    ],
)
def test_options_out_of_range_are_refused(config, options, message):
    with pytest.raises(InputError, match=message):
        config(**options)


def test_presets_name_their_experts():
    assert parse([]).out == "runs/experts-demo" and parse([]).data.experts == ["grey", "colour"]
    assert parse(["--preset", "small"]).data.experts == ["nanotrack-v3", "fear-xs"]


def test_numbers_that_are_ignored_change_nothing():
    config = parse(["--ignore", "first_likeness,recent_likeness"])
    names = observation_names(config.data.experts)
    hidden = config.ignored_numbers()
    assert [names[index] for index in hidden[:4]] == [
        "grey first_likeness",
        "grey recent_likeness",
        "grey first_likeness, mean of 10",
        "grey first_likeness, mean of 50",
    ]
    assert len(hidden) == 8 and parse([]).ignored_numbers() == []
    model = Arbiter(44, 2)
    torch.nn.init.normal_(model.overlap.weight)
    model.fit_normaliser(torch.randn(50, 44))
    model.ignore(hidden)
    model.eval()
    observation = torch.randn(1, 3, 44)
    changed = observation.clone()
    changed[..., hidden] += 5
    assert torch.equal(model(observation)[0].overlap, model(changed)[0].overlap)
    changed[..., 0] += 5
    assert not torch.equal(model(observation)[0].overlap, model(changed)[0].overlap)


@pytest.mark.parametrize("pausing", [False, True])
@pytest.mark.parametrize("reward", ["iou", "l1"])
def test_rewards_of_sampled_episodes_equal_those_of_the_environment(pausing, reward):
    torch.manual_seed(0)
    model = Arbiter(44, 2, ArbiterConfig(8, 6), pausing).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.switches.bias.data[:] = -1.0  # some resets and pauses
    other = synthetic.generate(7, 10, (200, 120))
    starts = [Start(VIDEO, 4, 30, None), Start(other, 2, 10, None)]
    cost = 0.002 if pausing else 0.0
    team, generator = Team(EXPERTS, 4), torch.Generator().manual_seed(0)
    rollout = sample_episodes(team, model, starts, 12, 0.1, np.full(2, cost * 0.5), False, generator)
    assert rollout.mask.sum(dim=1).tolist() == [12, 8, 12, 8]
    assert 0 < rollout.sample.switches.mean() < 1
    env = gym.make(
        "OTBTrackExperts-v0", experts=EXPERTS, sequences=[VIDEO, other], split="all", reward=reward, cost=cost
    )
    for episode in range(4):
        start = starts[episode % 2]
        observation, _ = env.reset(seed=0, options={"sequence": start.sequence.name, "start": start.start})
        for step in range(int(rollout.mask[episode].sum())):
            np.testing.assert_allclose(rollout.observations[episode, step], observation, atol=1e-6)
            observation, value, *_ = env.step(rollout.actions[episode, step])
            earned = rollout.rewards[reward].flatten(0, 1)[episode, step]
            assert float(earned) == pytest.approx(value, abs=1e-6)


def test_clips_start_with_a_true_box_and_some_with_a_simulated_loss():
    rng = np.random.default_rng(0)
    starts = [draw_start([(VIDEO, range(5, 25))], 8, 2, 0.5, rng) for _ in range(40)]
    assert {5 <= start.start <= 17 and start.stop == 25 for start in starts} == {True}
    lost = sum(start.around is not None for start in starts)
    assert 5 < lost < 35


def test_windows_of_stored_runs_are_padded_and_masked(tmp_path):
    store = RunStore(EXPERTS, tmp_path / "runs")
    whole, made = read_runs(store, [(VIDEO, range(30))], 2)
    assert [len(stored.iou) for stored in whole] == [30] and len(made) == 2
    windows = draw_windows(whole, made, 4, 50, 0.5, np.random.default_rng(0))
    assert windows.observations.shape == (4, 50, 44) and windows.mutual_iou.shape == (4, 50, 2, 2)
    assert windows.mask.sum(dim=1).tolist()[2:] == [30, 30] and (windows.iou[:, 30:] == 0).all()
    first = windows.iou[0, 0]
    assert first.min() < 0.2 < first.max()  # one of the experts is lost
    untrained = Arbiter(44, 2)
    rule = whole[0].fused(np.full((30, 2), 0.5), np.zeros((30, 4)))
    assert stored_auc(untrained, whole) == whole[0].auc(rule) and untrained.training


def test_in_runs_with_pauses_one_expert_always_looks(tmp_path):
    store = RunStore(EXPERTS, tmp_path / "runs")
    without = read_run(store, VIDEO, 5, 30)
    for leader, paused in enumerate(read_paused_runs(store, VIDEO, 5, 30)):
        other, numbers = 1 - leader, paused.observations.reshape(25, 2, 22)
        running = numbers[..., PER_EXPERT.index("running")] == 1
        assert running[:, leader].all() and running[0].all() and 5 <= (~running[:, other]).sum() <= 24
        np.testing.assert_array_equal(paused.boxes[running], without.boxes[running])
        before = np.flatnonzero(~running[:, other]) - 1
        np.testing.assert_array_equal(paused.boxes[~running], without.boxes[before, leader])
        assert (paused.confidence[~running] == 0).all() and (paused.confidence[running] > 0).all()
        np.testing.assert_allclose(paused.iou, overlaps(paused.boxes, VIDEO.boxes[5:30, None]), atol=1e-6)
        others_scores = numbers[:, leader, PER_EXPERT.index("score_by_others")]
        assert (others_scores[~running[:, other]] == 0).all()


@pytest.mark.learn
def test_the_warm_start_beats_the_rule_on_held_out_videos(tmp_path, cache):
    out = tmp_path / "learned"
    flags = ["--sequences", "synthetic:0-11", "--test-sequences", "synthetic:100-103", "--losses", "1", "--hard", "0"]
    assert (
        main(
            [*flags, "--no-test-hard", "--warm-steps", "80", "--warm-batch", "16", "--updates", "0", "--out", str(out)]
        )
        == 0
    )
    store = RunStore(EXPERTS)
    held_out = [read_run(store, synthetic.generate(seed)) for seed in range(10_000, 10_010)]
    learned = stored_auc(arbiter_checkpoint.load(out / "warm").model, held_out)
    rule = stored_auc(Arbiter(44, 2), held_out)
    experts = [np.mean([run.auc(run.boxes[:, index]) for run in held_out]) for index in range(2)]
    assert learned > rule + 0.02 and learned > max(experts) - 0.01


@pytest.mark.learn
def test_reinforce_without_warm_start_learns_which_expert_is_better(tmp_path, cache):
    """On these sequences the grey expert follows the target far better, which only the reward shows."""
    out = tmp_path / "loop"
    flags = ["--sequences", "synthetic:0-11", "--test-sequences", "synthetic:100", "--warm-steps", "0", "--losses", "0"]
    flags += ["--updates", "12", "--clips", "4", "--episodes", "6", "--steps", "12", "--lost-share", "0", "--hard", "0"]
    assert main([*flags, "--sigma", "0.2", "--lr", "0.01", "--lr-end", "0.01", "--out", str(out)]) == 0
    rows = json.loads((out / "report.json").read_text())["summary"]["test sequences"]
    assert rows["Arbiter (REINFORCE)"]["auc"] > rows["hand-made rule"]["auc"] + 0.15
