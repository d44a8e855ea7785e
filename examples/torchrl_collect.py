"""Collect a batch of steps with TorchRL: python examples/torchrl_collect.py [--steps 200]

Needs TorchRL: pip install -e '.[torchrl]'
"""

import argparse

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import GymEnv

import tracking_env

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=200, help="steps in the batch")
arguments = parser.parse_args()

gym.register_envs(tracking_env)
env = GymEnv("OTBTrack-v0", sequences="synthetic:0-7", split="all", reward="iou")
env.set_seed(0)


class CopyFirstBox(torch.nn.Module):
    """Copies the true box in the first frame, and predicts a box in the middle elsewhere. Put your network here."""

    def forward(self, features: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        """Features ``(..., D)`` and location ``(..., 4)`` -> actions ``(..., 4)``."""
        is_first = (location > 0).any(dim=-1, keepdim=True)  # the true box comes with the first frame only
        return torch.where(is_first, location, torch.full_like(location, 0.5))


policy = TensorDictModule(CopyFirstBox(), in_keys=["features", "location"], out_keys=["action"])
collector = Collector(
    env,
    policy,
    frames_per_batch=arguments.steps,
    total_frames=arguments.steps,
    auto_register_policy_transforms=False,  # the policy has no memory that an episode's start would reset
)
for batch in collector:
    reward = batch["next", "reward"][..., 0]
    is_first = (batch["location"] > 0).any(dim=-1)
    print(f"{batch.numel()} steps, features {tuple(batch['features'].shape)}")
    print(f"mean IoU {reward[is_first].mean():.3f} in first frames, {reward[~is_first].mean():.3f} in later ones")
collector.shutdown()
