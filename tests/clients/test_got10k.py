import json
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("got10k", reason="needs the extra got10k")
pytest.importorskip("torch", reason="our trackers by name are in agents")

import matplotlib

matplotlib.use("Agg")

from got10k.datasets import OTB, NfS
from got10k.experiments import ExperimentGOT10k, ExperimentNfS, ExperimentOTB

from tracking_env import cli
from tracking_env.clients.got10k import make
from tracking_env.datasets import otb, synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.errors import InputError
from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.scoring import score_folder

STEP = np.array([1.0, 0, 0, 0])
SEQUENCES = {"Deer": synthetic.generate(1, length=12), "Jogging": synthetic.generate(2, length=9)}


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """Makes the toolkit's experiment on a folder of sequences, without downloads and plots."""
    monkeypatch.setattr(OTB, "_download", lambda *_: None)
    monkeypatch.setattr(ExperimentOTB, "plot_curves", lambda *_: None)
    return lambda root: ExperimentOTB(
        str(root), version=2015, result_dir=str(tmp_path / "results"), report_dir=str(tmp_path / "reports")
    )


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.fixture
def otb_folder(tmp_path):
    """A folder of synthetic sequences in OTB's layout, under names that the toolkit knows."""
    for name, sequence in SEQUENCES.items():
        images = tmp_path / "OTB" / name / "img"
        images.mkdir(parents=True)
        for index in range(len(sequence)):
            frame = cv2.cvtColor(sequence.frames[index], cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(images / f"{index + 1:04}.jpg"), frame)
        np.savetxt(images.parent / "groundtruth_rect.txt", sequence.boxes, fmt="%.3f", delimiter=",")
    return tmp_path / "OTB"


def check_same_scores(theirs, ours):
    """Compare the AUC and P@20 of each sequence and of all sequences, to 1e-6."""
    assert theirs["seq_wise"].keys() == ours.sequences.keys()
    for name, parts in ours.sequences.items():
        scores = theirs["seq_wise"][name]
        expected = [parts["whole"].auc, parts["whole"].precision20]
        assert [scores["success_score"], scores["precision_score"]] == pytest.approx(expected, abs=1e-6)
    whole = ours.mean["whole"]
    overall = [theirs["overall"]["success_score"], theirs["overall"]["precision_score"]]
    assert overall == pytest.approx([whole.auc, whole.precision20], abs=1e-6)


def test_the_toolkit_runs_our_tracker_and_both_give_the_same_scores(otb_folder, experiment, tmp_path):
    toolkit = experiment(otb_folder)
    toolkit.run(make("mil"))
    folder = tmp_path / "results" / "OTB2015" / "mil"
    truths = {name: np.loadtxt(otb_folder / name / "groundtruth_rect.txt", delimiter=",") for name in SEQUENCES}
    ours = score_folder(folder, truths)
    assert 0.2 < ours.mean["whole"].auc < 20 / 21  # the tracker is neither lost nor perfect
    assert ours.fps.keys() == truths.keys()  # the files of seconds of the toolkit are read
    check_same_scores(toolkit.report(["mil"])["mil"], ours)


def test_boxes_and_frames_reach_the_tracker_unchanged(otb_folder, experiment, tmp_path, monkeypatch):
    inputs = []

    class OwnTracker:
        def init(self, frame, box):
            inputs.append((frame, box))
            self.box = box

        def update(self, frame):
            return self.box + STEP

    module = type(sys)("own_of_got10k")
    module.OwnTracker = OwnTracker
    monkeypatch.setitem(sys.modules, "own_of_got10k", module)
    experiment(otb_folder).run(make("own_of_got10k:OwnTracker"))
    frame, box = inputs[0]
    image = cv2.imread(str(otb_folder / "Deer" / "img" / "0001.jpg"))
    assert (
        frame.dtype == np.uint8 and np.abs(frame[..., ::-1].astype(int) - image).max() <= 3
    )  # Pillow and OpenCV decode JPEG differently
    assert box == pytest.approx(SEQUENCES["Deer"].boxes[0], abs=6e-4)
    written = read_boxes(tmp_path / "results" / "OTB2015" / "own_of_got10k.OwnTracker" / "Deer.txt")
    assert written[1] == pytest.approx(box + STEP, abs=6e-4)


