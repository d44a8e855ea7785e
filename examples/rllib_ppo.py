"""PPO of Ray RLlib, its environments on the workers of a Ray cluster: python examples/rllib_ppo.py [--address auto]

For when one machine is too small for *sampling*: many environments, slow extractors, sweeps over many trials; RLlib
brings sampling workers on other machines, their restarts, and its own algorithms. `torchrun` is for the opposite case,
where the *network* is what takes the time: copies of one training step over several GPUs, each with its own clips.
With stored features sampling is cheap: try the vector environment (examples/ppo.py) first.

Needs Ray: pip install -e '.[rllib]'
"""

import argparse

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--address", help="of a running cluster, or auto; by default one is started here")
parser.add_argument("--workers", type=int, default=2, help="env runners, each a process somewhere on the cluster")
parser.add_argument("--updates", type=int, default=5)
parser.add_argument("--steps", type=int, default=1000, help="of the environments, for each update")
arguments = parser.parse_args()


def make(config: dict) -> gym.Env:
    """Runs on a worker, which has to have tracking-env, and the same folders."""
    import tracking_env  # noqa: F401  # registers the ids

    env = gym.make("OTBTrack-v0", **config)
    env = gym.wrappers.FlattenObservation(env)  # features and location, side by side
    return gym.wrappers.RescaleAction(env, -env.action_space.high, env.action_space.high)


ray.init(address=arguments.address, num_cpus=None if arguments.address else arguments.workers + 1, log_to_driver=False)
register_env("tracking", make)
options = {"sequences": "synthetic:0-7", "split": "all", "reward": "iou"}
config = (
    PPOConfig()
    .environment("tracking", env_config=options)
    .env_runners(num_env_runners=arguments.workers, num_envs_per_env_runner=4)
    .training(gamma=0.0, lr=3e-4, train_batch_size_per_learner=arguments.steps, minibatch_size=100, num_epochs=4)
    .debugging(seed=0)
)
algorithm = config.build_algo()
for update in range(1, arguments.updates + 1):
    runners = algorithm.train()["env_runners"]
    mean = runners["episode_return_mean"] / runners["episode_len_mean"]
    print(f"update {update}  {runners['num_env_steps_sampled']:.0f} steps  mean IoU {mean:.3f}")
algorithm.stop()
ray.shutdown()
