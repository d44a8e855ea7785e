"""Run a random agent for one episode and save a video of it: python examples/random_agent.py

This is the smallest complete loop. Replace the line that samples the action by your agent.
"""

import argparse
from pathlib import Path

import gymnasium as gym

import tracking_env
from tracking_env.rendering import write_video

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("random_agent.mp4"), help="the video file to write")
parser.add_argument("--frames", type=int, default=60, help="length of the episode")
arguments = parser.parse_args()

gym.register_envs(tracking_env)

env = gym.make(
    "OTBTrack-v0",
    sequences="synthetic:0-3",  # drawn videos; for real ones give root="OTB" and their names
    split="all",
    reward="iou",
    clip_length=arguments.frames,
    render_mode="rgb_array",
)
env.action_space.seed(0)
observation, info = env.reset(seed=0)
pictures, rewards = [], []
truncated = False
while not truncated:
    # An action is a box: centre x, centre y, width and height, over the image's width and height.
    action = env.action_space.sample()
    observation, reward, terminated, truncated, info = env.step(action)
    rewards.append(float(reward))
    pictures.append(env.render())
env.close()

write_video(arguments.out, pictures)
print(f"{info['sequence']}: mean IoU {sum(rewards) / len(rewards):.3f} over {len(rewards)} frames, in {arguments.out}")
