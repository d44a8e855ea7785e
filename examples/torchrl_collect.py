"""A batch of steps collected by TorchRL: python examples/torchrl_collect.py [--steps 200]

Needs torchrl: pip install -e '.[torchrl]'
"""

import argparse

import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import GymEnv

import tracking_env  # noqa: F401  # registers the ids

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=200, help="in the batch")
arguments = parser.parse_args()

env = GymEnv("OTBTrack-v0", sequences="synthetic:0-7", split="all", reward="iou")
env.set_seed(0)


class Copy(torch.nn.Module):
    """The truth where it is given, a box in the middle elsewhere; put your network here."""

    def forward(self, features: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        """``(..., D)`` and ``(..., 4)`` -> ``(..., 4)``."""
        given = (location > 0).any(dim=-1, keepdim=True)
        return torch.where(given, location, torch.full_like(location, 0.5))


policy = TensorDictModule(Copy(), in_keys=["features", "location"], out_keys=["action"])
collector = Collector(
    env,
    policy,
    frames_per_batch=arguments.steps,
    total_frames=arguments.steps,
    auto_register_policy_transforms=False,  # it has no memory to be told of beginnings
)
for batch in collector:
    reward, first = batch["next", "reward"][..., 0], (batch["location"] > 0).any(dim=-1)
    print(f"{batch.numel()} steps, features {tuple(batch['features'].shape)}")
    print(f"mean IoU {reward[first].mean():.3f} where the truth was given, {reward[~first].mean():.3f} elsewhere")
collector.shutdown()
