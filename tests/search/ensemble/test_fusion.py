import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra.numpy import arrays

from tracking_env.search.ensemble import fusion

NEAR = np.array([[10.0, 10, 20, 20], [14, 10, 20, 20]])  # IoU 16 * 20 / (2 * 400 - 320) = 2/3
APART = np.array([[10.0, 10, 20, 20], [26, 10, 20, 20]])  # IoU 4 * 20 / (800 - 80) = 1/9
BOTH = np.array([True, True])


def fuse(boxes, trust=(0, 0), confidence=(0.5, 0.6), running=BOTH):
    return fusion.fuse(boxes, np.array(trust, float), np.array(confidence), np.array(running))


def test_equal_trust_is_the_mean_of_boxes_that_overlap():
    assert fuse(NEAR).tolist() == [12, 10, 20, 20]
    assert fuse(NEAR, trust=(0.7, 0.7)).tolist() == [12, 10, 20, 20]


def test_equal_trust_is_the_more_confident_box_where_they_are_apart():
    assert fuse(APART).tolist() == APART[1].tolist()
    assert fuse(APART, confidence=(0.8, 0.6)).tolist() == APART[0].tolist()


def test_more_trust_weighs_more_and_leads_where_they_are_apart():
    weight = 1 / (1 + np.exp(-8 * 0.1))
    assert fuse(NEAR, trust=(0.1, 0)) == pytest.approx(weight * NEAR[0] + (1 - weight) * NEAR[1])
    assert fuse(APART, trust=(0.01, 0), confidence=(0, 1)).tolist() == APART[0].tolist()


def test_an_expert_that_did_not_run_does_not_count():
    assert fuse(NEAR, trust=(1, 0), running=[False, True]).tolist() == NEAR[1].tolist()


def test_a_third_box_counts_where_it_overlaps_the_leader():
    boxes = np.array([*NEAR, [200, 200, 20, 20]])
    fused = fusion.fuse(boxes, np.zeros(3), np.array([0.9, 0.2, 0.5]), np.ones(3, bool))
    assert fused.tolist() == [12, 10, 20, 20]


def test_a_batch_is_fused_as_its_targets_are():
    boxes, trust = np.stack([NEAR, APART]), np.array([[0.3, 0], [0, 0.2]])
    confidence, running = np.array([[0.5, 0.6], [0.9, 0.1]]), np.array([[True, True], [True, False]])
    single = [fusion.fuse(*row) for row in zip(boxes, trust, confidence, running, strict=True)]
    assert fusion.fuse(boxes, trust, confidence, running) == pytest.approx(np.stack(single))


def test_a_correction_undoes_a_constant_error():
    truth = np.array([30.0, 40, 50, 20])
    error = np.array([0.1, -0.05, 0.2, -0.1])
    boxes = np.stack([fusion.correct_boxes(truth, error), fusion.correct_boxes(truth, error), truth])
    correction = fusion.measure_correction(boxes, truth, share=1.0)  # the median leaves out the odd one
    assert fusion.correct_boxes(boxes[0], correction) == pytest.approx(truth)
    assert fusion.measure_correction(boxes, truth, share=0.75) == pytest.approx(0.75 * correction)


def test_the_residual_moves_centre_and_size():
    box = np.array([10.0, 20, 40, 80])
    assert fusion.move_box(box, np.zeros(4)).tolist() == box.tolist()
    assert fusion.move_box(box, np.array([1.0, 0, 0, 0])).tolist() == [18, 20, 40, 80]  # 0.2 of 40
    grown = fusion.move_box(box, np.array([0, 0, 0, 1.0]))
    assert grown == pytest.approx([10, 60 - 40 * np.exp(0.2), 40, 80 * np.exp(0.2)])


BOXES = arrays(float, (3, 4), elements=strategies.floats(1, 200))
NUMBERS = arrays(float, 3, elements=strategies.floats(-1, 1))


@given(BOXES, NUMBERS, NUMBERS)
def test_the_fused_box_lies_between_the_experts(boxes, trust, confidence):
    fused = fusion.fuse(boxes, trust, confidence, np.ones(3, bool))
    assert (fused >= boxes.min(axis=0) - 1e-9).all() and (fused <= boxes.max(axis=0) + 1e-9).all()


@given(BOXES, NUMBERS, NUMBERS, strategies.permutations(range(3)))
def test_the_order_of_the_experts_does_not_matter(boxes, trust, confidence, order):
    confidence = confidence + np.arange(3) * 1e-6  # no ties
    running = np.ones(3, bool)
    order = list(order)
    assert fusion.fuse(boxes, trust, confidence, running) == pytest.approx(
        fusion.fuse(boxes[order], trust[order], confidence[order], running)
    )
