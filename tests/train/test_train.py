"""The training script, run as a script."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.helpers.training import TINY, command, hyperparameters, picture, refused, run_script, tensorboard
from tracking_env.datasets import synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.sequence import Sequence
from tracking_env.report import plots
from tracking_env.trackers.checkpoint import newest
from train.config import parse
from train.reinforce import main
from train.run import pictures, results
from train.run.data import load_data
from train.run.directory import RunDirectory


@pytest.fixture(scope="module")
def finished(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end."""
    out = tmp_path_factory.mktemp("finished") / "run"
    done = run_script(environment, *TINY, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr, "a run must print no warnings of OpenCV"
    assert "DRLT (reinforce)" in done.stdout and "static first box" in done.stdout
    return out


def _weights(run: Path) -> dict[str, np.ndarray]:
    folder = newest(run / "checkpoints")
    return load_file(folder / "model.safetensors") | load_file(folder / "optimizer.safetensors")


def _equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_a_run_writes_the_documented_files(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert report["mean"].keys() == {"whole", "seen", "unseen"}
    assert report["mean"]["seen"] is None  # other seeds than those trained on
    assert report["mean"]["whole"] == report["mean"]["unseen"]
    assert report["mean"]["whole"].keys() == {"auc", "precision20", "norm_precision20", "mean_iou"}
    assert list(report["sequences"]) == ["Synthetic-0100", "Synthetic-0101", "Synthetic-0102"]
    assert report["sequences"]["Synthetic-0100"]["frames"] == 60
    assert report["lines"].keys() == {"static first box", "constant mean box", "best constant box", "untrained agent"}
    assert report["fps"]["online"] > 0 and report["fps"]["precomputed"] > 0
    assert report["config"]["windows"]["steps"] == 10
    assert report["dataset"]["training_frames"] == 6 * 60
    assert read_boxes(finished / "results" / "Synthetic-0100.txt").shape == (60, 4)
    assert (finished / "overlay.mp4").stat().st_size > 1000
    assert list(finished.glob("events.out.tfevents.*"))


def test_the_report_scores_the_result_files(finished: Path) -> None:
    from tracking_env.datasets import synthetic
    from tracking_env.evaluation import scoring

    truths = {sequence.name: sequence.boxes for sequence in synthetic.parse("synthetic:100-102")}
    again = scoring.score_folder(finished / "results", truths, dict.fromkeys(truths, 0))
    report = json.loads((finished / "report.json").read_text())
    assert again.to_json()["mean"]["whole"] == pytest.approx(report["mean"]["whole"], abs=1e-4)


def test_every_epoch_is_logged_once_with_the_reward_of_its_phase(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    rates = [line["train/learning_rate"] for line in lines]
    assert rates[0] == pytest.approx(1e-3) and rates[-1] == pytest.approx(1e-4)
    assert rates[1] / rates[0] == pytest.approx(rates[4] / rates[3])
    assert [("eval/auc_whole" in line) for line in lines] == [False, True, False, True, True]
    assert all(line["reward/l1"] < 0 <= line["reward/iou"] for line in lines)


OTHER_ORDER = ["--first-location", "video", "--order", "sequential", "--batch", "2"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("options", [[], pytest.param(OTHER_ORDER, marks=pytest.mark.slow)], ids=["default", "other"])
def test_a_resumed_run_gives_the_same_numbers(
    environment: dict[str, str], finished: Path, tmp_path: Path, options: list[str]
) -> None:
    flags = [*TINY, *options, "--out"]
    whole = finished
    if options:
        whole = tmp_path / "whole"
        assert run_script(environment, *flags, whole).returncode == 0
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        command(*flags, stopped), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (stopped / "metrics.jsonl").exists() and process.poll() is None:  # written after the first epoch
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"--resume" in out
    assert not (stopped / "report.json").exists()

    resumed = run_script(environment, *flags, stopped, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert _equal(_weights(whole), _weights(stopped))
    metrics = [(run / "metrics.jsonl").read_text() for run in (whole, stopped)]
    assert metrics[0] == metrics[1]
    reports = [json.loads((run / "report.json").read_text()) for run in (whole, stopped)]
    assert reports[0]["sequences"] == reports[1]["sequences"]


EVERYTHING = [
    *("--warm-epochs", "2", "--iou-epochs", "20", "--plateau", "2", "--returns", "to_go", "--reuse", "2"),
    *("--baseline", "leave_one_out", "--sigma-end", "0.005", "--precision", "bf16"),
    *("--first-location", "video", "--batch", "2"),
]


def test_a_resumed_run_with_all_options_gives_the_same_numbers(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "whole")]) == 0
    log = RunDirectory.log

    def stopping(run: RunDirectory, epoch: int, scalars: dict[str, float], *clocks: Any) -> None:
        log(run, epoch, scalars, *clocks)
        run.stop_requested = epoch == 3

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "log", stopping)
        assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "stopped")]) == 0
    assert newest(tmp_path / "stopped" / "checkpoints").name == "000003"
    assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "stopped"), "--resume"]) == 0
    assert _equal(_weights(tmp_path / "whole"), _weights(tmp_path / "stopped"))
    metrics = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    phases = [json.loads(line)["train/phase"] for line in metrics[0].splitlines()]
    assert phases == sorted(phases) and set(phases) == {0, 1, 2}
    assert len(phases) < 20, "a plateau ended a phase early"


