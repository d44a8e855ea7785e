"""Train PPO of Stable-Baselines3 and score it as a tracker: python examples/sb3_ppo.py [--steps 40000]

train/sb3.py trains the same algorithms with the paper's schedule of rewards and this project's table of results.
"""

import argparse

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import tracking_env
from tracking_env.datasets import load
from tracking_env.envs import FlatObservation, SymmetricAction, as_tracker
from tracking_env.evaluation import evaluate
from tracking_env.trackers import run

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
IDS = ["OTBTrack-v0", "SyntheticTrack-v0", "OTBTrackPixels-v0"]
parser.add_argument("--id", choices=IDS, default=IDS[0], help="the environment")
parser.add_argument("--steps", type=int, default=40_000, help="training steps of the environment")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--model", help="save the model to this .zip file")
arguments = parser.parse_args()

gym.register_envs(tracking_env)
is_picture = arguments.id == "OTBTrackPixels-v0"


def make_ready(env: gym.Env) -> gym.Env:
    """A normalised vector, and actions in [-1, 1]: SB3's policies begin at 0, a box in the middle of the image."""
    return SymmetricAction(env) if is_picture else FlatObservation(SymmetricAction(env))


options = {} if arguments.id == "SyntheticTrack-v0" else {"sequences": "synthetic:0-63", "split": "all"}
options["reward"] = "l1"
envs = make_vec_env(arguments.id, n_envs=8, seed=arguments.seed, env_kwargs=options, wrapper_class=make_ready)
model = PPO(
    "MultiInputPolicy" if is_picture else "MlpPolicy",
    envs,
    n_steps=40,
    batch_size=80,
    gamma=0.0,  # actions do not change later observations
    policy_kwargs={"log_std_init": -1.5},  # SB3's deviation of 1 is as wide as the whole image
    seed=arguments.seed,
    device="cpu",
)
model.learn(arguments.steps)
if arguments.model:
    model.save(arguments.model)  # score it later: tracking-env evaluate --tracker sb3 --checkpoint FILE --trust

# Track videos that were not trained on, and score the boxes.
sequences = load(sequences="synthetic:10000-10019")
env = make_ready(gym.make(arguments.id, **options))
tracker = as_tracker(lambda seen: model.predict(seen, deterministic=True)[0], env)
boxes = {sequence.name: run(tracker, sequence).boxes for sequence in sequences}
truths = {sequence.name: sequence.boxes for sequence in sequences}
score = evaluate(boxes, truths, dict.fromkeys(boxes, 0)).mean["whole"]
print(f"SB3 PPO: mean IoU {score.mean_iou:.3f}, AUC {score.auc:.3f} on {len(sequences)} videos that it never saw")