def test_ties_and_a_wrong_first_row_give_the_same_scores(otb_folder, experiment, tmp_path):
    """An overlap of exactly k/20 fails at that threshold. The first row is replaced by the true box, and counted."""
    truth = np.tile([10.0, 10, 20, 10], (21, 1))
    for name in SEQUENCES:
        images = otb_folder / name / "img"
        for index in range(len(SEQUENCES[name]), 21):
            (images / f"{index + 1:04}.jpg").write_bytes((images / "0001.jpg").read_bytes())
        np.savetxt(images.parent / "groundtruth_rect.txt", truth, fmt="%d", delimiter=",")
        run = truth.copy()
        run[:, 2] = np.arange(21)  # overlaps 0, 1/20, 2/20, ...
        run[:, 2] += run[:, 2] == 0
        run[0] = [90, 90, 1, 1]
        run[5, :2] = [10 + 12 + 7.5, 10 + 16]  # a centre error of exactly 20 pixels
        write_result(tmp_path / "results" / "OTB2015" / "ties" / f"{name}.txt", run)
    ours = score_folder(tmp_path / "results" / "OTB2015" / "ties", dict.fromkeys(SEQUENCES, truth))
    assert ours.mean["whole"].precision20 == 1
    check_same_scores(experiment(otb_folder).report(["ties"])["ties"], ours)


@pytest.fixture
def got10k_folder(tmp_path, generator):
    """A validation set of two sequences with all of its labels; boxes reach beyond the edges of the images."""
    width, height = 64, 48
    for number, length in enumerate((9, 14), 1):
        folder = tmp_path / "GOT-10k" / "val" / f"GOT-10k_Val_{number:06}"
        folder.mkdir(parents=True)
        for frame in range(1, length + 1):
            cv2.imwrite(str(folder / f"{frame:08}.jpg"), np.zeros((height, width, 3), np.uint8))
        corners = generator.uniform(-8, 40, (length, 2)).cumsum(axis=0) % 50
        boxes = np.concatenate([corners - 8, generator.uniform(5, 40, (length, 2))], axis=1)
        cover = generator.integers(0, 9, length)
        cover[0] = 8
        np.savetxt(folder / "groundtruth.txt", boxes, fmt="%.4f", delimiter=",")
        np.savetxt(folder / "cover.label", cover, fmt="%d")
        for label in ("absence", "cut_by_image"):
            np.savetxt(folder / f"{label}.label", np.zeros(length), fmt="%d")
        (folder / "meta_info.ini").write_text(f"[METAINFO]\nurl: x\nresolution: ({width}, {height})\n")
    names = sorted(folder.name for folder in (tmp_path / "GOT-10k" / "val").iterdir())
    (tmp_path / "GOT-10k" / "val" / "list.txt").write_text("\n".join(names))
    return tmp_path / "GOT-10k"


