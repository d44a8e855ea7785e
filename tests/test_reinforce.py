import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents import reinforce  # noqa: E402
from agents.reinforce import ReinforceConfig  # noqa: E402
from tracking_env import rewards  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gradient(mean, actions, advantages, sigma, mask=None):
    mean = mean.clone().requires_grad_()
    reinforce.loss(mean, actions, advantages, sigma, mask).backward()
    return mean.grad


def test_the_defaults_are_the_papers_numbers():
    assert ReinforceConfig() == ReinforceConfig(episodes=5, sigma=0.01)


@pytest.mark.parametrize("number", [{"episodes": 1}, {"sigma": 0.0}, {"sigma": -1.0}, {"sigma": math.nan}])
def test_numbers_that_learn_nothing_are_an_input_error(number):
    with pytest.raises(InputError, match=next(iter(number))):
        ReinforceConfig(**number)


def test_the_gradient_of_one_step_is_equations_7_and_9_by_hand():
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
    actions = reinforce.sample(mean, ReinforceConfig(4, 0.1), seeded(1))
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
    assert rest.numpy() == pytest.approx(-4 * math.log(sigma * math.sqrt(2 * math.pi)))


def test_no_advantage_no_gradient():
    mean = torch.rand(2, 3, 4, generator=seeded())
    actions = reinforce.sample(mean, ReinforceConfig(), seeded())
    assert not gradient(mean, actions, torch.zeros(5, 2, 3), 0.01).any()


def test_padding_has_no_gradient_and_changes_no_other():
    mean = torch.rand(2, 3, 4, generator=seeded())
    actions = reinforce.sample(mean, ReinforceConfig(), seeded(1))
    advantages = torch.randn(5, 2, 3, generator=seeded(2))
    mask = torch.tensor([[1.0, 1, 1], [1, 0, 0]])
    masked, free = gradient(mean, actions, advantages, 0.01, mask), gradient(mean, actions, advantages, 0.01)
    assert not masked[1, 1:].any()
    assert torch.equal(masked[0], free[0]) and torch.equal(masked[1, 0], free[1, 0])


def test_advantages_are_what_exceeds_the_mean_over_episodes():
    # Step 1: 1, 2, 6 with mean 3; step 2: equal rewards.
    got = reinforce.advantage(torch.tensor([[1.0, 5], [2, 5], [6, 5]]))
    assert got.tolist() == [[-2, 0], [-1, 0], [3, 0]]


def test_advantages_sum_to_zero_over_the_episodes():
    got = reinforce.advantage(torch.randn(7, 2, 3, generator=seeded()) - 5)
    assert got.shape == (7, 2, 3)
    assert got.sum(dim=0).abs().max() < 1e-5


def test_one_episode_alone_has_no_advantage():
    assert not reinforce.advantage(torch.randn(1, 2, 3, generator=seeded())).any()


def test_samples_have_the_policys_mean_and_deviation():
    mean = torch.tensor([[[0.1, 0.9, -0.5, 0.0]]])
    got = reinforce.sample(mean, ReinforceConfig(episodes=40_000, sigma=0.02), seeded())
    assert got.shape == (40_000, 1, 1, 4)
    # Four standard errors: sigma / sqrt(N) of the mean, sigma / sqrt(2 N) of the deviation.
    assert (got.mean(dim=0) - mean).abs().max() < 4 * 0.02 / 200
    assert (got.std(dim=0) - 0.02).abs().max() < 4 * 0.02 / 283
    correlation = np.corrcoef(got[:, 0, 0].numpy().T) - np.eye(4)
    assert np.abs(correlation).max() < 4 / 200


def test_samples_carry_no_gradient_and_are_repeatable():
    mean = torch.rand(2, 3, 4, generator=seeded()).requires_grad_()
    first, again = (reinforce.sample(mean, ReinforceConfig(), seeded(3)) for _ in range(2))
    assert not first.requires_grad
    assert torch.equal(first, again)
    assert not torch.equal(first, reinforce.sample(mean, ReinforceConfig(), seeded(4)))


def test_the_estimator_is_the_true_gradient_times_n_minus_1_over_n():
    # l ~ Normal(mu, sigma), r = -(l - c)^2. J = E[r] = -((mu - c)^2 + sigma^2), so dJ/dmu = -2 (mu - c).
    # b is the mean of all N rewards, so episode i's own is in it with weight 1/N. E[score_i r_j] = 0 for i != j, so
    # E[score_i (r_i - b)] = (1 - 1/N) E[score_i r_i] = (N - 1) / N dJ/dmu.
    # The loss averages over B windows, so B problems at once are B independent estimates, each B times its gradient.
    count, episodes, sigma, target = 20_000, 5, 0.1, 0.2
    mean = torch.zeros(count, 1, 4, dtype=torch.double)
    mean[..., 0] = 0.5
    actions = reinforce.sample(mean, ReinforceConfig(episodes, sigma), seeded())
    advantages = reinforce.advantage(-((actions[..., 0] - target) ** 2))
    estimates = -gradient(mean, actions, advantages, sigma)[:, 0, 0] * count
    analytic = -2 * (0.5 - target)
    standard_error = float(estimates.std()) / math.sqrt(count)
    assert standard_error < 0.01
    assert float(estimates.mean()) == pytest.approx((episodes - 1) / episodes * analytic, abs=4 * standard_error)
    assert abs(float(estimates.mean()) - analytic) > 4 * standard_error, "the factor is seen"


def climb(reward, start, truth, steps, rate):
    mean = torch.tensor(start).reshape(1, 1, 4).requires_grad_()
    adam, generator, config = torch.optim.Adam([mean], lr=rate), seeded(), ReinforceConfig(episodes=8, sigma=0.01)
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate * (1 - step / steps)
        actions = reinforce.sample(mean, config, generator)
        advantages = reinforce.advantage(rewards.REWARDS[reward](actions, torch.tensor(truth)))
        adam.zero_grad()
        reinforce.loss(mean, actions, advantages, config.sigma).backward()
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
