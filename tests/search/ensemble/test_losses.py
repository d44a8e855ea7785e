import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.search.ensemble.losses import first_frames, lose, make_losses

VIDEO = synthetic.generate(3, 90, (320, 240))


def test_each_expert_starts_beside_the_target_in_turn_and_then_all():
    losses = make_losses(VIDEO, range(90), 6, 2)
    assert len(losses) == 6
    for number, loss in enumerate(losses):
        truth, lost = VIDEO.boxes[loss.start], ([0], [1], [0, 1])[number % 3]
        assert loss.start <= 30
        for expert, box in enumerate(loss.around):
            if expert not in lost:
                assert box.tolist() == truth.tolist()
                continue
            assert bx.iou(box, truth) < 0.1
            away = bx.centre(box)[:2] - bx.centre(truth)[:2]
            assert 0.99 <= np.linalg.norm(away) / np.sqrt(truth[2:].prod()) <= 4.01
    assert len({loss.start for loss in losses}) > 1


def test_made_losses_are_always_the_same():
    for once, again in zip(make_losses(VIDEO, range(90), 3, 2), make_losses(VIDEO, range(90), 3, 2), strict=True):
        assert once.start == again.start and (once.around == again.around).all()


def test_they_start_in_their_part_where_the_true_box_is_known():
    boxes = VIDEO.boxes.copy()
    boxes[:12] = np.nan
    sequence = Sequence("a", VIDEO.frames, boxes)
    assert first_frames(sequence, range(5, 80), 60).tolist() == list(range(12, 21))
    assert first_frames(sequence, range(5, 30), 60).tolist() == [12]  # the part is shorter than that


def test_a_target_that_fills_the_image_cannot_be_lost():
    full = np.array([0.0, 0, 320, 240])
    assert lose(full, (320, 240), 0, 2, np.random.default_rng(0)) is None
    frames = ArrayFrames(np.zeros((3, 240, 320, 3), np.uint8))
    assert make_losses(Sequence("a", frames, np.repeat(full[None], 3, axis=0)), range(3), 4, 2) == []
