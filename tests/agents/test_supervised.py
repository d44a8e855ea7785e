import pytest
import torch

from agents import reinforce, returns, supervised
from tracking_env.envs.rewards import REWARDS


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


def test_samples_follow_their_mean_and_keep_their_noise() -> None:
    mean = torch.tensor([[[0.5, 0.5, 0.2, 0.2]]], requires_grad=True)
    actions = torch.tensor([0.1, -0.1]).reshape(2, 1, 1, 1) + mean.detach()
    moved = supervised.pathwise(mean, actions)
    assert torch.equal(moved, actions)
    # One truth on the far side of the first sample only, in x: its L1 reward pulls the mean by 1/4 (mean) + 1 (max).
    truth = actions[0] + torch.tensor([0.2, 0, 0, 0])
    supervised.loss(moved[:1], truth, "l1").mean().backward()
    assert mean.grad is not None
    assert mean.grad.flatten().tolist() == pytest.approx([-1.25, 0, 0, 0])


def test_the_pathwise_gradient_is_reinforces_in_the_mean() -> None:
    # l ~ Normal(mu, 0.05), L1 reward: both estimate the same gradient, the pathwise one with less variance.
    count, sigma = 20_000, 0.05
    truth = torch.tensor([0.45, 0.5, 0.3, 0.2]).expand(count, 1, 4)
    mean = torch.tensor([0.5, 0.5, 0.25, 0.22]).repeat(count, 1, 1).requires_grad_()
    actions = reinforce.sample(mean, torch.randn(5, *mean.shape, generator=torch.Generator().manual_seed(0)), sigma)
    gained = REWARDS["l1"](actions, truth)
    advantages = gained - returns.baseline(gained, "leave_one_out")
    reinforce.loss(mean, actions, advantages, sigma).mean().backward()
    assert mean.grad is not None
    sampled = mean.grad[:, 0] * count
    mean.grad = None
    supervised.loss(supervised.pathwise(mean, actions), truth, "l1").mean().backward()
    assert mean.grad is not None
    followed = mean.grad[:, 0] * count
    error = ((sampled.var(dim=0) + followed.var(dim=0)) / count).sqrt()
    assert ((sampled.mean(dim=0) - followed.mean(dim=0)).abs() < 4 * error).all()
    assert (followed.var(dim=0) < sampled.var(dim=0) / 2).all()
