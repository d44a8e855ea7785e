"""The benchmarks run and print their measurements. No test checks a speed."""

import json
import os
import subprocess
import sys

import pytest

import benchmarks.raw_results
import benchmarks.speed.drawn
from benchmarks.speed import plan
from tests.helpers.paths import ROOT
from tracking_env.evaluation import raw_results

OTB_100 = plan.BENCHMARKS[0]


def measure(name, *args):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / "speed" / f"{name}.py"), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_extract_measures_frames_per_second():
    numbers = json.loads(
        measure("extract", "--sequences", "synthetic:0-3", "--frames", "61", "--repeat", "1", "--json")
    )
    assert (numbers["sequences"], numbers["frames"]) == (2, 120)
    rates = [numbers[f"{name}_fps"] for name in ("decode", "extractor", "end_to_end")]
    assert min(rates) > 0
    assert numbers["ratio"] == pytest.approx(rates[2] / rates[1], abs=0.01)


def test_extract_runs_without_data_and_with_files():
    numbers = json.loads(measure("extract", "--synthetic", "3", "--repeat", "1", "--device", "cpu", "--json"))
    assert (numbers["sequences"], numbers["frames"], numbers["device"]) == (1, 3, "cpu")


def test_online_runs_without_data_and_with_files():
    pytest.importorskip("torch")
    flags = ["--synthetic", "--half", "--device", "cpu", "--observation", "8", "--hidden", "4", "--frames", "5"]
    numbers = json.loads(measure("online", *flags, "--json"))
    assert (numbers["frame"], numbers["device"], numbers["drlt"]) == ("640x480", "cpu", "float16")


def test_online_measures_frames_per_second():
    pytest.importorskip("torch")
    table = measure("online", "--observation", "8", "--hidden", "4", "--frames", "5", "--threads", "1")
    numbers = dict(line.split() for line in table.splitlines())
    assert (numbers["frame"], numbers["hidden"], numbers["threads"], numbers["frames"]) == ("160x120", "4", "1", "5")
    assert min(float(numbers[key]) for key in ("fps", "step_alone_fps")) > 0


def test_trackers_are_measured_in_frames_per_second():
    pytest.importorskip("onnxruntime")
    flags = ["search", "mil", "--sequences", "synthetic:0", "--frames", "4", "--repeat", "2"]
    numbers = json.loads(measure("trackers", *flags, "--json"))
    assert list(numbers["trackers"]) == ["search", "mil"]
    assert numbers["trackers"]["search"]["times"] == 1 and min(row["fps"] for row in numbers["trackers"].values()) > 0
    table = measure("trackers", "search", "--frames", "3", "--repeat", "1")
    assert table.splitlines()[-1].split()[::2] == ["search", "1.00"]


def test_epoch_measures_time_against_the_bandwidth_limit():
    pytest.importorskip("torch")
    flags = [
        "--size",
        "16",
        "--frames",
        "50",
        "--dim",
        "8",
        "--updates",
        "2",
        "--copy",
        "4",
        "--device",
        "cpu",
        "--json",
    ]
    numbers = json.loads(measure("epoch", *flags))
    assert numbers["parameters"] == (8 + 4 + 1) * 16 + 4 * 16 * (16 + 16 + 2)
    assert (numbers["updates"], numbers["measured_updates"]) == (5, 2)  # ten frames each
    moved = 4 * (11 * numbers["parameters"] - 13 * 16 + 2 * 9 * 4 * 16 * 16)
    assert numbers["bytes_per_update"] == moved
    assert numbers["floor_seconds"] == pytest.approx(5 * moved / numbers["copy_gb_per_s"] / 1e9, rel=2e-3)
    assert numbers["times_the_floor"] == pytest.approx(
        numbers["seconds_per_epoch"] / numbers["floor_seconds"], rel=0.01
    )
    assert 0 < numbers["peak_gb"] < 4


def test_cross_validation_scores_each_video_once_by_an_arbiter_that_has_not_seen_it(tmp_path):
    pytest.importorskip("torch")
    flags = [
        "--sequences",
        "synthetic:0-3",
        "--folds",
        "2",
        "--seeds",
        "2",
        "--store",
        str(tmp_path / "runs"),
        "--closed-loop",
        "--json",
    ]
    training = ["--", "--warm-steps", "2", "--losses", "1", "--hard", "1", "--warm-batch", "2"]
    command = [sys.executable, str(ROOT / "benchmarks" / "cross_validation.py"), *flags, *training]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert numbers["sequences"] == 4 and len(numbers["auc"]["arbiter"]) == 2
    for kind in ("whole", "simulated losses", "hard clips"):
        best = numbers["auc"]["the better expert in every frame"][0][kind]
        assert best >= max(numbers["auc"][name][0][kind] for name in ("grey", "colour"))
    in_the_loop = numbers["auc"]["arbiter, in the closed loop"]
    assert [list(seed) for seed in in_the_loop] == [["whole"]] * 2 and 0.1 < in_the_loop[0]["whole"] < 20 / 21


