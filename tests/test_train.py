"""The training script, run as a script."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import checkpoint
from tracking_env import otb
from train import learner
from train.reinforce import main
from train.run import Run

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    *("--sequences", "synthetic:0-5", "--test-sequences", "synthetic:100-102", "--observation", "16", "--hidden", "8"),
    *("--l1-epochs", "3", "--iou-epochs", "2", "--checkpoint-every", "2", "--evaluate-every", "2", "--device", "cpu"),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache of its own, one thread, and warnings that are failures."""
    cache = tmp_path_factory.mktemp("cache")
    return os.environ | {
        "TRACKING_ENV_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error::UserWarning",
    }


@pytest.fixture
def here(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs in this process, which starts faster than a new one: the same cache."""
    monkeypatch.setenv("TRACKING_ENV_CACHE", environment["TRACKING_ENV_CACHE"])


def _command(*flags: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "train" / "reinforce.py"), *map(str, flags)]


def _train(environment: dict[str, str], *flags: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(*flags), env=environment, cwd="/", capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def finished(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end."""
    out = tmp_path_factory.mktemp("finished") / "run"
    done = _train(environment, *TINY, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "DRLT (reinforce)" in done.stdout and "static first box" in done.stdout
    return out


def _weights(run: Path) -> dict[str, np.ndarray]:
    newest = checkpoint.newest(run / "checkpoints")
    return load_file(newest / "model.safetensors") | load_file(newest / "optimizer.safetensors")


def _equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_a_run_leaves_what_its_page_says(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert report["mean"].keys() == {"whole", "seen", "unseen"}
    assert report["mean"]["seen"] is None  # other seeds than those trained on
    assert report["mean"]["whole"] == report["mean"]["unseen"]
    assert report["mean"]["whole"].keys() == {"auc", "precision20", "norm_precision20", "mean_iou"}
    assert list(report["sequences"]) == ["Synthetic-0100", "Synthetic-0101", "Synthetic-0102"]
    assert report["sequences"]["Synthetic-0100"]["frames"] == 60
    assert report["lines"].keys() == {"static first box", "constant mean box"}
    assert report["fps"]["online"] > 0 and report["fps"]["precomputed"] > 0
    assert report["config"]["windows"]["steps"] == 10
    assert report["dataset"]["training_frames"] == 6 * 60
    assert otb.read_boxes(finished / "results" / "Synthetic-0100.txt").shape == (60, 4)
    assert (finished / "overlay.mp4").stat().st_size > 1000
    assert list(finished.glob("events.out.tfevents.*"))


def test_the_report_scores_the_result_files(finished: Path) -> None:
    from tracking_env import evaluation, synthetic

    truths = {one.name: one.boxes for one in synthetic.parse("synthetic:100-102")}
    again = evaluation.score_folder(finished / "results", truths, dict.fromkeys(truths, 0))
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


@pytest.mark.parametrize("options", [[], ["--first-location", "video", "--order", "sequential", "--batch", "2"]])
def test_a_stopped_run_goes_on_to_the_same_numbers(
    environment: dict[str, str], finished: Path, tmp_path: Path, options: list[str]
) -> None:
    flags = [*TINY, *options, "--out"]
    whole = finished
    if options:
        whole = tmp_path / "whole"
        assert _train(environment, *flags, whole).returncode == 0
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        _command(*flags, stopped), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (stopped / "metrics.jsonl").exists() and process.poll() is None:  # written after the first epoch
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"--resume" in out
    assert not (stopped / "report.json").exists()

    resumed = _train(environment, *flags, stopped, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert _equal(_weights(whole), _weights(stopped))
    metrics = [(run / "metrics.jsonl").read_text() for run in (whole, stopped)]
    assert metrics[0] == metrics[1]
    reports = [json.loads((run / "report.json").read_text()) for run in (whole, stopped)]
    assert reports[0]["sequences"] == reports[1]["sequences"]


EVERYTHING = [
    *("--warm-epochs", "2", "--iou-epochs", "20", "--plateau", "2", "--returns", "to_go", "--baseline", "value"),
    *("--normalise", "--learn-sigma", "--entropy", "0.01", "--reuse", "2", "--precision", "bf16"),
    *("--first-location", "video", "--batch", "2"),
]


def test_all_options_at_once_go_on_to_the_same_numbers_too(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "whole")]) == 0
    log = Run.log

    def stopping(run: Run, epoch: int, scalars: dict[str, float]) -> None:
        log(run, epoch, scalars)
        run.stop_asked = epoch == 3

    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", stopping)
        assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "stopped")]) == 0
    assert checkpoint.newest(tmp_path / "stopped" / "checkpoints").name == "000003"
    assert main([*TINY, *EVERYTHING, "--out", str(tmp_path / "stopped"), "--resume"]) == 0
    assert _equal(_weights(tmp_path / "whole"), _weights(tmp_path / "stopped"))
    metrics = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    phases = [json.loads(line)["train/phase"] for line in metrics[0].splitlines()]
    assert phases == sorted(phases) and set(phases) == {0, 1, 2}
    assert len(phases) < 20, "a plateau ended a phase early"


