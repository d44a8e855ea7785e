import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents import reinforce, returns  # noqa: E402
from agents.reinforce import ReinforceConfig  # noqa: E402
from tracking_env.envs import rewards  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gradient(mean, actions, advantages, sigma, mask=None):
    mean = mean.clone().requires_grad_()
    reinforce.loss(mean, actions, advantages, sigma, mask).mean().backward()
    return mean.grad


def test_the_defaults_are_those_of_the_paper():
    assert ReinforceConfig() == ReinforceConfig(
        episodes=5, sigma=0.01, sigma_end=None, returns="step", baseline="mean", reuse=1
    )


@pytest.mark.parametrize(
    "options",
    [
        {"episodes": 1},
        {"episodes": 1, "baseline": "leave_one_out"},
        {"sigma": 0.0},
        {"sigma": -1.0},
        {"sigma": math.nan},
        {"sigma_end": 0.0},
        {"reuse": 0},
        {"ratio_clip": 0.0},
    ],
)
def test_useless_or_contradictory_options_are_an_input_error(options):
    with pytest.raises(InputError, match=next(iter(options))):
        ReinforceConfig(**options)


def test_the_gradient_of_one_step_equals_equations_7_and_9():
    # N = 2, T = 1, sigma = 0.1, mean 0.5: actions 0.7 and 0.4 in the first component only, advantages 3 and -3.
    # Eq. 9: (l - mu) / sigma^2 = 0.2 / 0.01 = 20 and -0.1 / 0.01 = -10.
    # Eq. 7: 1/2 (20 * 3 + -10 * -3) = 45; the loss goes the other way: -45.
    mean = torch.full((1, 1, 4), 0.5)
    actions = mean.repeat(2, 1, 1, 1)
    actions[0, 0, 0, 0], actions[1, 0, 0, 0] = 0.7, 0.4
    got = gradient(mean, actions, torch.tensor([[[3.0]], [[-3.0]]]), 0.1)
    assert got.flatten().tolist() == pytest.approx([-45, 0, 0, 0], rel=1e-5)


def test_every_step_has_its_own_advantage():
    # As above, with a second step whose one deviation is 0.05 in the height: 5, times the advantage 2 of episode 2:
    # 1/2 (0 * -2 + 5 * 2) = 5. Steps are summed, not averaged: step 1 keeps its 45.
    mean = torch.full((1, 2, 4), 0.5)
    actions = mean.repeat(2, 1, 1, 1)
    actions[0, 0, 0, 0], actions[1, 0, 0, 0], actions[1, 0, 1, 3] = 0.7, 0.4, 0.55
    got = gradient(mean, actions, torch.tensor([[[3.0, -2.0]], [[-3.0, 2.0]]]), 0.1)[0]
    assert got[0].tolist() == pytest.approx([-45, 0, 0, 0], rel=1e-5)
    assert got[1].tolist() == pytest.approx([0, 0, 0, -5], rel=1e-5)


def test_windows_of_a_batch_are_averaged():
    mean = torch.rand(3, 2, 4, generator=seeded())
    actions = reinforce.sample(mean, torch.randn(4, *mean.shape, generator=seeded(1)), 0.1)
    advantages = torch.randn(4, 3, 2, generator=seeded(2))
    together = gradient(mean, actions, advantages, 0.1)
    for b in range(3):
        alone = gradient(mean[b : b + 1], actions[:, b : b + 1], advantages[:, b : b + 1], 0.1)[0]
        assert torch.allclose(together[b], alone / 3, atol=1e-5)


def test_the_density_is_the_gaussians_up_to_a_constant():
    mean, sigma = torch.rand(4, generator=seeded()).double(), 0.3
    actions = torch.rand(5, 4, generator=seeded(1)).double()
    exact = torch.distributions.Normal(mean, sigma).log_prob(actions).sum(dim=-1)
    rest = exact - reinforce.log_density(actions, mean, sigma)
    assert rest.numpy() == pytest.approx(-2 * math.log(2 * math.pi))


def test_zero_advantages_give_no_gradient():
    mean = torch.rand(2, 3, 4, generator=seeded())
    actions = reinforce.sample(mean, torch.randn(5, *mean.shape, generator=seeded()), 0.01)
    assert not gradient(mean, actions, torch.zeros(5, 2, 3), 0.01).any()


def test_padding_gets_no_gradient_and_changes_no_other_gradient():
    mean = torch.rand(2, 3, 4, generator=seeded())
    actions = reinforce.sample(mean, torch.randn(5, *mean.shape, generator=seeded(1)), 0.01)
    advantages = torch.randn(5, 2, 3, generator=seeded(2))
    mask = torch.tensor([[1.0, 1, 1], [1, 0, 0]])
    masked, free = gradient(mean, actions, advantages, 0.01, mask), gradient(mean, actions, advantages, 0.01)
    assert not masked[1, 1:].any()
    assert torch.equal(masked[0], free[0]) and torch.equal(masked[1, 0], free[1, 0])


