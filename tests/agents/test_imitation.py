import torch

from agents import imitation
from agents.region_agent import Decision, RegionAgent

CELLS = RegionAgent(3).cells


def decision(box, scores):
    boxes = box[:, :, None].expand(-1, -1, 256).clone().requires_grad_()
    return Decision((boxes * scores.softmax(dim=1)[:, None]).sum(dim=2), scores, boxes)


def test_generalised_iou_equals_values_by_hand():
    box = torch.tensor([0.5, 0.5, 0.2, 0.2])
    torch.testing.assert_close(imitation.generalised_iou(box, box).item(), 1.0)
    # Two unit squares with a gap of 1 between them: overlap 0, hull 3, union 2.
    apart = imitation.generalised_iou(torch.tensor([0.5, 0.5, 1, 1]), torch.tensor([2.5, 0.5, 1, 1]))
    torch.testing.assert_close(apart.item(), -1 / 3)
    # They overlap by half: intersection 0.5, union 1.5, hull 1.5.
    half = imitation.generalised_iou(torch.tensor([0.5, 0.5, 1, 1]), torch.tensor([1.0, 0.5, 1, 1]))
    torch.testing.assert_close(half.item(), 1 / 3)


def test_the_loss_is_least_where_scores_and_boxes_are_right():
    truth = torch.tensor([[0.4, 0.6, 0.2, 0.3]])
    away = ((CELLS - truth[:, :2, None, None]) / truth[:, 2:, None, None]).flatten(2)
    right = -0.5 * (away**2).sum(dim=1) / imitation.SPREAD**2
    best = imitation.loss(decision(truth, right), truth, CELLS).item()
    assert best < imitation.loss(decision(truth, right.flip(1)), truth, CELLS).item()
    assert best < imitation.loss(decision(truth + torch.tensor([0, 0, 0.1, 0]), right), truth, CELLS).item()
    assert best < imitation.loss(decision(truth + torch.tensor([0.05, 0, 0, 0]), right), truth, CELLS).item()


def test_the_gradient_draws_boxes_to_the_truth():
    truth = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    output = decision(truth + torch.tensor([0.05, 0, 0.1, 0]), torch.zeros(1, 256))
    imitation.loss(output, truth, CELLS).sum().backward()
    assert output.boxes.grad[0, 0].sum() > 0 and output.boxes.grad[0, 2].sum() > 0