def test_plan_multiplies_measured_times_by_frames():
    numbers = json.loads(measure("plan", "search", "--frames", "3", "--json"))
    assert list(numbers["search"]) == ["640x480", "1280x720", "1920x1080"] and min(numbers["search"].values()) > 0
    assert OTB_100.frames == 59_035
    hours = {"640x480": 0.0036, "1280x720": 0.36, "1920x1080": 0.036}  # seconds per frame
    row = plan.format_table({"mine": hours}, [1, 2]).splitlines()[-1].split(" | ")
    assert row[:3] == ["| `mine`", "3.6 / 360.0 / 36.0", "3.5 min / 1.8 min"]
    assert row[-1] == "69 h / 34 h |"  # 690,000 frames


def test_raw_results_runs_a_tracker_and_packs_its_boxes(tmp_path, monkeypatch):
    drawn = [f"Drawn{seed}" for seed in range(2)]
    assert benchmarks.speed.drawn.write(tmp_path / "OTB", 101, (64, 48)) == ",".join(drawn)
    monkeypatch.setattr(benchmarks.raw_results, "SEQUENCES", ",".join(drawn))
    monkeypatch.setattr(raw_results.archive, "_FOLDER", tmp_path)
    monkeypatch.setattr(raw_results.write, "__defaults__", (tmp_path,))
    flags = ["--root", str(tmp_path / "OTB"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["raw_results.py", "static", *flags])
    assert benchmarks.raw_results.main() == 0
    results = raw_results.read("static")
    assert {name: boxes.shape for name, boxes in results.runs[0].items()} == {"Drawn0": (100, 4), "Drawn1": (1, 4)}
    command = "tracking-env evaluate --tracker static --root OTB --sequences Drawn0,Drawn1 --out results --name static"
    assert raw_results.read_command("static") == f"{command}\nstatic\n"


def test_train_measures_all_training_paths():
    pytest.importorskip("torch")
    flags = ["--seconds", "0", "--sequences", "synthetic:0-1", "--hidden", "8", "--batch", "2", "--json"]
    command = [sys.executable, str(ROOT / "benchmarks" / "speed" / "train.py"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    numbers = json.loads(done.stdout)
    assert {"fast", "plain"} <= numbers["frames_per_second"].keys()
    assert min(numbers["frames_per_second"].values()) > 0
    assert numbers["boxes_per_second"]["fast"] == 5 * numbers["frames_per_second"]["fast"]
    assert numbers["growth"].keys() == {"steps", "episodes", "hidden"}
    assert 0 < numbers["share_of_matrix_products"] < 1


def test_cpu_measures_variants_against_the_floor():
    pytest.importorskip("torch")
    flags = ["--threads", "1", "--hidden", "8", "--batch", "2", "--rounds", "1", "--updates", "1", "--json"]
    command = [sys.executable, str(ROOT / "benchmarks" / "speed" / "cpu.py"), *flags, "--sequences", "synthetic:0-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (numbers,) = json.loads(done.stdout)
    first, rest = 8 * (1536 + 4), 2 * 4 * 8 * 8  # weights
    assert numbers["gigaoperations"] * 1e9 == pytest.approx(2 * 20 * (2 * first + 3 * rest))
    passes = 11 * 4 * (first + 8 + rest + 2 * 4 * 8) / numbers["copy_gb_per_s"] / 1e9
    products = numbers["gigaoperations"] / numbers["product_gflop_per_s"]
    assert numbers["floor_cpu_ms"] == pytest.approx(1000 * (products + passes))
    script = numbers["variants"]["train/reinforce.py"]
    assert script["times_the_script"] == 1
    assert script["times_the_floor"] == pytest.approx(script["cpu_ms"] / numbers["floor_cpu_ms"])
    assert {"autocast", "own recurrence", "own recurrence, bf16"} <= numbers["variants"].keys()


def test_env_measures_steps_per_second():
    numbers = json.loads(
        measure("env", "--sequences", "synthetic:0-3", "--num-envs", "8", "--dim", "6", "--seconds", "0.001", "--json")
    )
    assert (numbers["dim"], numbers["num_envs"], numbers["frames"]) == (6, 8, 80)
    ratios = ("step_ratio", "episode_ratio", "numpy_share", "sync_ratio")
    assert min(numbers[key] for key in (*ratios, "step_us", "cartpole_us", "vector_steps_per_second")) > 0
    assert [numbers[f"goal_{key}"] for key in ratios] == [3, 4, 0.6, 20]
