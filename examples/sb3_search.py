"""Train Stable-Baselines3 in the closed loop and film it on a new video: python examples/sb3_search.py [--algo sac]

It writes the model, its learning curve and an animation: red is the agent's box, green the true one. Score the model
on real video: tracking-env evaluate --tracker sb3 --checkpoint search.zip --trust --root OTB --out results
"""

import argparse
from pathlib import Path

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.monitor import Monitor

import tracking_env
from tracking_env.datasets import load
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.evaluation import evaluate
from tracking_env.rendering import draw
from tracking_env.trackers import run

ALGORITHMS = {"ppo": PPO, "a2c": A2C, "sac": SAC, "td3": TD3}
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--algo", choices=ALGORITHMS, default="ppo", help="with its own defaults")
parser.add_argument("--steps", type=int, default=40_960, help="training steps of the environment")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path("search"), help="folder for model, curve and animation")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)

gym.register_envs(tracking_env)
env = gym.make("OTBTrackSearch-v0", sequences="synthetic:0-63", split="all", clip_length=20)
env = Monitor(FlatObservation(SymmetricAction(env)))  # keeps each episode's return
model = ALGORITHMS[arguments.algo]("MlpPolicy", env, seed=arguments.seed, device="cpu")
model.learn(arguments.steps)
model.save(arguments.out / "search.zip")

rewards, lengths = np.array(env.get_episode_rewards()), np.array(env.get_episode_lengths())
recent = np.ones(min(100, len(rewards)))  # the mean of the last 100 episodes
means = np.convolve(rewards, recent, "valid") / np.convolve(lengths, recent, "valid")
plt.plot(lengths.cumsum()[len(recent) - 1 :], means)
plt.xlabel("environment steps")
plt.ylabel("mean IoU while exploring")
plt.savefig(arguments.out / "curve.png")

tracker = as_tracker(lambda observation: model.predict(observation, deterministic=True)[0], env)
sequences = load(sequences="synthetic:10000-10019")
boxes = {sequence.name: run(tracker, sequence).boxes for sequence in sequences}
truths = {sequence.name: sequence.boxes for sequence in sequences}
score = evaluate(boxes, truths, dict.fromkeys(boxes, 0)).mean["whole"]
print(f"mean IoU {score.mean_iou:.3f}, AUC {score.auc:.3f} on {len(sequences)} videos that it was not trained on")
first = sequences[0]
pictures = []
for index, box in enumerate(boxes[first.name]):
    pictures.append(Image.fromarray(draw(first.frames[index], {"truth": first.boxes[index], "agent": box})))
pictures[0].save(arguments.out / "search.gif", save_all=True, append_images=pictures[1:], duration=60, loop=0)
