"""Train PPO of Stable-Baselines3 and score it as a tracker: python examples/sb3_ppo.py [--steps 20000]

It uses SB3's own networks and vector environment. train/sb3.py trains the same algorithms with normalised features, the
paper's schedule of rewards, a run directory, and this project's table of results.
"""

import argparse

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import tracking_env
from agents.sb3 import SB3Agent
from tracking_env.datasets import loading
from tracking_env.evaluation.scoring import evaluate
from tracking_env.features.extractors import make_extractor
from tracking_env.report.text_tables import format_trackers
from tracking_env.trackers.base import PolicyTracker, run

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=20_000, help="training steps of the environment")
parser.add_argument("--model", help="save the model to this .zip file")
arguments = parser.parse_args()

gym.register_envs(tracking_env)


def to_sb3(env: gym.Env) -> gym.Env:
    """Rescale actions to [-1, 1]: SB3's policies begin at 0, which is then a box in the middle of the image."""
    return gym.wrappers.RescaleAction(env, -env.action_space.high, env.action_space.high)


options = {"sequences": "synthetic:0-15", "split": "all", "reward": "iou"}
envs = make_vec_env("OTBTrack-v0", n_envs=8, seed=0, env_kwargs=options, wrapper_class=to_sb3)
model = PPO(
    "MultiInputPolicy",
    envs,
    n_steps=20,
    batch_size=80,
    gamma=0.0,  # actions do not change later observations
    policy_kwargs={"log_std_init": -2.0},
    seed=0,
)
model.learn(arguments.steps)
if arguments.model:
    model.save(arguments.model)  # score it later: tracking-env evaluate --tracker sb3 --checkpoint FILE --trust

# Track videos that were not trained on, and score the boxes.
sequences = loading.load(None, "synthetic:10000-10002")
tracker = PolicyTracker(SB3Agent(model.policy), make_extractor("grid"))
boxes = {sequence.name: run(tracker, sequence).boxes for sequence in sequences}
truths = {sequence.name: sequence.boxes for sequence in sequences}
training_frames = dict.fromkeys(boxes, 0)  # none of these videos was trained on
print(format_trackers({"SB3 PPO": evaluate(boxes, truths, training_frames)}))
