"""A sequence without a box in its first frame: nothing is tracked or scored on it, in any layout."""

import numpy as np
import pytest

from tests.test_sidecars import BOXES as TEXT
from tests.test_sidecars import LAYOUTS
from tracking_env.datasets import loading
from tracking_env.datasets.sequence import NO_FIRST_BOX, ArrayFrames, Sequence
from tracking_env.errors import InputError
from tracking_env.evaluation.runner import run_and_score
from tracking_env.evaluation.scoring import evaluate
from tracking_env.registry import TrackerSpec, make_tracker
from tracking_env.trackers.base import run

BOXES = np.array([[0.0, 0, 0, 0], *([4 + at, 5, 20, 16] for at in range(24))])


def make_sequence(name, boxes):
    frames = np.random.default_rng(0).integers(0, 255, (len(boxes), 48, 64, 3), np.uint8)
    return Sequence(name, ArrayFrames(frames), boxes)


@pytest.mark.parametrize("tracker", ["static", "mean", "velocity", "replay", "late", "copy", "mil"])
def test_no_tracker_runs_and_the_other_sequences_do(tmp_path, tracker):
    sequences = [make_sequence("absent", BOXES), make_sequence("there", BOXES[1:4])]
    report = run_and_score(TrackerSpec(tracker), sequences, tmp_path / tracker)
    assert report.failed == {"absent": NO_FIRST_BOX}
    assert list(report.scores) == ["there"]
    assert not (tmp_path / tracker / "absent.txt").exists()


def test_sre_has_no_start_and_tre_starts_at_the_first_box(tmp_path):
    absent = make_sequence("absent", BOXES)
    spatial = run_and_score(TrackerSpec("static"), [absent], tmp_path / "static-sre", "sre")
    assert spatial.failed == {"absent": f"left: {NO_FIRST_BOX}"} and not spatial.scores
    temporal = run_and_score(TrackerSpec("static"), [absent], tmp_path / "static-tre", "tre")
    assert not temporal.failed and temporal.sequences["absent"]["whole"].frames == 24 + 23 + 22 + 21 + 20


def test_results_of_others_are_not_scored_there():
    report = evaluate({"absent": BOXES}, {"absent": BOXES})
    assert report.failed == {"absent": NO_FIRST_BOX} and not report.scores


def test_a_tracker_that_is_run_alone_says_the_same():
    with pytest.raises(InputError, match=f"absent: {NO_FIRST_BOX}"):
        run(make_tracker("mil"), make_sequence("absent", BOXES))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_such_sequence_does_not_keep_the_others_of_a_folder_from_loading(layout, tmp_path, own_cache):
    LAYOUTS[layout](tmp_path)
    (truth,) = [path for path in tmp_path.rglob("*.txt") if path.read_text() == TEXT]
    truth.write_text("0,0,0,0\n2,1,8,6\n3,1,8,6\n")
    (sequence,) = loading.load(tmp_path)
    assert sequence.annotated.tolist() == [False, True, True]
    with pytest.raises(InputError, match=NO_FIRST_BOX):
        _ = sequence.first_box