def test_samples_have_the_mean_and_deviation_of_the_policy():
    mean = torch.tensor([[[0.1, 0.9, -0.5, 0.0]]])
    got = reinforce.sample(mean, torch.randn(40_000, *mean.shape, generator=seeded()), 0.02)
    assert got.shape == (40_000, 1, 1, 4)
    # Four standard errors: sigma / sqrt(N) of the mean, sigma / sqrt(2 N) of the deviation.
    assert (got.mean(dim=0) - mean).abs().max() < 4 * 0.02 / 200
    assert (got.std(dim=0) - 0.02).abs().max() < 4 * 0.02 / 283
    correlation = np.corrcoef(got[:, 0, 0].numpy().T) - np.eye(4)
    assert np.abs(correlation).max() < 4 / 200


def test_samples_carry_no_gradient():
    mean = torch.rand(2, 3, 4, generator=seeded()).requires_grad_()
    assert not reinforce.sample(mean, torch.randn(5, *mean.shape, generator=seeded(3)), 0.01).requires_grad


def climb(reward, start, truth, steps, rate):
    mean = torch.tensor(start).reshape(1, 1, 4).requires_grad_()
    adam, generator = torch.optim.Adam([mean], lr=rate), seeded()
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate * (1 - step / steps)
        actions = reinforce.sample(mean, torch.randn(8, *mean.shape, generator=generator), 0.01)
        gains = rewards.REWARDS[reward](actions, torch.tensor(truth))
        advantages = gains - returns.baseline(gains, "mean")
        adam.zero_grad()
        reinforce.loss(mean, actions, advantages, 0.01).mean().backward()
        adam.step()
    return mean.detach().flatten()


def test_reinforce_with_l1_finds_the_box_from_far_away():
    truth = [0.5, 0.4, 0.2, 0.3]
    got = climb("l1", [0.0, 0.0, 0.0, 0.0], truth, steps=400, rate=0.01)
    assert got.tolist() == pytest.approx(truth, abs=0.01)


def test_reinforce_with_iou_finds_the_box_from_an_overlap():
    truth = [0.5, 0.4, 0.2, 0.3]
    start = [0.55, 0.45, 0.3, 0.2]
    assert rewards.iou(np.array(start), np.array(truth)) == pytest.approx(0.5)  # 0.2 x 0.2 of 0.06 + 0.06 - 0.04
    got = climb("iou", start, truth, steps=400, rate=0.01)
    assert rewards.iou(got, torch.tensor(truth)) > 0.93


def test_reinforce_with_iou_cannot_start_without_an_overlap():
    start = [0.1, 0.1, 0.1, 0.1]
    assert climb("iou", start, [0.8, 0.8, 0.1, 0.1], steps=20, rate=0.01).tolist() == pytest.approx(start)


def reused(mean, old_mean, actions, advantages, sigma=0.1, ratio_clip=0.2):
    mean = mean.clone().requires_grad_()
    old = reinforce.log_density(actions, old_mean, sigma)
    reinforce.reuse_loss(mean, actions, advantages, sigma, old, ratio_clip).mean().backward()
    return mean.grad


def test_the_first_use_of_samples_gives_the_gradient_of_reinforce():
    mean = torch.rand(3, 2, 4, generator=seeded()).double()
    actions = reinforce.sample(mean, torch.randn(5, *mean.shape, generator=seeded(1)), 0.1)
    advantages = torch.randn(5, 3, 2, generator=seeded(2)).double()
    assert torch.allclose(reused(mean, mean, actions, advantages), gradient(mean, actions, advantages, 0.1))


def test_reused_samples_are_weighted_by_the_clipped_ratio():
    # sigma 0.1; action 0.52 in one component; the old mean 0.5, the new 0.51: squares 4e-4 -> 1e-4, so the ratio is
    # exp(3e-4 / 0.02) = exp(0.015); the score is 0.01 / 0.01 = 1, the advantage 2: the loss has -2 exp(0.015).
    old, new = torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)
    old[..., 0], new[..., 0] = 0.5, 0.51
    action = torch.zeros(1, 1, 1, 4)
    action[..., 0] = 0.52
    good, bad = torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), -2.0)
    assert float(reused(new, old, action, good)[0, 0, 0]) == pytest.approx(-2 * math.exp(0.015), rel=1e-4)
    # Clipped at 1.01, a gain beyond the clip does not count; a loss still counts in full.
    assert not reused(new, old, action, good, ratio_clip=0.01).any()
    assert float(reused(new, old, action, bad, ratio_clip=0.01)[0, 0, 0]) == pytest.approx(
        2 * math.exp(0.015), rel=1e-4
    )