def test_tensorboard_holds_the_documented_curves_and_pictures(finished: Path) -> None:
    log = tensorboard(finished)
    logged = {"reward/l1", "reward/iou", "copy_first_box/l1", "copy_first_box/iou", "train/gradient_norm"}
    logged |= {"train/learning_rate", "collapse/empty_boxes", "eval/auc_whole", "eval/precision20_unseen"}
    assert logged <= set(log.Tags()["scalars"])
    logged = {"rollout/ep_rew_mean", "time/fps", "train/loss", "train/advantage_std"}
    assert logged <= set(log.Tags()["scalars"])
    # Over environment steps: the boxes that an epoch samples.
    steps = [event.step for event in log.Scalars("reward/l1")]
    step = steps[0]
    assert step > 5 and steps == [step * epoch for epoch in (1, 2, 3, 4, 5)]
    pictures = {"eval/success", "overlay/best", "overlay/median", "overlay/worst"}
    assert set(log.Tags()["images"]) == pictures
    for name in pictures:
        assert [event.step for event in log.Images(name)] == [step * epoch for epoch in (2, 4, 5)]


def test_tensorboard_shows_film_strips_of_the_best_median_and_worst_sequence(finished: Path) -> None:
    log = tensorboard(finished)
    report = json.loads((finished / "report.json").read_text())["sequences"]
    ranked = sorted(report, key=lambda name: report[name]["whole"]["auc"])
    for name, sequence in zip(("worst", "median", "best"), map(_drawn, ranked), strict=True):
        shown = picture(log, f"overlay/{name}")
        assert shown.shape == (480, 960, 3), "two rows of three"
        last = cv2.resize(sequence.frames[59], (320, 240))[:120, 160:]  # without the caption; boxes cover little
        assert np.median(np.abs(shown[240:360, 800:].astype(int) - last)) < 8


def test_the_success_plot_in_tensorboard_shows_the_result_files(finished: Path, tmp_path: Path) -> None:
    data = load_data(parse(TINY).data)
    boxes = {sequence.name: read_boxes(finished / "results" / f"{sequence.name}.txt") for sequence in data.testing}

    def plot(boxes: dict[str, np.ndarray]) -> np.ndarray:
        return plots.rasterise(pictures.success_plot(results.score(boxes, data.testing, data.unseen), data.unseen))

    assert np.array_equal(picture(tensorboard(finished), "eval/success"), plot(boxes))
    moved = {name: sequence + np.array([3, 0, 0, 0]) for name, sequence in boxes.items()}
    assert not np.array_equal(plot(moved), plot(boxes))


def test_the_success_plot_has_the_scores_of_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, tuple[np.ndarray, float]]] = []
    monkeypatch.setattr(plots, "draw_curves", lambda *args: drawn.append(args[3]))
    sequences = synthetic.parse("synthetic:0-2")
    late = {sequence.name: np.concatenate([sequence.boxes[:1], sequence.boxes[:-1]]) for sequence in sequences}
    for unseen in (False, True):
        report = results.score(late, sequences, unseen)
        pictures.success_plot(report, unseen)
        means = report.mean
        means = {"unseen": means["unseen"]} if unseen else means  # the whole is the same then
        assert {part: auc for part, (_, auc) in drawn[-1].items()} == pytest.approx(
            {part: sequence.auc for part, sequence in means.items()}
        )


