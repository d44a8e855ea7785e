import unicodedata
from pathlib import Path

import numpy as np
import pytest

from tests.soak.sample_files import encode_frame
from tracking_env.datasets import otb, synthetic
from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import read_ground_truth
from tracking_env.evaluation.result_files import write_result


def test_synthetic_sequences_need_no_folder():
    sequences = synthetic.parse("synthetic:1-2")
    truths = read_ground_truth(None, None, "synthetic:1-2")
    assert [truth.name for truth in truths] == [sequence.name for sequence in sequences]
    for truth, sequence in zip(truths, sequences, strict=True):
        assert np.array_equal(truth.boxes, sequence.boxes)
        assert (truth.attributes, truth.seen) == (sequence.attributes, sequence.seen)
        assert truth.frames is not None


def test_ground_truth_from_annotations_has_no_frames(tmp_path):
    boxes = np.tile([10.0, 10, 20, 20], (otb.TABLE["Deer"].frames, 1))
    write_result(tmp_path / "Deer.txt", boxes)
    (truth,) = read_ground_truth(None, tmp_path, "Deer")
    assert (truth.name, truth.attributes, truth.frames) == ("Deer", otb.TABLE["Deer"].attributes, None)
    assert np.array_equal(truth.boxes, boxes)


def test_two_sources_or_none_are_refused():
    with pytest.raises(InputError, match="give either root='OTB' or annotations='DIR'"):
        read_ground_truth(Path("OTB"), Path("boxes"), "Deer")
    with pytest.raises(InputError, match="'Deer' needs a folder of real sequences"):
        read_ground_truth(None, None, "Deer")


def annotate(folder, names, length=None):
    """Write annotation files, of the official length for OTB's sequences."""
    for name, file in names.items():
        frames = length or otb.TABLE[name].annotated_frames
        write_result(folder / file, np.tile([10.0, 10, 20, 20], (frames, 1)))


def test_annotations_follow_the_rules_of_a_root(tmp_path, caplog):
    official = {"Suv": "suv.txt", "Jogging-1": "jogging.1.txt", "Jogging-2": "Jogging-2.txt", "Human4-2": "human4.txt"}
    annotate(tmp_path, official)
    annotate(tmp_path, {"mine": "mine.txt"}, 5)
    (tmp_path / "README.txt").write_text("Annotations of many sequences.\n")
    (tmp_path / "._suv.txt").write_bytes(b"\0")
    names = [truth.name for truth in read_ground_truth(None, tmp_path, None)]
    assert sorted(names) == sorted([*official, "mine"]) and names[-1] == "mine"
    assert [truth.name for truth in read_ground_truth(None, tmp_path, "available")] == names
    assert [truth.name for truth in read_ground_truth(None, tmp_path, "mine,Suv")] == ["mine", "Suv"]
    assert not caplog.messages
    assert [truth.name for truth in read_ground_truth(None, tmp_path, "drlt30")] == ["Suv"]
    assert caplog.messages[0].startswith("1 of the 30 sequences of drlt30 are in")
    with pytest.raises(InputError, match=r"cannot read boxes from .*Deer.txt"):
        read_ground_truth(None, tmp_path, "Deer")
    with pytest.raises(InputError, match=r"README.txt, line 1: got 'Annotations"):
        read_ground_truth(None, tmp_path, "README")


def test_an_exact_annotation_comes_before_another_spelling(tmp_path):
    annotate(tmp_path, {"Suv": "suv.txt"})
    annotate(tmp_path, {"Suv": "Suv.txt"})
    write_result(tmp_path / "suv.txt", np.full((otb.TABLE["Suv"].frames, 4), 7.0))
    (truth,) = read_ground_truth(None, tmp_path, "Suv")
    assert truth.boxes[0].tolist() == [10, 10, 20, 20]
    (tmp_path / "Suv.txt").rename(tmp_path / "SUV.txt")
    with pytest.raises(InputError, match=r"SUV.txt and suv.txt may both be Suv; rename the one that is not"):
        read_ground_truth(None, tmp_path, "Suv")


@pytest.mark.parametrize("source", ["root", "annotations", "drawn"])
def test_by_default_all_sequences_with_results_are_scored(source, tmp_path, caplog):
    root, annotations = tmp_path / "root", tmp_path / "annotations"
    names = [f"Synthetic-000{number}" for number in range(3)]
    annotate(annotations, dict(zip(names, (f"{name}.txt" for name in names), strict=True)), 3)
    for name in names:
        annotate(root / name, {name: "groundtruth_rect.txt"}, 3)
        (root / name / "img").mkdir()
        for number in range(1, 4):
            (root / name / "img" / f"{number:04d}.png").write_bytes(encode_frame(".png"))
    for tracker, done in (("a", names[:1]), ("b", names[1:2])):
        annotate(tmp_path / tracker, {name: f"{name}.txt" for name in done}, 3)
    places = {"root": (root, None), "annotations": (None, annotations), "drawn": (None, None)}[source]
    truths = read_ground_truth(*places, None, [tmp_path / "a", tmp_path / "b"])
    assert [truth.name for truth in truths] == names[:2]
    assert " sequences of " in caplog.text and "have results; missing: Synthetic-0002" in caplog.text
    with pytest.raises(
        InputError, match=r"empty has no result of the .* sequences of .*, such as Synthetic-0000; give"
    ):
        (tmp_path / "empty").mkdir()
        read_ground_truth(*places, None, [tmp_path / "empty"])
    with pytest.raises(InputError, match=r"no folder .*nowhere; give the folder that holds the results"):
        read_ground_truth(*places, None, [tmp_path / "nowhere"])


def test_folders_named_in_the_other_unicode_form_are_found(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    annotate(tmp_path / "root" / decomposed, {"x": "groundtruth_rect.txt"}, 1)
    (tmp_path / "root" / decomposed / "img").mkdir()
    (tmp_path / "root" / decomposed / "img" / "1.png").write_bytes(encode_frame(".png"))
    for spec in (None, composed, decomposed):
        assert [truth.name for truth in read_ground_truth(tmp_path / "root", None, spec)] == [composed]
    annotate(tmp_path, {"x": f"{decomposed}.txt"}, 1)
    assert [truth.name for truth in read_ground_truth(None, tmp_path, composed)] == [composed]


def test_a_damaged_annotation_that_is_asked_for_says_what_is_wrong(tmp_path):
    (tmp_path / "clip.txt").write_text("1,2,3,4\n1_0,2,3,4\n")
    with pytest.raises(InputError, match=r"clip.txt, line 2: got '1_0,2,3,4'"):
        read_ground_truth(None, tmp_path, "clip")
