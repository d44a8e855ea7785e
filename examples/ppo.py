"""Train PPO, written in one file of plain PyTorch: python examples/ppo.py [--updates 200]

The policy is a Gaussian around a box computed from a frame's features. Actions do not change later observations, so
gamma is 0: a step's return is its own reward, and neither bootstrapping nor GAE is needed.
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from torch import nn

NUM_ENVS, STEPS, EPOCHS, BATCH_SIZE, CLIP_RATIO = 32, 10, 4, 160, 0.2
SIGMA = 0.05  # standard deviation of the policy, relative to the image
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--updates", type=int, default=200, help=f"of {NUM_ENVS * STEPS} steps each")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.manual_seed(arguments.seed)
envs = gym.make_vec("tracking_env:OTBTrack-v0", NUM_ENVS, sequences="synthetic:0-31", split="all", reward="iou")
inputs = envs.single_observation_space["features"].shape[0] + 4
network = nn.Sequential(nn.Linear(inputs, 128), nn.Tanh(), nn.Linear(128, 5))  # outputs: 4 for the box, 1 for the value
nn.init.zeros_(network[-1].weight)
nn.init.constant_(network[-1].bias, 0.5)  # at first the policy's mean is a box in the middle of the image
optimizer = torch.optim.Adam(network.parameters(), lr=3e-4)

observation, _ = envs.reset(seed=arguments.seed)
active = np.ones(NUM_ENVS, bool)
for update in range(1, arguments.updates + 1):
    batches = []
    for _ in range(STEPS):
        x = torch.from_numpy(np.concatenate([observation["features"], observation["location"]], axis=-1))
        with torch.no_grad():
            action = torch.normal(network(x)[:, :4], SIGMA)
        observation, reward, terminated, truncated, _ = envs.step(action.numpy())
        batches.append((x[active], action[active], torch.as_tensor(reward[active], dtype=torch.float32)))
        # The step after an episode's end only resets the environment (NEXT_STEP): its action and reward do not count.
        active = ~(terminated | truncated)
    x, actions, returns = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    old_mean, old_value = network(x).detach().split([4, 1], dim=-1)
    advantages = returns - old_value[:, 0]
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH_SIZE):
            mean, value = network(x[rows]).split([4, 1], dim=-1)
            # Log probabilities of two Gaussians of one sigma differ by their squared distances to the action.
            old_distance, distance = (actions[rows] - old_mean[rows]) ** 2, (actions[rows] - mean) ** 2
            ratio = ((old_distance - distance).sum(dim=-1) / (2 * SIGMA**2)).exp()
            clipped = ratio.clamp(1 - CLIP_RATIO, 1 + CLIP_RATIO)
            gain = torch.minimum(ratio * advantages[rows], clipped * advantages[rows]).mean()
            loss = (value[:, 0] - returns[rows]).square().mean() - gain
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.5)  # at a sigma this small, a large step is not undone
            optimizer.step()
    if update % max(1, arguments.updates // 10) == 0:
        print(f"update {update:>4}  mean IoU {returns.mean():.3f}")
