"""A random agent, and a video of it: python examples/random_agent.py [--out random_agent.mp4] [--frames 60]

The smallest loop there is; put your agent where the action is drawn.
"""

import argparse
from pathlib import Path

import gymnasium as gym

import tracking_env  # noqa: F401  # registers the ids
from tracking_env.rendering import write_video

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("random_agent.mp4"), help="the video")
parser.add_argument("--frames", type=int, default=60, help="length of the episode")
arguments = parser.parse_args()

env = gym.make(
    "OTBTrack-v0",
    sequences="synthetic:0-3",
    split="all",
    reward="iou",
    clip_length=arguments.frames,
    render_mode="rgb_array",
)
observation, info = env.reset(seed=0)
env.action_space.seed(0)
pictures, total, truncated = [], 0.0, False
while not truncated:
    action = env.action_space.sample()  # your agent: centre x, centre y, width, height, relative to the image
    observation, reward, terminated, truncated, info = env.step(action)
    total += float(reward)
    pictures.append(env.render())
env.close()

write_video(arguments.out, pictures)
print(f"{info['sequence']}: mean IoU {total / len(pictures):.3f} over {len(pictures)} frames, in {arguments.out}")
