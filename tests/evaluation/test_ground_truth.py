from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize(("root", "annotations"), [(None, None), (Path("OTB"), Path("boxes"))])
def test_two_sources_or_none_are_refused(root, annotations):
    with pytest.raises(InputError, match="give either --root OTB or --annotations DIR"):
        read_ground_truth(root, annotations, "Deer")
