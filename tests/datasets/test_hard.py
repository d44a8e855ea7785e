import numpy as np
import pytest

from tracking_env.datasets import synthetic
from tracking_env.datasets.augmentation.hard import DIFFICULTIES, GAP_LENGTH, OCCLUDER_SIZE, PastedFrames, harden
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.errors import InputError

LENGTH = 80


def dot(x: int = 60, y: int = 50, w: int = 20, h: int = 16) -> Sequence:
    """A white target of whole pixels on black, at rest."""
    pictures = np.zeros((LENGTH, 120, 160, 3), np.uint8)
    pictures[:, y : y + h, x : x + w] = 255
    return Sequence("Dot", ArrayFrames(pictures), np.tile([x + 1.0, y + 1, w, h], (LENGTH, 1)))


def visible_share(clip: Sequence, index: int) -> float:
    """Share of the true box that is white."""
    x, y, w, h = clip.boxes[index].astype(int)
    return float(clip.frames[index][y - 1 : y - 1 + h, x - 1 : x - 1 + w, 0].mean() / 255)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_the_same_copy_is_the_same_clip_and_another_one_differs(difficulty):
    source = synthetic.generate(3)
    first, again, other = (harden(source, range(60), difficulty, copy) for copy in (0, 0, 1))
    assert first.name == f"Synthetic-0003~{difficulty}0" and other.name == f"Synthetic-0003~{difficulty}1"
    assert first.frames.fingerprint == again.frames.fingerprint != other.frames.fingerprint
    assert all(np.array_equal(first.frames[index], again.frames[index]) for index in range(len(first)))
    assert first.frames[0].shape[1::-1] == first.size and first.seen == len(first) == len(first.frames)


def test_an_occluder_hides_the_target_for_some_frames_and_leaves_the_boxes():
    source = dot()
    clip = harden(source, range(LENGTH), "occluder")
    shares = [visible_share(clip, index) for index in range(LENGTH)]
    assert shares[0] == 1 and min(shares) == 0
    assert 1 <= sum(share < 0.5 for share in shares) <= 40
    assert np.array_equal(clip.boxes, source.boxes)


def test_a_lookalike_of_the_same_size_passes_by():
    source = dot()
    clip = harden(source, range(LENGTH), "lookalike")
    areas = [int((clip.frames[index][..., 0] > 127).sum()) for index in range(LENGTH)]
    # At its nearest it may overlap the target; the ellipse has pi / 4 of the box's area.
    assert areas[0] == areas[-1] == 20 * 16 and max(areas) == pytest.approx(20 * 16 * (1 + np.pi / 4), rel=0.1)
    assert np.array_equal(clip.boxes, source.boxes)


def test_dropped_frames_are_missing_in_gaps_and_the_first_one_stays():
    source = synthetic.generate(2, 60, (64, 48))
    clip = harden(source, range(60), "dropped")
    indices = [int(np.flatnonzero((source.boxes == box).all(axis=1))[0]) for box in clip.boxes]
    assert indices[0] == 0 and indices == sorted(indices) and len(indices) < 60
    gaps = np.diff(indices) - 1
    assert 1 <= np.count_nonzero(gaps) <= 4
    assert gaps.max() >= GAP_LENGTH[0]
    assert all(np.array_equal(clip.frames[k], source.frames[index]) for k, index in enumerate(indices))


def test_a_jump_moves_the_box_with_the_pixels_at_once():
    clip = harden(dot(), range(LENGTH), "jump")
    assert clip.size == (112, 84)
    for index in range(LENGTH):
        ys, xs = np.nonzero(clip.frames[index][..., 0])
        assert clip.boxes[index].tolist() == [xs.min() + 1, ys.min() + 1, np.ptp(xs) + 1, np.ptp(ys) + 1]
    moves = np.abs(np.diff(clip.boxes[:, :2], axis=0)).sum(axis=1)
    assert 1 <= np.count_nonzero(moves) <= 3 and moves.max() > 5


def test_a_patch_that_leaves_the_image_is_cut_at_its_border():
    frames = ArrayFrames(np.zeros((3, 10, 12, 3), np.uint8))
    frames.array[0, 2:6, 3:8] = 200
    places = np.array([[0, 0, 0, 0], [-2, 7, 5, 4], [50, 50, 5, 4]])
    pasted = PastedFrames(frames, range(3), np.array([3, 2, 5, 4]), places, elliptic=False)
    expected = np.zeros((10, 12))
    expected[7:10, 0:3] = 200
    assert np.array_equal(pasted[1][..., 0], expected)
    assert not pasted[2].any() and np.array_equal(pasted[0], frames[0])


def test_frames_without_a_true_box_stay_as_they_are():
    source = dot()
    boxes = source.boxes.copy()
    boxes[20:70] = 0
    clip = harden(Sequence("Dot", source.frames, boxes), range(LENGTH), "occluder")
    assert not clip.annotated[20:70].any()
    assert all(np.array_equal(clip.frames[index], source.frames[index]) for index in range(20, 70))


def test_what_cannot_be_hardened_is_refused():
    with pytest.raises(InputError, match=r"unknown difficulty 'occlude' \(did you mean 'occluder'\?\)"):
        harden(dot(), range(10), "occlude")  # type: ignore[arg-type]
    boxes = dot().boxes.copy()
    boxes[5] = 0
    with pytest.raises(InputError, match="Dot: a hard clip must begin with a true box"):
        harden(Sequence("Dot", dot().frames, boxes), range(5, 20), "jump")
    assert OCCLUDER_SIZE > 1  # else it would not hide the whole target
