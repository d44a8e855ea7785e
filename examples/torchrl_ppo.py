"""Train PPO of TorchRL in the closed loop and score it as a tracker: python examples/torchrl_ppo.py [--steps 12000]

The loop is that of TorchRL's tutorial of PPO, with a shorter horizon, and at first with less noise.
Needs TorchRL: pip install -e '.[torchrl]'
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from tensordict.nn import TensorDictModule
from tensordict.nn.distributions import NormalParamExtractor
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import tracking_env
from tracking_env.datasets import load
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.evaluation.metrics import overlaps
from tracking_env.trackers import run

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=12_000, help="training steps of the environment")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
torch.manual_seed(arguments.seed)
gym.register_envs(tracking_env)
single = gym.make("OTBTrackSearch-v0", sequences="synthetic:0-63", split="all", clip_length=20)
single = FlatObservation(SymmetricAction(single))  # a vector, and actions in [-1, 1] where 0 keeps the last box
env = GymWrapper(single)
env.set_seed(arguments.seed)
shape = {"in_features": single.observation_space.shape[0], "num_cells": [64, 64]}
network = nn.Sequential(MLP(**shape, out_features=8), NormalParamExtractor("biased_softplus_0.5"))
for parameter in network[0][-1].parameters():
    nn.init.zeros_(parameter)  # the first policy keeps the last box, with noise of 0.5
module = TensorDictModule(network, in_keys=["observation"], out_keys=["loc", "scale"])
actor = ProbabilisticActor(module, ["loc", "scale"], distribution_class=TanhNormal, return_log_prob=True)
critic = ValueOperator(MLP(**shape, out_features=1), in_keys=["observation"])
advantage, losses = GAE(gamma=0.9, lmbda=0.95, value_network=critic, average_gae=True), ClipPPOLoss(actor, critic)
optimizer = torch.optim.Adam(losses.parameters(), lr=3e-4)
frames = min(1000, arguments.steps)
sizes = {"frames_per_batch": frames, "total_frames": arguments.steps // frames * frames}
for batch in Collector(env, actor, **sizes, auto_register_policy_transforms=False):
    for _ in range(10):
        advantage(batch)
        for rows in torch.randperm(frames).split(64):
            sum(value for name, value in losses(batch[rows]).items() if name.startswith("loss_")).backward()
            nn.utils.clip_grad_norm_(losses.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
tracker = as_tracker(lambda seen: torch.tanh(network(torch.from_numpy(seen))[0]).detach().numpy(), single)
sequences = load(sequences="synthetic:10000-10019")
scores = [overlaps(run(tracker, sequence).boxes, sequence.boxes).mean() for sequence in sequences]
print(f"mean IoU {np.mean(scores):.3f} on {len(scores)} videos that it was not trained on")
