import numpy as np
import pytest
from numpy.testing import assert_allclose

from tracking_env.envs import rewards

TRUTH = [0.5, 0.5, 0.2, 0.2]


@pytest.mark.parametrize(
    ("action", "reward"),
    [
        (TRUTH, 0),
        ([0.6, 0.5, 0.2, 0.2], -0.1 / 4 - 0.1),
        ([0.6, 0.3, 0.2, 0.3], -0.4 / 4 - 0.2),
        ([1.5, 0.5, 0.2, 0.2], -1 / 4 - 1),  # outside the image: not clipped
        ([0.5, 0.5, 0, 0], -0.4 / 4 - 0.2),
    ],
)
def test_the_l1_reward_equals_equation_2(action, reward):
    assert rewards.l1(np.array(action), np.array(TRUTH)) == pytest.approx(reward)


@pytest.mark.parametrize(
    ("action", "reward"),
    [
        (TRUTH, 1),
        ([0.6, 0.5, 0.2, 0.2], 1 / 3),
        ([0.5, 0.5, 0.4, 0.4], 1 / 4),
        ([0.9, 0.9, 0.2, 0.2], 0),
        ([0.5, 0.5, 0, 0.2], 0),  # empty
        ([0.5, 0.5, -0.2, -0.2], 0),  # negative width and height
        ([0.5, 0.5, 3.0, 3.0], 0.04),  # clipped to the whole image
    ],
)
def test_the_iou_reward_equals_equation_3(action, reward):
    assert rewards.iou(np.array(action), np.array(TRUTH)) == pytest.approx(reward)


@pytest.mark.parametrize("name", ["l1", "iou"])
def test_rewards_keep_shapes_and_work_on_tensors(name):
    torch = pytest.importorskip("torch")
    reward = rewards.REWARDS[name]
    actions = np.random.default_rng(0).normal(0.5, 0.3, (7, 5, 4))
    truth = np.broadcast_to(np.array(TRUTH), (5, 4))
    values = reward(actions, truth)
    assert values.shape == (7, 5)
    assert_allclose(reward(torch.from_numpy(actions), torch.from_numpy(truth.copy())).numpy(), values, rtol=1e-12)


@pytest.mark.parametrize("name", ["l1", "iou"])
def test_rewards_of_python_floats_equal_those_of_arrays_bit_for_bit(name):
    reward = rewards.REWARDS[name]
    actions, truths = np.random.default_rng(0).normal(0.5, 0.3, (2, 50, 4))
    for action, truth in zip(actions, truths, strict=True):
        earned = reward(tuple(action.tolist()), tuple(truth.tolist()))
        assert type(earned) is float and earned == reward(action, truth)