def test_tensorboard_sorts_runs_by_their_final_scores(finished: Path) -> None:
    flags, scores = hyperparameters(finished)
    report = json.loads((finished / "report.json").read_text())
    assert scores["final/auc_whole"] == pytest.approx(report["mean"]["whole"]["auc"])
    assert scores["final/fps_online"] == pytest.approx(report["fps"]["online"])
    assert flags["agent"] == "DRLT (reinforce)" and flags["hidden"] == 8 and flags["lr"] == pytest.approx(1e-3)
    assert not flags.keys() & {"out", "resume"}
    assert not [path for path in finished.rglob("events.*") if path.parent != finished], "no run in a run"


def test_the_log_for_tensorboard_has_a_bounded_size(finished: Path) -> None:
    (log,) = finished.glob("events.*")
    assert log.stat().st_size / 1024 < 200 * 3 + 40, "200 KB for each of three evaluations, and the rest of the log"


def _drawn(name: str) -> Sequence:
    return synthetic.generate(int(name.partition("-")[2]))


def test_another_seed_gives_another_agent(environment: dict[str, str], finished: Path, tmp_path: Path) -> None:
    assert run_script(environment, *TINY, "--seed", "1", "--out", tmp_path / "run").returncode == 0
    assert not _equal(_weights(finished), _weights(tmp_path / "run"))


def test_a_finished_run_is_overwritten_only_on_request(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    before = (finished / "report.json").read_bytes()
    err = refused(capsys, *TINY, "--out", finished)
    assert "already holds a run" in err and "--overwrite" in err
    assert (finished / "report.json").read_bytes() == before


def test_a_checkpoint_of_another_configuration_is_refused(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    assert "hidden: 8 -> 12" in refused(capsys, *TINY, "--out", finished, "--resume", "--hidden", "12")


@pytest.mark.parametrize(
    "flags",
    [
        ["--learner", "supervised"],
        ["--returns", "to_go", "--baseline", "leave_one_out"],
        ["--sigma", "0.1", "--sigma-end", "0.01"],
    ],
    ids=" ".join,
)
def test_every_option_changes_the_learned_weights(here: None, finished: Path, tmp_path: Path, flags: list[str]) -> None:
    assert main([*TINY, *flags, "--out", str(tmp_path / "run")]) == 0
    assert not _equal(_weights(finished), _weights(tmp_path / "run"))
    if "--sigma-end" in flags:
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        assert [line["train/sigma"] for line in lines] == pytest.approx([0.1 * 0.1 ** (e / 4) for e in range(5)])


def test_several_seeds_are_separate_runs_with_a_mean_and_a_deviation(
    here: None, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    flags = [*TINY, "--out", str(out), "--seeds"]
    assert main([*flags, "2"]) == 0
    printed = capsys.readouterr().out
    assert "±" in printed and "DRLT (reinforce), 2 seeds" in printed
    assert _equal(_weights(finished), _weights(out / "seed-0"))
    assert not _equal(_weights(finished), _weights(out / "seed-1"))
    reports = [json.loads((out / name / "report.json").read_text()) for name in ("seed-0", "seed-1", ".")]
    aucs = [report["mean"]["whole"]["auc"] for report in reports]
    assert aucs[2] == pytest.approx((aucs[0] + aucs[1]) / 2, abs=1e-4)  # result files have four decimals
    assert reports[2]["runs"] == 2
    assert reports[2]["std"]["whole"]["auc"] == pytest.approx(abs(aucs[0] - aucs[1]) / math.sqrt(2), abs=1e-4)

    assert "--resume" in refused(capsys, *flags, "2")
    (out / "seed-1" / "report.json").unlink()
    trained = (out / "seed-0" / "report.json").stat().st_mtime_ns
    assert main([*flags, "3", "--resume"]) == 0
    assert (out / "seed-0" / "report.json").stat().st_mtime_ns == trained, "the finished run is not repeated"
    assert (out / "seed-1" / "report.json").exists()
    assert "episodes: 5 -> 6" in refused(capsys, *flags, "3", "--resume", "--episodes", "6")
    assert json.loads((out / "report.json").read_text())["runs"] == 3


@pytest.mark.otb
def test_training_with_the_split_of_the_paper_runs_on_real_video(
    environment: dict[str, str], otb_root: Path, tmp_path: Path
) -> None:
    flags = ["--root", otb_root, "--sequences", "Bird2,Dancer2", "--out", tmp_path / "run", *TINY[4:]]
    done = run_script(environment, *flags)
    assert done.returncode == 0, done.stderr
    assert "replay-and-freeze" in done.stdout
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["dataset"]["training_frames"] == 99 // 3 + 150 // 3
    assert report["mean"]["seen"] is not None
    assert report["lines"]["replay-and-freeze"]["seen"]["auc"] == pytest.approx(20 / 21)