def test_got10ks_own_scores_are_the_toolkits(got10k_folder, generator, monkeypatch, tmp_path, capsys):
    """Two runs each, with boxes that leave the image, over frames of every visibility."""
    monkeypatch.setattr(ExperimentGOT10k, "plot_curves", lambda *_: None)
    results = tmp_path / "results" / "GOT-10k" / "noisy"
    for folder in sorted((got10k_folder / "val").glob("GOT*")):
        truth = read_boxes(folder / "groundtruth.txt")
        (results / folder.name).mkdir(parents=True)
        for run in (1, 2):
            noisy = truth + generator.normal(0, 4, truth.shape)
            noisy[:, 2:] = np.abs(noisy[:, 2:]) + 1
            np.savetxt(results / folder.name / f"{folder.name}_{run:03}.txt", noisy, fmt="%.3f", delimiter=",")
        np.savetxt(results / folder.name / f"{folder.name}_time.txt", np.full((len(truth), 2), 0.01), delimiter=",")
    toolkit = ExperimentGOT10k(str(got10k_folder), "val", str(tmp_path / "results"), str(tmp_path / "reports"))
    theirs = toolkit.report(["noisy"])["noisy"]
    capsys.readouterr()
    assert cli.main(["score", str(results), "--root", str(got10k_folder), "--sequences", "val", "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours["protocol"].startswith("GOT-10k (")
    assert 0.2 < theirs["overall"]["ao"] < 0.8  # neither lost nor perfect
    scores = ours["mean"]["whole"]
    overall = [theirs["overall"]["ao"], theirs["overall"]["sr"], np.mean(theirs["overall"]["succ_curve"])]
    assert [scores["mean_iou"], scores["success50"], scores["auc"]] == pytest.approx(overall, abs=1e-6)
    for name, sequence in ours["sequences"].items():
        expected = [theirs["seq_wise"][name]["ao"], theirs["seq_wise"][name]["sr"]]
        assert [sequence["whole"]["mean_iou"], sequence["whole"]["success50"]] == pytest.approx(expected, abs=1e-6)


def test_nfs_scores_are_the_toolkits(generator, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ExperimentNfS, "plot_curves", lambda *_: None)
    monkeypatch.setattr(NfS, "_check_integrity", lambda *_: None)
    results = tmp_path / "results" / "NfS" / "30" / "noisy"
    for name, length in (("ball", 9), ("bee", 14)):
        folder = tmp_path / "nfs" / name / "30"
        (folder / name).mkdir(parents=True)
        for frame in range(1, length + 1):
            cv2.imwrite(str(folder / name / f"{frame:05}.jpg"), np.zeros((48, 64, 3), np.uint8))
        corners = generator.integers(1, 30, (length, 2))
        truth = np.concatenate([corners, generator.integers(5, 30, (length, 2))], axis=1)
        ends = truth[:, :2] + truth[:, 2:]
        rows = zip(truth[:, :2].tolist(), ends.tolist(), strict=True)
        lines = [f'0 {x} {y} {right} {bottom} 0 0 0 1 "ball"' for (x, y), (right, bottom) in rows]
        (folder / f"{name}.txt").write_text("\n".join(lines))
        write_result(results / f"{name}.txt", truth + np.abs(generator.normal(0, 6, truth.shape)))
    toolkit = ExperimentNfS(str(tmp_path / "nfs"), 30, str(tmp_path / "results"), str(tmp_path / "reports"))
    theirs = toolkit.report(["noisy"])["noisy"]
    capsys.readouterr()
    assert cli.main(["score", str(results), "--root", str(tmp_path / "nfs"), "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)["mean"]["whole"]
    overall = [theirs["overall"][name] for name in ("success_score", "precision_score", "success_rate")]
    assert [ours["auc"], ours["precision20"], ours["success50"]] == pytest.approx(overall, abs=1e-6)


def test_a_baseline_cannot_run_in_the_toolkit():
    with pytest.raises(InputError, match="static looks at no frame"):
        make("static")


@pytest.mark.otb
def test_the_toolkit_and_this_library_give_struck_the_same_scores_on_otb_13(otb_root, reference, experiment, tmp_path):
    names = [
        "Bird2",
        "BlurBody",
        "BlurCar2",
        "CarScale",
        "Couple",
        "Dancer2",
        "Diving",
        "Human7",
        "Jumping",
        "Singer2",
        "Skating1",
        "Suv",
        "Woman",
    ]
    folder = tmp_path / "results" / "OTB2015" / "struck"
    folder.mkdir(parents=True)
    (tmp_path / "OTB").mkdir()
    for name in names:
        (tmp_path / "OTB" / name).symlink_to(otb_root / name)
    sequences = otb.load(otb_root, ",".join(names))
    for sequence in sequences:
        boxes = otb.cut_to_official_range(sequence.name, read_boxes(reference / "struck_ope" / f"{sequence.name}.txt"))
        np.savetxt(folder / f"{sequence.name}.txt", boxes, fmt="%.6f", delimiter=",")
    ours = score_folder(folder, {sequence.name: sequence.boxes for sequence in sequences})
    assert ours.mean["whole"].auc == pytest.approx(0.518, abs=5e-4)
    theirs = experiment(tmp_path / "OTB").report(["struck"])["struck"]
    check_same_scores(theirs, ours)
