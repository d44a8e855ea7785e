"""PPO in one file of plain torch, on the vector environment: python examples/ppo.py [--updates 200]

A Gaussian policy on the current frame's features. With gamma = 0 a step's own reward is its return: no bootstrapping
and no GAE. The step after an episode's end is the reset (Gymnasium's NEXT_STEP): no action counts there.
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import tracking_env  # noqa: F401  # registers the ids

ENVS, STEPS, EPOCHS, BATCH, CLIP, SIGMA = 32, 10, 4, 160, 0.2, 0.05
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--updates", type=int, default=200, help=f"of {ENVS * STEPS} steps each")
arguments = parser.parse_args()

torch.manual_seed(0)
envs = gym.make_vec("OTBTrack-v0", num_envs=ENVS, sequences="synthetic:0-31", split="all", reward="iou")
space = envs.single_observation_space
network = nn.Sequential(nn.Linear(space["features"].shape[0] + 4, 128), nn.Tanh(), nn.Linear(128, 5))  # box and value
nn.init.zeros_(network[-1].weight)
nn.init.constant_(network[-1].bias, 0.5)  # a box in the middle
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

observation, _ = envs.reset(seed=0)
counts = np.ones(ENVS, bool)
for update in range(1, arguments.updates + 1):
    seen, taken, gained = [], [], []
    for _ in range(STEPS):
        x = torch.from_numpy(np.concatenate([observation["features"], observation["location"]], axis=-1))
        with torch.no_grad():
            action = torch.normal(network(x)[:, :4], SIGMA)
        observation, reward, terminated, truncated, _ = envs.step(action.numpy())
        seen.append(x[counts])
        taken.append(action[counts])
        gained.append(torch.as_tensor(reward[counts], dtype=torch.float32))
        counts = ~(terminated | truncated)
    x, actions, returns = torch.cat(seen), torch.cat(taken), torch.cat(gained)
    with torch.no_grad():
        old = network(x)
    advantages = returns - old[:, 4]
    for rows in (part for _ in range(EPOCHS) for part in torch.randperm(len(x)).split(BATCH)):
        mean, value = network(x[rows]).split([4, 1], dim=-1)
        gap = (actions[rows] - old[rows, :4]) ** 2 - (actions[rows] - mean) ** 2
        ratio = (gap.sum(dim=-1) / (2 * SIGMA**2)).exp()
        gain = torch.minimum(ratio * advantages[rows], ratio.clamp(1 - CLIP, 1 + CLIP) * advantages[rows])
        loss = (value[:, 0] - returns[rows]).square().mean() - gain.mean()
        network.zero_grad()
        loss.backward()
        optimizer.step()
    if update % max(1, arguments.updates // 10) == 0:
        print(f"update {update:>4}  mean IoU {returns.mean():.3f}")
envs.close()
