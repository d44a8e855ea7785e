"""Small sequences and episodes for the tests of the environments."""

import gymnasium as gym
import numpy as np

from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import ArrayFrames, Sequence

DRAWN = "synthetic:0-3"
ACTION = np.array([0.5, 0.5, 0.25, 0.25], np.float32)


def make(sequences=DRAWN, **options):
    return gym.make("OTBTrack-v0", sequences=sequences, **options)


def small(length=12, name="small", size=(100, 50), boxes=None, seed=0):
    """A sequence of noise with a box that moves 2 pixels per frame."""
    pixels = np.random.default_rng(seed).integers(0, 256, (length, size[1], size[0], 3), np.uint8)
    moving_boxes = np.tile([11.0, 6, 30, 20], (length, 1)) + np.arange(length)[:, None] * [2, 0, 0, 0]
    return Sequence(name, ArrayFrames(pixels), moving_boxes if boxes is None else boxes)


def roll(env, actions, **reset):
    """Observations, rewards and infos of one episode."""
    observation, info = env.reset(**reset)
    steps = [(observation, 0.0, info)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        assert not terminated
        steps.append((observation, reward, info))
        if truncated:
            break
    return steps


def equal(a, b):
    """Equal trees of dicts, tuples, arrays and plain values."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return np.array_equal(a, b)


def actions(count, seed=0):
    return np.random.default_rng(seed).random((count, 4), np.float32)


def partly_annotated(frames):
    """A sequence of 12 frames with true boxes in these frames only."""
    boxes = small().boxes.copy()
    boxes[np.setdiff1d(np.arange(12), frames)] = 0
    return small(name="partly", boxes=boxes)


def decoded_video(seed, length, size, unknown=()):
    """A drawn video in memory, with no true box in the unknown frames."""
    video = synthetic.generate(seed, length, size)
    boxes = video.boxes.copy()
    boxes[list(unknown)] = 0
    return Sequence(video.name, ArrayFrames(np.stack([video.frames[index] for index in range(length)])), boxes)
