import numpy as np
import pytest

from tracking_env.datasets import synthetic
from tracking_env.datasets.augmentation.crop import augment_clip
from tracking_env.datasets.sequence import ArrayFrames, Sequence


def _dot(x: int, y: int, w: int, h: int, frames: int = 8) -> Sequence:
    """A white target of whole pixels on black, at rest."""
    pictures = np.zeros((frames, 60, 80, 3), np.uint8)
    pictures[:, y : y + h, x : x + w] = 255
    return Sequence("Dot", ArrayFrames(pictures), np.tile([x + 1.0, y + 1, w, h], (frames, 1)))


@pytest.mark.parametrize("copy", range(12))
def test_the_box_moves_with_the_pixels(copy: int) -> None:
    source = _dot(30, 20, 10, 12)
    seen = augment_clip(source, range(2, 7), copy)
    assert len(seen) == 5
    for index in range(5):
        ys, xs = np.nonzero(seen.frames[index][..., 0])
        box = [xs.min() + 1, ys.min() + 1, np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert seen.boxes[index].tolist() == box


def test_copies_differ_and_each_copy_is_reproducible() -> None:
    source = synthetic.generate(3)
    first, again, other = (augment_clip(source, range(20), copy) for copy in (0, 0, 1))
    assert first.name == again.name == "Synthetic-0003~0" and other.name == "Synthetic-0003~1"
    assert np.array_equal(first.boxes, again.boxes) and not np.array_equal(first.boxes, other.boxes)
    assert first.frames.fingerprint == again.frames.fingerprint != other.frames.fingerprint


def test_frames_have_the_announced_size() -> None:
    for copy in range(6):
        seen = augment_clip(synthetic.generate(1), range(20), copy)
        width, height = seen.size
        assert all(seen.frames[index].shape == (height, width, 3) for index in (0, 10, 19))


def test_mirrored_and_plain_copies_both_occur() -> None:
    mirrored = {augment_clip(_dot(30, 20, 10, 12), range(4), copy).frames.mirrored for copy in range(12)}  # type: ignore[attr-defined]
    assert mirrored == {True, False}


@pytest.mark.parametrize("copy", range(6))
def test_a_frame_without_a_box_has_no_box_in_the_copy(copy: int) -> None:
    source = _dot(30, 20, 10, 12)
    boxes = source.boxes.copy()
    boxes[[3, 5]] = 0
    seen = augment_clip(Sequence("Dot", source.frames, boxes), range(2, 7), copy)
    assert seen.annotated.tolist() == [True, False, True, False, True]
    assert not seen.boxes[~seen.annotated].any()
    whole = augment_clip(source, range(2, 7), copy)
    assert np.array_equal(seen.boxes[seen.annotated], whole.boxes[seen.annotated])
