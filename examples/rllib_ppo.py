"""Train PPO of Ray RLlib, with environments on the workers of a cluster: python examples/rllib_ppo.py

Use RLlib if one machine is too small for *sampling*: many environments, slow extractors, sweeps over many trials. If
the *network* takes the time, use `torchrun train/reinforce.py`, which shares a training step between several GPUs. With
stored features sampling is cheap: try the vector environment (examples/ppo.py) first.

Needs Ray: pip install -e '.[rllib]'
"""

import argparse

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--address", help="of a running cluster, or auto; by default one is started here")
parser.add_argument("--workers", type=int, default=2, help="processes that run environments, anywhere on the cluster")
parser.add_argument("--updates", type=int, default=5, help="training updates")
parser.add_argument("--steps", type=int, default=1000, help="steps of the environments in each update")
arguments = parser.parse_args()


def make_env(config: dict) -> gym.Env:
    """Runs on a worker, on which tracking-env and the data must be installed too."""
    import tracking_env  # noqa: F401  (registers the ids)

    env = gym.make("OTBTrack-v0", **config)
    env = gym.wrappers.FlattenObservation(env)  # features and location as one vector
    return gym.wrappers.RescaleAction(env, -env.action_space.high, env.action_space.high)


ray.init(address=arguments.address, num_cpus=None if arguments.address else arguments.workers + 1, log_to_driver=False)
register_env("tracking", make_env)
options = {"sequences": "synthetic:0-7", "split": "all", "reward": "iou"}
config = (
    PPOConfig()
    .environment("tracking", env_config=options)
    .env_runners(num_env_runners=arguments.workers, num_envs_per_env_runner=4)
    # gamma is 0 because actions do not change later observations.
    .training(gamma=0.0, lr=3e-4, train_batch_size_per_learner=arguments.steps, minibatch_size=100, num_epochs=4)
    .debugging(seed=0)
)
algorithm = config.build_algo()
for update in range(1, arguments.updates + 1):
    metrics = algorithm.train()["env_runners"]
    mean_iou = metrics["episode_return_mean"] / metrics["episode_len_mean"]
    print(f"update {update}  {metrics['num_env_steps_sampled']:.0f} steps  mean IoU {mean_iou:.3f}")
algorithm.stop()
ray.shutdown()
