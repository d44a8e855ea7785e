"""VOT's experiment without restarts on rotated boxes: every value is worked out by hand."""

import json

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tracking_env import cli
from tracking_env.errors import InputError
from tracking_env.evaluation.protocols import PROTOCOLS, vot, vot_polygons
from tracking_env.evaluation.scoring import evaluate

FAR = np.array([50, 0, 0, 0])
DIAMOND = np.array([3.0, 1, 1, 3, 3, 5, 5, 3])
"""Rows of 1, 3, 5, 3 and 1 pixels around 3,3: 13 pixels. Its upright box is 1,1,4,4."""
BOX = np.array([1.0, 1, 5, 4])
"""Twenty pixels, of which 1 + 3 + 5 + 3 are the diamond's."""
SIZE = (96, 64)


def test_overlaps_count_the_pixels_of_polygons():
    assert vot_polygons.overlap(DIAMOND, BOX) == pytest.approx(12 / 21)
    assert vot_polygons.overlap(BOX, DIAMOND) == pytest.approx(12 / 21)
    assert vot_polygons.overlap(DIAMOND, DIAMOND) == 1
    assert vot_polygons.overlap(DIAMOND, DIAMOND[[6, 7, 0, 1, 2, 3, 4, 5]]) == 1  # from another corner on
    # Two pixels to the right, the rows have 0, 1, 3, 1 and 0 pixels in common.
    assert vot_polygons.overlap(DIAMOND, DIAMOND + [2, 0] * 4) == pytest.approx(5 / 21)
    assert vot_polygons.overlap(DIAMOND, BOX + FAR) == 0
    # Corners at halves count from 0 as -0.5 and 3.5, which are rounded to even numbers: the diamond moves nowhere.
    assert vot_polygons.overlap(DIAMOND - 0.25, BOX) == pytest.approx(12 / 21)


def test_a_slope_that_crosses_a_row_between_pixels_is_cut_to_whole_ones():
    # A triangle, its last corner twice: 0,0 4,0 4,3. Its rows begin at 0, 4/3, 8/3 and 4 and end at 4.
    triangle = np.array([0, 0, 4, 0, 4, 3, 4, 3]) + 1.0
    whole = np.array([1.0, 1, 5, 4])
    assert vot_polygons.overlap(triangle, whole) == pytest.approx((5 + 4 + 3 + 1) / 20)


def test_pixels_outside_the_image_do_not_count():
    # Without its first two columns the diamond has 1 + 2 + 3 + 2 + 1 pixels, of the box 12 are left, 8 in common.
    assert vot_polygons.overlap(DIAMOND - [2, 0] * 4, BOX - [2, 0, 0, 0], SIZE) == pytest.approx(8 / 13)
    assert vot_polygons.overlap(DIAMOND - [20, 0] * 4, BOX - [20, 0, 0, 0], SIZE) == 0


def test_upright_boxes_overlap_as_in_the_multi_start_protocol():
    generator = np.random.default_rng(0)
    boxes = np.concatenate([generator.uniform(-20, 90, (300, 2)), generator.uniform(0.6, 60, (300, 2))], axis=1)
    first, second = boxes[:150], boxes[150:]
    ours = [vot_polygons.overlap(a, b, SIZE) for a, b in zip(first, second, strict=True)]
    assert_allclose(ours, vot.pixel_overlaps(first - [1, 1, 0, 0], second - [1, 1, 0, 0], SIZE))


def test_neither_the_first_ten_frames_count_nor_those_without_a_region_or_a_box():
    truth = np.array([DIAMOND] * 11 + [DIAMOND, np.zeros(8), DIAMOND])
    run = np.array([BOX + FAR] * 10 + [BOX, BOX + FAR, BOX, [np.nan] * 4])
    frames = vot_polygons.measure(run, truth, SIZE)
    assert np.flatnonzero(frames.counted).tolist() == [10, 11]
    # One overlap of 12/21 and one of 0. The other sequence has 12/21 in its one frame that counts, of 11.
    data = {"long": truth, "short": np.array([DIAMOND] * 11)}
    report = evaluate({"long": run, "short": run[:11]}, data, protocol="vot-unsupervised")
    assert report.sequences["long"]["whole"].mean_iou == pytest.approx(6 / 21)
    # VOT weighs sequences by all their frames.
    assert report.mean["whole"].mean_iou == pytest.approx((14 * 6 / 21 + 11 * 12 / 21) / 25)
    short = evaluate({"short": run[:9]}, {"short": truth[:9]}, protocol="vot-unsupervised")
    assert short.failed == {"short": "none of its 9 frames counts by the rules of VOT without restarts"}
    with pytest.raises(InputError, match=r"got boxes \(11, 4\) for regions \(14, 8\)"):
        vot_polygons.measure(run[:11], truth)


def test_commands_score_rotated_boxes_where_the_protocol_takes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "VOT" / "bag" / "color").mkdir(parents=True)
    for frame in range(1, 13):
        cv2.imwrite(f"VOT/bag/color/{frame:08}.jpg", np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    (tmp_path / "VOT" / "bag" / "groundtruth.txt").write_text("2,0,0,2,2,4,4,2\n" * 12)
    run = ["evaluate", "--tracker", "static", "--root", "VOT", "--out", "results"]
    assert cli.main([*run, "--protocol", "vot"]) == 2
    assert "--protocol vot-unsupervised" in capsys.readouterr().err
    assert cli.main(run) == 0
    heading, head, row, *_ = capsys.readouterr().out.splitlines()
    assert heading == PROTOCOLS["vot-unsupervised"].heading
    assert head.split() == ["tracker", "AO"]
    # The tracker's box is the upright one around the diamond, of 16 pixels, 1 + 3 + 4 + 3 of them the diamond's.
    assert row.split() == ["static", f"{11 / 18:.3f}"]
    assert cli.main(["score", "results/static", "--root", "VOT", "--protocol", "vot-unsupervised", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["whole"]["mean_iou"] == pytest.approx(11 / 18)
