import math

import pytest

torch = pytest.importorskip("torch")

from agents import reinforce, returns  # noqa: E402

RETURNS, BASELINES = ("step", "to_go"), ("mean", "leave_one_out")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# Two episodes of one window of three steps; the rewards of both sum to 5.
REWARDS = torch.tensor([[[1.0, 0, 4]], [[3.0, 2, 0]]])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("step", [[1, 0, 4], [3, 2, 0]]),
        ("to_go", [[5, 4, 4], [5, 2, 0]]),
    ],
)
def test_the_returns_of_each_kind_equal_values_by_hand(kind, expected):
    assert returns.returns(REWARDS, kind)[:, 0].tolist() == expected


def test_gamma_discounts_the_reward_to_go_as_by_hand():
    # 1 + 0.5 (0 + 0.5 * 4) = 2, 0 + 0.5 * 4 = 2, 4; and 3 + 0.5 (2 + 0.5 * 0) = 4, 2, 0.
    assert returns.returns(REWARDS, "to_go", gamma=0.5)[:, 0].tolist() == [[2, 2, 4], [4, 2, 0]]
    # 1 + 0.1 * (0 + 0.1 * 4) = 1.04: each step discounts once more.
    assert returns.returns(REWARDS, "to_go", gamma=0.1)[:, 0].tolist() == [
        pytest.approx([1.04, 0.4, 4]),
        pytest.approx([3.2, 2, 0]),
    ]
    assert returns.returns(REWARDS, "to_go", gamma=0.0)[:, 0].tolist() == [[1, 0, 4], [3, 2, 0]]


@pytest.mark.parametrize(("kind", "mean"), [("step", [-1, -1, 2]), ("to_go", [0, 1, 2])])
def test_advantages_of_each_kind_equal_values_by_hand(kind, mean):
    # Both episodes have the same sum of rewards; the reward to go leaves out past rewards.
    gains = returns.returns(REWARDS, kind)
    advantages = gains - returns.baseline(gains, "mean")
    assert advantages[0, 0].tolist() == mean and advantages[1, 0].tolist() == [-value for value in mean]
    others = gains - returns.baseline(gains, "leave_one_out")  # N / (N - 1) = 2 times as much
    assert torch.equal(others, 2 * advantages)


def test_padding_adds_nothing_to_returns():
    mask = torch.tensor([[1.0, 1, 0]])
    assert returns.returns(REWARDS, "step", mask)[:, 0].tolist() == [[1, 0, 0], [3, 2, 0]]
    assert returns.returns(REWARDS, "to_go", mask)[:, 0].tolist() == [[1, 0, 0], [5, 2, 0]]


def test_windows_are_independent():
    rewards = torch.randn(5, 3, 4, generator=seeded())
    for kind in RETURNS:
        for baseline in BASELINES:
            together = returns.returns(rewards, kind)
            together = together - returns.baseline(together, baseline)
            for b in range(3):
                alone = returns.returns(rewards[:, b : b + 1], kind)
                assert torch.allclose(together[:, b : b + 1], alone - returns.baseline(alone, baseline))


def test_advantages_are_returns_minus_the_mean_over_episodes():
    # Step 1: 1, 2, 6 with mean 3, and mean of the others 4, 3.5, 1.5; step 2: equal rewards.
    gains = torch.tensor([[[1.0, 5]], [[2, 5]], [[6, 5]]])
    assert (gains - returns.baseline(gains, "mean"))[:, 0].tolist() == [[-2, 0], [-1, 0], [3, 0]]
    assert returns.baseline(gains, "leave_one_out")[:, 0].tolist() == [[4, 5], [3.5, 5], [1.5, 5]]


@pytest.mark.parametrize("kind", RETURNS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_the_mean_of_the_estimates_is_the_true_gradient(kind, baseline):
    # T steps, each l_t ~ Normal(mu_t, sigma) with r_t = -(l_t - c_t)^2 in one component. J = E[sum r_t] =
    # -sum (mu_t - c_t)^2 + constant, so dJ/dmu_t = -2 (mu_t - c_t), for both kinds of returns.
    # In the mean baseline is the episode's own return with weight 1/N, and E[score_i R_j] = 0 for i != j, so that
    # E[score_i (R_i - b)] = (N - 1) / N dJ/dmu. The mean of the others is independent of the box: no factor.
    # The loss averages over B windows, so B problems at once are B independent estimates, each B times its gradient.
    for steps in (1, 3):
        estimates, analytic = estimate(kind, baseline, steps)
        error = estimates.std(dim=0) / math.sqrt(len(estimates))
        factor = (EPISODES - 1) / EPISODES if baseline == "mean" else 1
        assert ((estimates.mean(dim=0) - factor * analytic).abs() < 4 * error).all()
        assert (error < analytic.abs() / 20).all(), "a factor of (N - 1) / N would be seen"


@pytest.mark.parametrize("kind", RETURNS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_lowers_the_variance(kind, baseline):
    for steps in (1, 3):
        compared, free = (
            estimate(kind, kind_of_baseline, steps)[0].var(dim=0) for kind_of_baseline in (baseline, None)
        )
        assert (compared < 0.7 * free).all()


EPISODES = 5


def estimate(kind, baseline, steps, count=20_000, sigma=0.1):
    """Estimates ``(count, T)`` of the gradient of the first component, and the true one ``(T,)``; None: no baseline."""
    means, targets = torch.tensor([0.5, 0.1, 0.7][:steps]).double(), torch.tensor([0.2, 0.5, 0.3][:steps]).double()
    mean = torch.zeros(count, steps, 4, dtype=torch.double)
    mean[..., 0] = means
    mean.requires_grad_()
    actions = reinforce.sample(mean, torch.randn(EPISODES, *mean.shape, generator=seeded(steps)), sigma)
    gains = returns.returns(-((actions[..., 0] - targets) ** 2), kind)
    advantages = gains - returns.baseline(gains, baseline) if baseline else gains
    reinforce.loss(mean, actions, advantages, sigma).mean().backward()
    return -mean.grad[..., 0] * count, -2 * (means - targets)


def test_returns_of_single_steps_have_less_variance():
    free = [estimate(kind, "leave_one_out", 3)[0].var(dim=0) for kind in RETURNS]
    assert (free[0][:2] < free[1][:2]).all()


@pytest.mark.parametrize("kind", RETURNS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_equal_rewards_give_no_gradient(kind, baseline):
    mean = torch.rand(2, 3, 4, generator=seeded()).requires_grad_()
    gains = returns.returns(torch.full((4, 2, 3), -0.5), kind)
    advantages = gains - returns.baseline(gains, baseline)
    reinforce.loss(
        mean, reinforce.sample(mean, torch.randn(4, *mean.shape, generator=seeded()), 0.01), advantages, 0.01
    ).mean().backward()
    assert not mean.grad.any()
