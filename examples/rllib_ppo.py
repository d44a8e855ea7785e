"""Train PPO of Ray RLlib, with environments on the workers of a cluster: python examples/rllib_ppo.py

Use RLlib if one machine is too small for *sampling*: many environments, slow extractors, sweeps over many trials. If
the *network* takes the time, use `torchrun train/reinforce.py`, which shares a training step between several GPUs.

Needs Ray: pip install -e '.[rllib]'
"""

import argparse

import gymnasium as gym
import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

from tracking_env.datasets import load
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.evaluation.metrics import overlaps
from tracking_env.trackers import run

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--address", help="of a running cluster, or auto; by default one is started here")
parser.add_argument("--workers", type=int, default=2, help="processes that run environments, anywhere on the cluster")
parser.add_argument("--updates", type=int, default=20, help="training updates")
parser.add_argument("--steps", type=int, default=1000, help="steps of the environments in each update")
arguments = parser.parse_args()


def make_env(config: dict) -> gym.Env:
    """Runs on a worker, on which tracking-env and the data must be installed too."""
    env = gym.make("tracking_env:OTBTrackSearch-v0", **config)
    return FlatObservation(SymmetricAction(env))  # a vector, and actions in [-1, 1] where 0 keeps the last box


ray.init(address=arguments.address, num_cpus=None if arguments.address else arguments.workers + 1, log_to_driver=False)
register_env("tracking", make_env)
options = {"sequences": "synthetic:0-63", "split": "all", "clip_length": 20}
training = {"lr": 3e-4, "gamma": 0.99, "minibatch_size": 64, "num_epochs": 10}
config = PPOConfig().environment("tracking", env_config=options).debugging(seed=0)
config = config.env_runners(num_env_runners=arguments.workers)
algorithm = config.training(train_batch_size_per_learner=arguments.steps, **training).build_algo()
for update in range(1, arguments.updates + 1):
    metrics = algorithm.train()["env_runners"]
    mean_iou = metrics["episode_return_mean"] / metrics["episode_len_mean"]
    print(f"update {update}  {metrics['num_env_steps_sampled']:.0f} steps  exploring {mean_iou:.3f}", flush=True)
module = algorithm.get_module()


def act(observation: np.ndarray) -> np.ndarray:
    """The policy's mean action; its network gives mean and deviation."""
    return module.forward_inference({"obs": torch.from_numpy(observation[None])})["action_dist_inputs"][0, :4].numpy()


tracker, sequences = as_tracker(act, make_env(options)), load(sequences="synthetic:10000-10019")
scores = [overlaps(run(tracker, sequence).boxes, sequence.boxes).mean() for sequence in sequences]
print(f"mean IoU {np.mean(scores):.3f} on {len(scores)} videos that it was not trained on")
ray.shutdown()
