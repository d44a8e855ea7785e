import pytest
import torch

from agents import supervised


def test_the_l1_loss_is_minus_equation_2_summed_over_frames() -> None:
    mean = torch.tensor([[[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]])
    truth = torch.tensor([[[0.6, 0.5, 0.2, 0.4], [0.5, 0.5, 0.2, 0.2]]])
    # |difference| = .1, 0, 0, .2: mean .075, max .2; the second frame is exact
    assert float(supervised.loss(mean, truth, "l1")[0]) == pytest.approx(0.275)


def test_padding_does_not_count_and_gets_no_gradient() -> None:
    mean = torch.full((1, 2, 4), 0.5, requires_grad=True)
    truth = torch.full((1, 2, 4), 0.4)
    supervised.loss(mean, truth, "l1", torch.tensor([[1.0, 0.0]])).mean().backward()
    assert mean.grad is not None
    assert (mean.grad[0, 0] > 0).all() and (mean.grad[0, 1] == 0).all()


@pytest.mark.parametrize("reward", ["l1", "iou"])
def test_descent_brings_the_mean_to_the_truth(reward: str) -> None:
    truth = torch.tensor([[[0.4, 0.6, 0.3, 0.2]]])
    mean = torch.tensor([[[0.45, 0.55, 0.25, 0.25]]], requires_grad=True)
    optimizer = torch.optim.Adam([mean], lr=1e-3)
    for _ in range(400):
        optimizer.zero_grad()
        supervised.loss(mean, truth, reward).mean().backward()
        optimizer.step()
    assert torch.allclose(mean, truth, atol=0.01)
