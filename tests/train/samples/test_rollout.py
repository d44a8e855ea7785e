import gymnasium as gym
import numpy as np
import pytest
import torch

import tracking_env  # noqa: F401
from agents import reinforce, returns, supervised
from agents.region_agent import RegionAgent, RegionAgentConfig
from tracking_env.datasets.synthetic import generate
from tracking_env.envs import rewards
from train.samples.rollout import draw_clip, replay, sample_episodes, to_image

SEQUENCES = [generate(seed, length=9) for seed in (0, 1)]


@pytest.fixture(scope="module")
def rollout():
    torch.manual_seed(0)
    model = RegionAgent(15, RegionAgentConfig(width=8))
    envs = [
        gym.make("OTBTrackSearch-v0", sequences=SEQUENCES, split="all", clip_length=5, jitter=0.1) for _ in range(6)
    ]
    options = [{"sequence": "Synthetic-0000", "start": 0}, {"sequence": "Synthetic-0001", "start": 6}]
    return model, sample_episodes(envs, model, options, [1, 2], 5, 0.02, torch.Generator().manual_seed(0))


def test_a_short_clip_is_masked_after_its_end(rollout):
    _, episodes = rollout
    assert episodes.actions.shape == (6, 5, 4) and episodes.rewards["iou"].shape == (3, 2, 5)
    np.testing.assert_array_equal(episodes.mask.sum(dim=1), [5, 3, 5, 3, 5, 3])  # the second clip has three frames left
    assert (episodes.rewards["iou"][:, 1, 3:] == 0).all()


def test_episodes_of_a_clip_start_equal_and_diverge(rollout):
    _, episodes = rollout
    first, later = episodes.observations[0]["search"], episodes.observations[2]["search"]
    assert torch.equal(first[0], first[2]) and torch.equal(first[0], first[4])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(later[0], later[2])


def test_rewards_equal_those_of_the_actions(rollout):
    _, episodes = rollout
    predicted = to_image(episodes.actions.clip(0, 1), episodes.regions)
    recomputed = rewards.iou(predicted, episodes.truth).view(3, 2, 5) * episodes.mask.view(3, 2, 5)
    torch.testing.assert_close(recomputed, episodes.rewards["iou"], atol=1e-4, rtol=0)


def test_a_replay_gives_the_means_that_the_actions_were_drawn_from(rollout):
    model, episodes = rollout
    recomputed = replay(model, episodes)
    noise = (episodes.actions - recomputed) / 0.02
    assert 0.7 < noise.std() < 1.3 and noise.abs().max() < 5
    assert torch.equal(recomputed, replay(model, episodes))


def test_at_one_step_reinforce_estimates_the_gradient_of_the_reward():
    """Of the expected reward, which differentiating the same samples' reward gives too (with less variance)."""
    torch.manual_seed(1)
    model = RegionAgent(15, RegionAgentConfig(width=8))
    envs = [
        gym.make("OTBTrackSearch-v0", sequences=SEQUENCES[:1], split="all", clip_length=1, jitter=0.2)
        for _ in range(200)
    ]
    episodes = sample_episodes(envs, model, [{"start": 0}], [3], 1, 0.01, torch.Generator().manual_seed(0))
    mean = replay(model, episodes)
    gains = returns.returns(episodes.rewards["iou"], "to_go", gamma=0.9)
    advantages = (gains - returns.baseline(gains, "mean")).flatten(0, 1)
    sampled = reinforce.loss(mean, episodes.actions[None], advantages[None], 0.01, episodes.mask).mean()
    moved = to_image(mean + (episodes.actions - mean).detach(), episodes.regions)
    differentiated = supervised.loss(moved, episodes.truth, "iou", episodes.mask).mean()
    ours, exact = (
        torch.autograd.grad(loss, mean, retain_graph=True)[0].sum(dim=0) for loss in (sampled, differentiated)
    )
    assert torch.nn.functional.cosine_similarity(ours.flatten(), exact.flatten(), dim=0) > 0.8
    assert 0.5 < ours.norm() / exact.norm() < 2


def test_drawn_clips_have_room_for_all_their_steps():
    rng = np.random.default_rng(0)
    drawn = [draw_clip(SEQUENCES, 7, rng) for _ in range(50)]
    assert {options["sequence"] for options in drawn} == {"Synthetic-0000", "Synthetic-0001"}
    assert {options["start"] for options in drawn} == {0, 1, 2}
    assert draw_clip(SEQUENCES, 100, rng)["start"] == 0
