"""Train an agent of Stable-Baselines3 or sb3-contrib; test it and report as train/reinforce.py does.

python train/sb3.py                                              # PPO in OTBTrack-v0, on drawn sequences
python train/sb3.py --env OTBTrackSearch-v0                      # in a closed loop
python train/sb3.py --algo recurrent_ppo --env-steps 500000
python train/sb3.py --algo sac --root OTB --sequences drlt30 --features yolo-nano-voc --augment 4 --seeds 3
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

# Threads that wait must sleep: spinning ones make training ten times slower wherever another program runs too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecMonitor
from tqdm import tqdm

from agents.checkpoints import sb3 as sb3_checkpoint
from agents.replay import FlatReplayBuffer, FrameReplayBuffer
from agents.sb3 import ALGORITHMS, flat_policy_options, policy_options, set_sigma
from agents.sb3_env import SB3VecEnv, ScaledReward
from tracking_env.errors import InputError
from tracking_env.features import torch_device
from tracking_env.trackers.checkpoint import newest
from train.run import results
from train.run.entry_point import run_main
from train.run.pictures import show_evaluation
from train.run.seeds import run_seeds
from train.run.steps import finish_run, open_run, stop_run
from train.sb3_callbacks import LogWriter, RewardLogger, RewardSwitch, SigmaSchedule, StopOnRequest, UpdateCheck
from train.sb3_config import SB3Config, parse
from train.sb3_tasks import make_task

LOG_LINES = 10
"""Number of logged lines between two evaluations."""


def train(config: SB3Config) -> bool:
    """One run from flags to report; returns False if it was stopped before its end."""
    device = torch_device.find(config.device)

    # Data and environments.
    run, data = open_run(config, "step")
    task = make_task(config, data)
    saved = sb3_checkpoint.load(run.newest) if run.newest else None
    if saved:
        run.check_extractor(saved.extractor, task.extractor)

    # Agent: new, or as the last checkpoint left it.
    model = make_model(config, task.env, device)
    if saved:
        saved.restore(model)
    else:
        task.begin(model, device)
    best = saved.best if saved else None
    evaluation: results.Evaluation | None = None
    about = {
        "algorithm": config.algo,
        "features": task.features,
        "hidden": config.policy.hidden,
        "extractor": task.extractor,
        "run": asdict(config),
    }
    if task.actions is not None:
        about |= {"environment": config.env, "actions": task.actions}

    run.start(model.num_timesteps)
    run.catch_interrupts()
    model.set_logger(Logger(None, [LogWriter(run)]))
    if not saved:  # so that a run which is stopped before its first evaluation can be resumed
        sb3_checkpoint.save(run.checkpoints, model, about | {"best": best})

    stop = StopOnRequest(run)
    updates = math.ceil(config.env_steps / (config.learn.envs * config.learn.steps))
    callbacks = [
        RewardSwitch(math.ceil(config.l1_share * config.env_steps)),
        RewardLogger(),
        UpdateCheck(updates),
        stop,
    ]
    if config.policy.sigma_end is not None:
        unit = action_unit(config)
        callbacks.append(SigmaSchedule(lambda steps: unit * config.sigma(steps)))
    bar = tqdm(desc="training", initial=model.num_timesteps, total=config.env_steps, unit="step", disable=None)
    learning_seconds, first_step = 0.0, model.num_timesteps
    while model.num_timesteps < config.env_steps:
        # Randomness depends on the seed and the step alone, and every part begins with new clips, so that a resumed run
        # repeats an uninterrupted one.
        done = model.num_timesteps
        model.set_random_seed((config.seed * 1_000_003 + done) % 2**31)
        model.ep_info_buffer = None  # the episodes of the part before
        model._last_obs = None  # SB3's `load` marks in the same way that the environments must be reset
        part = min(config.evaluate_every, config.env_steps - done)
        began = time.perf_counter()
        try:
            model.learn(part, callbacks, log_interval(config), reset_num_timesteps=False)
        except ValueError as error:
            if "invalid values" not in str(error):  # torch's distributions raise this for a mean that is not finite
                raise
            raise InputError(
                f"the policy is not finite after step {done}; the checkpoints in {run.checkpoints} are good, try a "
                "smaller --lr"
            ) from None
        learning_seconds += time.perf_counter() - began
        if stop.stopped:
            return stop_run(run, done)
        bar.update(model.num_timesteps - done)

        # Evaluate on the test sequences; choose the best policy on training clips.
        evaluation = task.evaluate(model.policy)
        show_evaluation(run, model.num_timesteps, evaluation, data)
        training_iou = task.validate(model.policy)
        scalars = results.evaluation_scalars(evaluation.report) | {"eval/training_iou": training_iou}
        for name, value in scalars.items():
            model.logger.record(name, value)
        model.logger.dump(model.num_timesteps)
        auc = getattr(evaluation.report.mean["whole"], "auc", math.nan)
        bar.set_postfix(training_iou=f"{training_iou:.3f}", auc=f"{auc:.3f}")
        if best is None or training_iou > best:
            best = training_iou
            sb3_checkpoint.save(run.path / "best", model, about | {"best": best}, keep=1, training=False)
        sb3_checkpoint.save(run.checkpoints, model, about | {"best": best})
        if run.stop_requested and model.num_timesteps < config.env_steps:
            return stop_run(run, model.num_timesteps)
    bar.close()

    for folder in (run.checkpoints, run.path / "best"):
        sb3_checkpoint.export(newest(folder))

    # Report on the last evaluation; there is none yet if the run had only its report left to write.
    evaluation = evaluation or task.evaluate(model.policy)
    fps = task.speed(model.policy, results.median_sequence(evaluation.report, data.testing))
    facts = {
        "env_steps": model.num_timesteps,
        "steps_per_second": (model.num_timesteps - first_step) / learning_seconds if learning_seconds else None,
        "best_training_iou": best,
        "extractor": task.extractor,
    }
    untrained = make_model(config, task.env, device)
    task.begin(untrained, device)
    finish_run(run, data, label(config), evaluation, fps, facts, task.evaluate(untrained.policy), device)
    task.env.close()
    return True


def make_model(config: SB3Config, env: SB3VecEnv, device: torch.device) -> BaseAlgorithm:
    """The algorithm with the options of a configuration."""
    algorithm, learn, sigma = ALGORITHMS[config.algo], config.learn, config.policy.sigma
    is_frames = config.env == "OTBTrack-v0"
    options: dict[str, Any] = {"learning_rate": learn.lr, "gamma": learn.gamma}
    if algorithm.off_policy:
        options |= {
            "train_freq": learn.steps,
            "gradient_steps": learn.passes,
            "batch_size": learn.batch,
            "buffer_size": learn.buffer,
            "learning_starts": learn.random_steps,
            "replay_buffer_class": FrameReplayBuffer if is_frames else FlatReplayBuffer,
        }
    else:
        options |= {"n_steps": learn.steps, "max_grad_norm": learn.clip_norm, "vf_coef": learn.value_weight}
        options["normalize_advantage"] = True
    if config.algo in ("ppo", "recurrent_ppo"):
        assert learn.batch is not None
        options |= {"batch_size": min(learn.batch, learn.envs * learn.steps), "n_epochs": learn.passes}
    if config.algo == "sac":
        # SB3 starts the entropy's weight at 1, which would drown rewards in a range of 1 to 2.
        options["ent_coef"] = f"auto_{0.01 * learn.reward_scale}"
    if config.algo == "td3" and is_frames:
        # The critic leads by eight gradients instead of SB3's two: an actor that follows an untrained critic ends in a
        # corner of the box, where tanh is flat and no gradient brings it back.
        options["policy_delay"] = 8
    make_options = policy_options if is_frames else flat_policy_options
    model = algorithm.algorithm_class(
        algorithm.policy if is_frames else algorithm.flat_policy,
        ScaledReward(VecMonitor(env), learn.reward_scale),  # the monitor inside: rollout/ep_rew_mean is not scaled
        policy_kwargs=make_options(config.algo, config.policy.hidden, sigma),
        seed=config.seed,
        device=device,
        **options,
    )
    if isinstance(model, OffPolicyAlgorithm):
        if isinstance(model.replay_buffer, FrameReplayBuffer):
            model.replay_buffer.reward_scale = learn.reward_scale
        set_sigma(model, action_unit(config) * sigma)
    model.lr_schedule = lambda _: config.rate(model.num_timesteps)  # SB3's own progress covers a single call of `learn`
    return model


def action_unit(config: SB3Config) -> int:
    """A relative box unit in the units of actions: SB3's [-1, 1] is twice as wide as [0, 1]."""
    return 2 if config.env == "OTBTrack-v0" else 1


def log_interval(config: SB3Config) -> int:
    """The interval between logged lines in SB3's unit: updates of on-policy algorithms, episodes of the others."""
    steps = config.evaluate_every / LOG_LINES
    learn = config.learn
    steps_per_unit = config.clip_length if ALGORITHMS[config.algo].off_policy else learn.envs * learn.steps
    return max(1, round(steps / steps_per_unit))


def label(config: SB3Config) -> str:
    """The agent's name in tables."""
    name = ALGORITHMS[config.algo].label
    return name if config.env == "OTBTrack-v0" else f"{name} in {config.env}"


def main(args: Sequence[str] | None = None) -> int:
    """Train with these flags, by default those of this process; returns the exit code, see `run_main`."""

    def work(flags: list[str]) -> None:
        config = parse(flags)
        run_seeds(config, lambda seed_config, _: train(seed_config), label(config))

    return run_main("train/sb3.py", work, args)


if __name__ == "__main__":
    sys.exit(main())
