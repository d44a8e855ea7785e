"""Train an agent of Stable-Baselines3 or sb3-contrib on ``OTBTrack-v0``; test it and report as train/reinforce.py does.

python train/sb3.py                                              # PPO on drawn sequences
python train/sb3.py --algo recurrent_ppo --env-steps 500000
python train/sb3.py --algo sac --root OTB --sequences drlt30 --features yolo-nano-voc --augment 4 --seeds 3
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in train/reinforce.py

import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from tqdm import tqdm

from agents import sb3_checkpoint, sb3_env
from agents.replay import FrameReplayBuffer
from agents.sb3 import ALGORITHMS, SB3Agent, fit_normaliser, policy_options, target_entropy
from agents.sb3_env import SB3VecEnv
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from tracking_env.features import torch_device
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.trackers.checkpoint import newest
from train import results
from train.data import Data, load
from train.ending import ended
from train.flags import flat
from train.run import Run
from train.sb3_callbacks import RewardMeter, RewardSchedule, RunWriter, StopAsked
from train.sb3_config import SB3Config, parse
from train.seeds import several

LINES = 10  # of curves between two evaluations
JUDGED = 32  # training clips on which the best policy is chosen


def train(config: SB3Config) -> bool:
    """One run from flags to report; see `train.run` for what it leaves. False where it was stopped before its end."""
    begun = time.perf_counter()
    device = torch_device.find(config.device)

    # Data and agent: the agent is new, or as the last checkpoint left it.
    data = load(config.data)
    extractor = make_extractor(config.data.features, config.data.weights, config.device)
    run = Run(config, "step")  # refuses what it must before the long work begins
    saved = sb3_checkpoint.load(run.newest) if run.newest else None
    if saved and saved.extractor != extractor.id:
        raise InputError(f"the run in {run.path} was trained on {saved.extractor}, not on {extractor.id}")
    store = FeatureStore(extractor, Path(config.data.store) if config.data.store else None)
    store.build(data.all)
    env = sb3_env.make(
        config.learn.envs,
        sequences=[one for one, _ in data.clips],
        split=data.split,
        features=extractor,
        store=store.folder,
        clip_length=config.clip_length,
    )
    model = new_model(config, env, device)
    if saved:
        saved.restore(model)
    else:
        frames = [torch.tensor(store[one][part.start : part.stop]) for one, part in data.clips]
        fit_normaliser(model.policy, torch.cat(frames).to(device))
    agent = SB3Agent(model.policy)
    best = saved.best if saved else None
    facts = {
        "algorithm": config.algo,
        "features": extractor.dim,
        "hidden": config.policy.hidden,
        "extractor": extractor.id,
        "run": asdict(config),
    }

    others = results.lines(data.testing, data.training, data.unseen)
    run.start(model.num_timesteps)
    run.text("config", "\n".join(f"    {name} = {value}" for name, value in flat(config).items()))
    run.catch_interrupts()
    model.set_logger(Logger(None, [RunWriter(run)]))
    if not saved:
        sb3_checkpoint.save(run.checkpoints, model, facts | {"best": best})

    stop = StopAsked(run)
    callbacks = [RewardSchedule(math.ceil(config.l1_share * config.env_steps)), RewardMeter(), stop]
    bar = tqdm(desc="training", initial=model.num_timesteps, total=config.env_steps, unit="step", disable=None)
    spent, taken = 0.0, model.num_timesteps
    while model.num_timesteps < config.env_steps:
        # Randomness depends on the seed and the step alone, and every part begins with new clips: so a resumed run
        # repeats an uninterrupted one.
        done = model.num_timesteps
        model.set_random_seed((config.seed * 1_000_003 + done) % 2**31)
        model._last_obs = None  # SB3's own sign (in `load`) that the environments are to be reset
        part = min(config.evaluate_every, config.env_steps - done)
        began = time.perf_counter()
        try:
            model.learn(part, callbacks, log_interval(config), reset_num_timesteps=False)
        except ValueError as error:
            if "invalid values" not in str(error):  # as torch's distributions say it of a mean that is not finite
                raise
            raise InputError(
                f"the policy is not finite after step {done}; the checkpoints in {run.checkpoints} are good, try a "
                "smaller --lr"
            ) from None
        spent += time.perf_counter() - began
        if stop.ended:
            return _stopped(run, done)
        bar.update(model.num_timesteps - done)

        report = results.examine(run, model.num_timesteps, results.predict(agent, store, data.testing), data)
        judged = judge(agent, store, data)
        for name, value in (results.scalars(report) | {"eval/training_iou": judged}).items():
            model.logger.record(name, value)
        model.logger.dump(model.num_timesteps)
        bar.set_postfix(training_iou=f"{judged:.3f}", auc=f"{getattr(report.mean['whole'], 'auc', math.nan):.3f}")
        if best is None or judged > best:
            best = judged
            sb3_checkpoint.save(run.path / "best", model, facts | {"best": best}, keep=1, training=False)
        sb3_checkpoint.save(run.checkpoints, model, facts | {"best": best})
        if run.stop_asked and model.num_timesteps < config.env_steps:
            return _stopped(run, model.num_timesteps)
    bar.close()

    for folder in (run.checkpoints, run.path / "best"):
        sb3_checkpoint.export(newest(folder))

    # Report.
    report_facts = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "seconds": time.perf_counter() - begun,
        "env_steps": model.num_timesteps,
        "steps_per_second": (model.num_timesteps - taken) / spent if spent else None,
        "best_training_iou": best,
        "config": asdict(config),
        "dataset": data.facts(),
        "extractor": extractor.id,
    }
    predictions, report, fps = results.test(agent, store, data)
    results.publish(run, predictions, report, fps, data, others, label(config), report_facts)
    run.close()
    env.close()
    return True


def _stopped(run: Run, steps: int) -> bool:
    run.close()
    print(f"stopped; saved is step {steps}: type the same command with --resume to go on from there")
    return False


def new_model(config: SB3Config, env: SB3VecEnv, device: torch.device) -> BaseAlgorithm:
    """The algorithm as its preset and the flags have it."""
    algorithm, learn, sigma = ALGORITHMS[config.algo], config.learn, config.policy.sigma
    options: dict[str, Any] = {"learning_rate": learn.lr, "gamma": learn.gamma}
    if algorithm.off_policy:
        options |= {
            "train_freq": learn.steps,
            "gradient_steps": learn.passes,
            "batch_size": learn.batch,
            "buffer_size": learn.buffer,
            "learning_starts": learn.random_steps,
            "replay_buffer_class": FrameReplayBuffer,
        }
    else:
        options |= {"n_steps": learn.steps, "max_grad_norm": learn.clip_norm, "vf_coef": learn.value_weight}
    if config.algo in ("ppo", "recurrent_ppo"):
        assert learn.batch is not None
        options |= {"batch_size": min(learn.batch, learn.envs * learn.steps), "n_epochs": learn.passes}
    if config.algo == "sac":
        # The entropy's weight starts far below the rewards' range (1 to 2), not at SB3's 1, which would drown them.
        options |= {"target_entropy": target_entropy(sigma), "ent_coef": "auto_0.01"}
    if config.algo == "td3":
        # The critic leads by eight gradients, not by two: an actor that follows one that knows nothing yet ends in a
        # corner of the box, where tanh is flat and no gradient brings it back.
        options |= {"action_noise": NormalActionNoise(np.zeros(4), np.full(4, 2 * sigma)), "policy_delay": 8}
    model = algorithm.made(
        algorithm.policy,
        env,
        policy_kwargs=policy_options(config.algo, config.policy.hidden, sigma),
        seed=config.seed,
        device=device,
        **options,
    )
    model.lr_schedule = lambda _: config.rate(model.num_timesteps)  # SB3's share of progress is of one `learn` alone
    return model


def judge(agent: SB3Agent, store: FeatureStore, data: Data) -> float:
    """What the best policy is chosen by: mean IoU over training clips, each from its first true box.

    It is a reward on what is trained on. Nothing that is tested has a say in the choice.
    """
    scores = []
    for one, part in data.clips[: min(JUDGED, len(data.training))]:
        known = part.start + np.flatnonzero(one.annotated[part.start : part.stop])
        if len(known):
            boxes = agent.track(store[one][known[0] : part.stop], one.relative[known[0]])
            scores.append(REWARDS["iou"](boxes[known - known[0]], one.relative[known]).mean())
    return float(np.mean(scores))


def log_interval(config: SB3Config) -> int:
    """SB3's unit for it is updates where it learns on-policy, and episodes where it does not."""
    steps = config.evaluate_every / LINES
    learn = config.learn
    each = config.clip_length if ALGORITHMS[config.algo].off_policy else learn.envs * learn.steps
    return max(1, round(steps / each))


def label(config: SB3Config) -> str:
    """The agent's name in tables."""
    return ALGORITHMS[config.algo].label


def main(argv: Sequence[str] | None = None) -> int:
    """Run on ``argv``, by default the process's flags; returns exit code 2 where the input cannot be used."""

    def job() -> None:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        config = parse(argv)
        several(config, lambda one, _: train(one), label(config))

    return ended("train/sb3.py", job)


if __name__ == "__main__":
    sys.exit(main())
