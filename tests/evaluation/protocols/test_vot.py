"""VOT's multi-start protocol: every value is worked out by hand, and files go through the commands."""

import json

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.paths import ROOT
from tests.soak.vot_toolkit import PINS
from tracking_env import cli
from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.evaluation.protocols import PROTOCOLS, vot, vot_files
from tracking_env.evaluation.protocols.anchor_report import score_anchors
from tracking_env.evaluation.scoring import evaluate

BOX = [11.0, 6, 30, 20]
FAR = [61.0, 41, 10, 8]
SIZE = (96, 64)
ONE = (np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 10, 10]]))


def frames(*boxes):
    """The measures of a run on a target that stands still."""
    return vot.measure(np.array(boxes), np.array([BOX] * len(boxes)), SIZE)


KEPT = frames(*[BOX] * 14)
"""14 frames: no overlap in the first, as VOT counts, and 1 in the other 13."""
LOST = frames(*[BOX] * 4, *[FAR] * 10)
"""The same, but lost from the fifth frame on: the ten frames that a failure takes."""


def test_overlaps_count_pixels_in_the_image():
    assert_allclose(vot.pixel_overlaps(*ONE), [50 / 150])
    assert_allclose(vot.pixel_overlaps(*ONE, (12, 20)), [50 / 120])  # three columns of the second lie outside
    beyond = np.array([[-5.0, 0, 10, 10]])
    assert vot.pixel_overlaps(beyond, np.array([[0.0, 0, 5, 10]]), (20, 20)) == 1
    rounded = np.array([[0.5, -0.4, 10.5, 9.6]])  # halves to even numbers: 0, 0, 10, 10
    assert vot.pixel_overlaps(rounded, ONE[0]) == 1
    assert vot.pixel_overlaps(np.full((1, 4), np.nan), ONE[0]) == 0
    outside = np.array([[30.0, 0, 5, 5]])
    assert vot.pixel_overlaps(outside, outside, (20, 20)) == 0
    column = np.array([[3.0, 0, 1, 9]])
    # The toolkit takes two boxes in one column for equal, wherever they are.
    assert vot.pixel_overlaps(column, np.array([[3.0, 50, 1, 9]]), (20, 90)) == 1


def test_a_failure_is_ten_frames_in_a_row():
    assert KEPT.overlaps.tolist() == [0] + [1] * 13
    assert (vot.count_progress(KEPT), vot.count_progress(LOST)) == (14, 4)
    nine = frames(*[BOX] * 4, *[FAR] * 9, BOX, *[FAR] * 9)
    assert vot.count_progress(nine) == 23
    absent = vot.measure(np.array([BOX] * 2 + [FAR] * 11), np.array([BOX] * 11 + [[0] * 4] + [BOX]), SIZE)
    assert vot.count_progress(absent) == 13  # a frame without a true box ends the row after nine
    assert absent.overlaps[11] == -1


def test_accuracy_and_robustness_end_at_the_failure():
    assert (vot.accuracy(KEPT), vot.robustness(KEPT)) == pytest.approx((13 / 14, 1))
    assert (vot.accuracy(LOST), vot.robustness(LOST)) == pytest.approx((3 / 4, 4 / 14))
    at_once = frames(BOX, *[FAR] * 9)
    assert (vot.accuracy(at_once), vot.robustness(at_once)) == (0, 0)


def test_the_scores_of_a_sequence_weigh_its_runs_by_their_frames():
    score = vot.score_runs([KEPT, LOST])
    assert (score.accuracy, score.robustness) == pytest.approx((16 / 18, 18 / 28))


def test_the_eao_curve_follows_lost_runs_beyond_their_end():
    curve, weights = vot.eao_curve([KEPT, LOST], 20)
    assert weights.tolist() == [0] + [2] * 13 + [1] * 6
    assert curve[[2, 5]] == pytest.approx([1, (1 + 3 / 5) / 2])
    assert curve[13] == pytest.approx((1 + 3 / 13) / 2)
    assert curve[14:] == pytest.approx([3 / (length - 1) for length in range(14, 20)])
    assert vot.eao(curve, 14) == pytest.approx(np.mean([3 / (length - 1) for length in range(14, 20)]))
    assert vot.eao_curve([frames(BOX)], 4)[1].tolist() == [0] * 4


def test_the_scores_of_all_sequences_have_vots_weights():
    long = frames(*[BOX] * 20)
    score = vot.score_sequences({"a": [KEPT, LOST], "b": [long]}, {"a": 14, "b": 20})
    assert score.accuracy == pytest.approx((16 + 19) / (18 + 20))
    assert score.robustness == pytest.approx((18 / 28 * 14 + 20) / 34)
    # Of 115 frames and more there is the lost run alone.
    assert score.eao == pytest.approx(np.mean([3 / (length - 1) for length in range(115, 755)]))
    assert vot.score_sequences({}, {}) is None


