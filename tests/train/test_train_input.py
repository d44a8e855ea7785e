"""The training script refuses bad input, and stops at numbers that are not finite."""

import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from agents.checkpoints import drlt as checkpoint
from tests.helpers.training import TINY, refused, run_script
from tracking_env.trackers.checkpoint import newest
from train import learner
from train.reinforce import main


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--preset", "huge"], ["huge", "demo, small, keypoints, paper"]),
        (["--hiden", "8"], ["--hiden", "did you mean '--hidden'"]),
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
def test_bad_input_gives_one_line_and_exit_code_2(
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
        ["--seed", "9" * 25],
        ["--steps", "9" * 25],
        ["--lr", "1e300"],
        ["--hidden", "3"],
        ["--baseline", "none"],
        ["--returns", "episode"],
        ["--plateau", "0"],
        ["--reuse", "2", "--learner", "supervised"],
    ],
)
def test_a_bad_value_gives_a_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str]
) -> None:
    try:
        code = main(["--out", str(tmp_path / "run"), *flags])
    except SystemExit as stop:  # an error of the parser, which some versions of tyro leave to `main`
        code = stop.code
    assert code == 2
    assert flags[0].strip("-") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_script_gives_one_line_and_exit_code_2(environment: dict[str, str], tmp_path: Path) -> None:
    done = run_script(environment, "--out", tmp_path / "run", "--root", "nowhere")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("train/reinforce.py: error: ")


def test_a_store_of_another_extractor_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    header = {"format": 1, "extractor": "other-1234", "dim": 9, "dtype": "float16"}
    (tmp_path / "store" / "store.json").write_text(json.dumps(header))
    assert "other-1234" in refused(capsys, *TINY, "--out", tmp_path / "run", "--store", tmp_path / "store")


def test_a_folder_that_is_no_run_is_not_changed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "is not a run" in refused(capsys, *TINY, "--out", tmp_path, "--overwrite")
    assert (tmp_path / "thesis.tex").exists()


def test_a_loss_that_is_not_finite_stops_the_run(environment: dict[str, str], tmp_path: Path) -> None:
    done = run_script(
        environment, *TINY, "--out", tmp_path / "run", "--sigma", "1e-25"
    )  # (l - mu)^2 / sigma^2 is 0 / 0
    assert done.returncode == 2 and "the loss is not finite in epoch 1, update 1: Synthetic-000" in done.stderr
    assert re.search(r"window [1-6] \(frames \d1-\d0\) and 31 more", done.stderr)
    assert done.stderr.count("\n") == 1


def test_the_last_good_checkpoint_is_kept_and_the_error_names_the_window(
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
    loaded = checkpoint.load(newest(tmp_path / "run" / "checkpoints"))
    assert loaded.epoch == 2
    assert all(parameter.isfinite().all() for parameter in loaded.model.parameters())


def test_a_gradient_that_is_not_finite_stops_the_run(
    here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.nn.utils.get_total_norm", lambda _: torch.tensor(math.nan))
    assert main([*TINY, "--out", str(tmp_path / "run"), "--order", "sequential"]) == 2
    message = "the gradient is not finite in epoch 1, update 1: Synthetic-0000, window 1 (frames 1-10) and 31 more;"
    assert message in capsys.readouterr().err


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
    err = refused(capsys, "--root", tmp_path / "otb", "--sequences", "Mine", "--out", tmp_path / "run", *TINY[4:])
    assert "0005.jpg" in err and "truncated" in err
    assert not (tmp_path / "run").exists()


def test_a_sequence_with_only_its_first_box_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "got10k" / "test" / "GOT-10k_Test_000001"
    folder.mkdir(parents=True)
    for number in range(1, 7):
        assert cv2.imwrite(str(folder / f"{number:08d}.jpg"), np.full((40, 60, 3), 30 * number, np.uint8))
    (folder / "groundtruth.txt").write_text("10,10,20,20\n")
    flags = ["--root", tmp_path / "got10k", "--out", tmp_path / "run", *TINY[4:]]
    assert "GOT-10k_Test_000001 has one true box" in refused(capsys, *flags)
    assert not (tmp_path / "run").exists()
    (folder / "groundtruth.txt").write_text("10,10,20,20\n" * 6)
    (folder / "absence.label").write_text("0\n0\n0\n1\n0\n0\n")
    assert main([str(flag) for flag in flags]) == 0
