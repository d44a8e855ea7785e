"""Rescues and failures are found where they happened."""

import numpy as np
import pytest

from benchmarks import rescues
from benchmarks.rescues import Moment, find_failure, find_rescue


def moments(ious, put_back=()):
    """One moment for each IoU; the experts are put back in these frames."""
    box = np.ones(4)
    return [Moment(box, iou, box, index in put_back, "") for index, iou in enumerate(ious)]


def test_a_rescue_is_a_lost_target_that_is_followed_after_the_experts_were_put_back():
    video = [0.8] * 20 + [0.0] * 10 + [0.7] * 15
    assert find_rescue(moments(video, put_back=[10, 24, 29])) == 29
    assert find_rescue(moments(video)) is None, "found again without help"
    assert find_rescue(moments([0.8] * 20 + [0.0] * 20, put_back=[25])) is None, "put back on something else"
    assert find_rescue(moments([0.8] * 30, put_back=[10])) is None, "never lost"


def test_a_failure_is_the_first_frame_of_a_long_loss():
    assert find_failure(moments([0.8] * 20 + [0.0] * 25)) == 20
    assert find_failure(moments([0.8] * 20 + [0.0] * 5 + [0.8] * 20)) is None, "a short loss"
    assert find_failure(moments([0.0] * 40)) is None, "never followed"


@pytest.mark.otb
def test_the_strips_are_pictures_of_the_frames_around(tmp_path, expert_files, capsys):
    cv2 = pytest.importorskip("cv2")
    flags = ["--sequences", "synthetic:2023", "--hard", "dropped", "--weights", str(expert_files)]
    rescues.main([*flags, "--out", str(tmp_path)])
    assert "rescue-1.png: Synthetic-2023~dropped0" in capsys.readouterr().out
    picture = cv2.imread(str(tmp_path / "rescue-1.png"))
    assert picture.shape == (240, 320 * len(rescues.OFFSETS), 3)