def test_runs_are_written_in_the_toolkits_format(tmp_path):
    path = vot_files.run_path(tmp_path, "ball", 50)
    assert path == tmp_path / "baseline" / "ball" / "ball_00000050.txt"
    boxes = np.array([BOX, [2.5, 3, 4, 5]])
    vot_files.write_run(path, boxes)
    assert path.read_text() == "1\n1.5000,2.0000,4.0000,5.0000\n"
    assert_array_equal(vot_files.read_run(path), [[np.nan] * 4, boxes[1]])
    path.write_text("1\n0,0,1,0,1,1,0,1\n")
    with pytest.raises(InputError, match=r"line 2: .*the VOT toolkit itself scores polygons"):
        vot_files.read_run(path)
    path.rename(path.with_suffix(".bin"))
    with pytest.raises(InputError, match="is binary; type VOT_RESULTS_BINARY=false vot evaluate"):
        vot_files.read_run(path)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A small VOT folder: a target that moves right, with anchors in its first, a middle and its last frame."""
    monkeypatch.chdir(tmp_path)
    for name, length in (("ball", 14), ("bag", 20)):
        folder = tmp_path / "VOT" / name
        (folder / "color").mkdir(parents=True)
        for frame in range(1, length + 1):
            cv2.imwrite(str(folder / "color" / f"{frame:08}.jpg"), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
        rows = [f"{10 + 2 * at},5,30,20\n" for at in range(length)]
        (folder / "groundtruth.txt").write_text("".join(rows))
        anchors = ["0"] * length
        anchors[0], anchors[6], anchors[-1] = "1", "1", "-1"
        (folder / "anchor.value").write_text("\n".join(anchors))
    (tmp_path / "VOT" / "list.txt").write_text("ball\nbag\n")
    return tmp_path


def test_anchors_are_read_with_the_sequences(workspace):
    ball = loading.load("VOT")[0]
    assert ball.anchors == (range(0, 14), range(6, 14), range(13, -1, -1))
    (workspace / "VOT" / "ball" / "anchor.value").write_text("1\n0\n")
    with pytest.raises(InputError, match=r"anchor.value has 2 numbers for 14 frames"):
        loading.load("VOT")


def test_a_page_of_runs_from_anchors_is_refused_with_the_way_to_one(workspace, capsys):
    pytest.importorskip("jinja2")
    assert cli.main(["evaluate", "--tracker", "static", "--root", "VOT", "--out", "results"]) == 0
    assert cli.main(["report", "results/static-vot", "--root", "VOT", "--out", "page"]) == 2
    error = capsys.readouterr().err
    assert "report with --protocol vot-unsupervised" in error and error.count("\n") == 1


def test_evaluate_runs_from_each_anchor_and_score_gives_the_same(workspace, capsys):
    assert cli.main(["evaluate", "--tracker", "static", "--root", "VOT", "--out", "results"]) == 0
    heading, head, row, *_ = capsys.readouterr().out.splitlines()
    assert heading == PROTOCOLS["vot"].heading
    assert head.split()[:4] == ["tracker", "EAO", "A", "R"]
    back = vot_files.read_run(vot_files.run_path(workspace / "results" / "static-vot", "ball", 13))
    assert_array_equal(back[1:], [[37, 6, 30, 20]] * 13)  # the box of the last frame, in the order of the run
    assert cli.main(["score", "results/static-vot", "--root", "VOT", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    # In each run the box stays: after k frames its overlap is that of boxes 2 k pixels apart.
    overlaps = [0] + [(30 - 2 * k) / (30 + 2 * k) for k in range(1, 15)]
    runs = [14, 8, 14]
    ball = sum(sum(overlaps[:count]) for count in runs) / sum(runs)
    assert data["sequences"]["ball"]["whole"]["accuracy"] == pytest.approx(ball)
    assert data["sequences"]["ball"]["whole"]["robustness"] == 1
    assert data["mean"]["whole"].keys() >= {"eao", "accuracy", "robustness"}
    assert [f"{data['mean']['whole'][name]:.3f}" for name in ("eao", "accuracy", "robustness")] == row.split()[1:4]
    (workspace / "results" / "static-vot" / "baseline" / "bag" / "bag_00000006.txt").write_text("1\n1,1,2,2\n")
    assert cli.main(["score", "results/static-vot", "--root", "VOT"]) == 1
    assert "not scored: bag: " in capsys.readouterr().err


def test_without_anchors_vots_experiment_without_restarts_is_the_default(workspace, capsys):
    for path in workspace.rglob("anchor.value"):
        path.unlink()
    where = ["--tracker", "static", "--root", "VOT", "--out", "results"]
    assert cli.main(["evaluate", *where, "--protocol", "vot"]) == 2
    assert "ball has no anchor.value" in capsys.readouterr().err
    assert not (workspace / "results").exists()
    assert cli.main(["evaluate", *where]) == 0
    assert capsys.readouterr().out.startswith("VOT without restarts")
    assert cli.main(["evaluate", *where, "--protocol", "otb"]) == 0
    assert capsys.readouterr().out.startswith("OTB one-pass evaluation")


def test_the_page_names_the_pins_that_the_toolkit_is_tested_with():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert "pip install " + " ".join(f'"{pin}"' for pin in PINS) in page


def test_one_pass_results_are_not_scored_by_vots_protocol(tmp_path):
    with pytest.raises(InputError, match="VOT multi-start scores runs from anchors, these are other runs"):
        evaluate({"a": KEPT.boxes}, {"a": KEPT.boxes}, protocol="vot")
    with pytest.raises(InputError, match="no folder"):
        score_anchors(tmp_path / "nowhere", {}, {}, {})