def test_tensorboard_holds_the_documented_curves_and_pictures(finished: Path) -> None:
    log = EventAccumulator(str(finished))
    log.Reload()
    logged = {"reward/l1", "reward/iou", "copy_first_box/l1", "copy_first_box/iou", "train/gradient_norm"}
    logged |= {"train/learning_rate", "collapse/empty_boxes", "eval/auc_whole", "eval/precision20_unseen"}
    assert logged <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("reward/l1")] == [1, 2, 3, 4, 5]
    assert [event.step for event in log.Images("overlay")] == [2, 4, 5]


def test_another_seed_gives_another_agent(environment: dict[str, str], finished: Path, tmp_path: Path) -> None:
    assert _train(environment, *TINY, "--seed", "1", "--out", tmp_path / "run").returncode == 0
    assert not _equal(_weights(finished), _weights(tmp_path / "run"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--preset", "huge"], ["huge", "demo, small, paper"]),
        (["--hiden", "8"], ["--hiden", "did you mean --hidden"]),
        (["--sequences", "drlt30"], ["drlt30", "root"]),
        (["--sequences", "synthetic:9-3"], ["reversed"]),
        (["--root", "nowhere"], ["nowhere"]),
        (["--features", "vgg"], ["vgg", "grid"]),
        (["--features", "yolo-nano-voc", "--weights", "none.weights"], ["none.weights"]),
        (["--resume"], ["no run to resume"]),
        (["--seeds", "2", "--resume"], ["no run to resume"]),
        (["--device", "cuda:77"], ["cuda:77", "--device cpu"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], words: list[str]
) -> None:
    assert main(["--out", str(tmp_path / "run"), *flags]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("train/reinforce.py: error: ")
    assert all(word in err for word in words), err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--episodes", "1"],
        ["--lr", "fast"],
        ["--sigma", "0"],
        ["--hidden", "3"],
        ["--entropy", "1"],
        ["--plateau", "0"],
        ["--reuse", "2", "--learner", "supervised"],
    ],
)
def test_a_bad_value_is_told_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "run"), *flags])
    assert stop.value.code == 2
    assert flags[0].strip("-") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_script_is_one_line_and_exit_code_2(environment: dict[str, str], tmp_path: Path) -> None:
    done = _train(environment, "--out", tmp_path / "run", "--root", "nowhere")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("train/reinforce.py: error: ")


def _refused(capsys: pytest.CaptureFixture[str], *flags: str | Path) -> str:
    assert main([str(flag) for flag in flags]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_a_finished_run_is_not_overwritten_unasked(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    before = (finished / "report.json").read_bytes()
    err = _refused(capsys, *TINY, "--out", finished)
    assert "already holds a run" in err and "--overwrite" in err
    assert (finished / "report.json").read_bytes() == before


def test_a_checkpoint_of_another_configuration_is_refused(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    assert "hidden: 8 -> 12" in _refused(capsys, *TINY, "--out", finished, "--resume", "--hidden", "12")


def test_a_store_of_another_extractor_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    header = {"format": 1, "extractor": "other-1234", "dim": 9, "dtype": "float16"}
    (tmp_path / "store" / "store.json").write_text(json.dumps(header))
    assert "other-1234" in _refused(capsys, *TINY, "--out", tmp_path / "run", "--store", tmp_path / "store")


def test_a_folder_that_is_no_run_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "is not a run" in _refused(capsys, *TINY, "--out", tmp_path, "--overwrite")
    assert (tmp_path / "thesis.tex").exists()


def test_a_loss_that_is_not_finite_stops_the_run(environment: dict[str, str], tmp_path: Path) -> None:
    done = _train(environment, *TINY, "--out", tmp_path / "run", "--sigma", "1e-25")  # (l - mu)^2 / sigma^2 is 0 / 0
    assert done.returncode == 2 and "the loss is not finite in epoch 1, update 1: Synthetic-000" in done.stderr
    assert re.search(r"window [1-6] \(frames \d1-\d0\) and 31 more", done.stderr)
    assert done.stderr.count("\n") == 1


def test_the_last_good_checkpoint_is_kept_and_the_bad_window_named(
    here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # From the fourth epoch on the third window of a batch is rewarded with infinity.
    flags = [*TINY, "--out", str(tmp_path / "run"), "--order", "sequential", "--batch", "8"]
    iou = learner.REWARDS["iou"]
    calls = []

    def broken(boxes: Any, truth: Any) -> Any:
        calls.append(0)
        reward = iou(boxes, truth)
        if len(calls) > 3 * 5:  # 36 windows are 5 updates
            reward[:, 2, 1] = math.inf
        return reward

    monkeypatch.setattr(learner, "REWARDS", {"l1": learner.REWARDS["l1"], "iou": broken})
    assert main(flags) == 2
    err = capsys.readouterr().err
    assert "epoch 4, update 1: Synthetic-0000, window 3 (frames 21-30);" in err and "checkpoints" in err
    kept = checkpoint.load(checkpoint.newest(tmp_path / "run" / "checkpoints"))
    assert kept.epoch == 2
    assert all(parameter.isfinite().all() for parameter in kept.model.parameters())


def test_a_gradient_that_is_not_finite_stops_the_run_too(
    here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.nn.utils.get_total_norm", lambda _: torch.tensor(math.nan))
    assert main([*TINY, "--out", str(tmp_path / "run"), "--order", "sequential"]) == 2
    said = "the gradient is not finite in epoch 1, update 1: Synthetic-0000, window 1 (frames 1-10) and 31 more;"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--learner", "pathwise"],
        ["--learner", "supervised"],
        ["--returns", "episode", "--baseline", "leave_one_out"],
        ["--baseline", "none", "--episodes", "1"],
        ["--sigma", "0.1", "--sigma-end", "0.01"],
    ],
    ids=" ".join,
)
def test_every_choice_changes_what_is_learned(here: None, finished: Path, tmp_path: Path, flags: list[str]) -> None:
    assert main([*TINY, *flags, "--out", str(tmp_path / "run")]) == 0
    assert not _equal(_weights(finished), _weights(tmp_path / "run"))
    if "--sigma-end" in flags:
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        assert [line["train/sigma"] for line in lines] == pytest.approx([0.1 * 0.1 ** (e / 4) for e in range(5)])


def test_several_seeds_are_runs_of_their_own_with_a_mean_and_a_deviation(
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
    aucs = [one["mean"]["whole"]["auc"] for one in reports]
    assert aucs[2] == pytest.approx((aucs[0] + aucs[1]) / 2, abs=1e-4)  # result files have four decimals
    assert reports[2]["runs"] == 2
    assert reports[2]["std"]["whole"]["auc"] == pytest.approx(abs(aucs[0] - aucs[1]) / math.sqrt(2), abs=1e-4)

    assert "--resume" in _refused(capsys, *flags, "2")
    (out / "seed-1" / "report.json").unlink()
    trained = (out / "seed-0" / "report.json").stat().st_mtime_ns
    assert main([*flags, "3", "--resume"]) == 0
    assert (out / "seed-0" / "report.json").stat().st_mtime_ns == trained, "it is not done again"
    assert (out / "seed-1" / "report.json").exists()
    assert "episodes: 5 -> 6" in _refused(capsys, *flags, "3", "--resume", "--episodes", "6")
    assert json.loads((out / "report.json").read_text())["runs"] == 3


def test_a_truncated_frame_stops_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    images = tmp_path / "otb" / "Mine" / "img"
    images.mkdir(parents=True)
    for number in range(1, 7):
        assert cv2.imwrite(str(images / f"{number:04d}.jpg"), np.full((40, 60, 3), 30 * number, np.uint8))
    (images.parent / "groundtruth_rect.txt").write_text("10,10,20,20\n" * 6)
    broken = images / "0005.jpg"
    broken.write_bytes(broken.read_bytes()[:-20])
    err = _refused(capsys, "--root", tmp_path / "otb", "--sequences", "Mine", "--out", tmp_path / "run", *TINY[4:])
    assert "0005.jpg" in err and "truncated" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.otb
def test_the_papers_split_on_real_video(environment: dict[str, str], otb_root: Path, tmp_path: Path) -> None:
    flags = ["--root", otb_root, "--sequences", "Bird2,Dancer2", "--out", tmp_path / "run", *TINY[4:]]
    done = _train(environment, *flags)
    assert done.returncode == 0, done.stderr
    assert "replay-and-freeze" in done.stdout
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["dataset"]["training_frames"] == 99 // 3 + 150 // 3
    assert report["mean"]["seen"] is not None
    assert report["lines"]["replay-and-freeze"]["seen"]["auc"] == pytest.approx(20 / 21)


def test_a_sequence_with_its_first_box_alone_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "got10k" / "test" / "GOT-10k_Test_000001"
    folder.mkdir(parents=True)
    for number in range(1, 7):
        assert cv2.imwrite(str(folder / f"{number:08d}.jpg"), np.full((40, 60, 3), 30 * number, np.uint8))
    (folder / "groundtruth.txt").write_text("10,10,20,20\n")
    flags = ["--root", tmp_path / "got10k", "--out", tmp_path / "run", *TINY[4:]]
    assert "GOT-10k_Test_000001 has one true box" in _refused(capsys, *flags)
    assert not (tmp_path / "run").exists()
    (folder / "groundtruth.txt").write_text("10,10,20,20\n" * 6)
    (folder / "absence.label").write_text("0\n0\n0\n1\n0\n0\n")
    assert main([str(flag) for flag in flags]) == 0
