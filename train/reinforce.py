"""Train DRLT with REINFORCE (Algorithm 1), test it, write a report.

python train/reinforce.py                                            # drawn sequences, minutes on a CPU
python train/reinforce.py --preset small --root OTB --sequences drlt30 --features yolo-nano-voc --weights FILE
python train/reinforce.py --preset paper --root OTB --sequences drlt30 --device cuda
torchrun --nproc-per-node 4 train/reinforce.py --preset paper --batch 32    # the same run, each update on four GPUs
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

# Threads that wait must sleep: spinning ones make training ten times slower wherever another program runs too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from agents.checkpoints import drlt as checkpoint
from agents.checkpoints.base import restore
from agents.drlt import DRLT
from agents.windows import Windows
from tracking_env.features import torch_device
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.trackers.checkpoint import newest
from train.config import RunConfig, parse
from train.epoch import run_epoch
from train.learner import Learner
from train.run import parallel, results
from train.run.entry_point import run_main
from train.run.parallel import ALONE, Group
from train.run.pictures import show_evaluation
from train.run.schedule import Progress
from train.run.seeds import run_seeds
from train.run.steps import finish_run, open_run, stop_run


def train(config: RunConfig, group: Group = ALONE) -> bool:
    """One run from flags to report; returns False if it was stopped before its end."""
    torch.manual_seed(config.seed)
    device = torch_device.find(config.device)
    schedule = config.schedule
    # By default cuDNN rounds the LSTM's products to 10 bits; then a GPU would not give the CPU's numbers.
    torch.backends.cudnn.allow_tf32 = False

    # Data: features are extracted once, and cut into windows of T frames.
    run, data = open_run(config, "epoch")
    extractor = make_extractor(config.data.features, config.data.weights, config.device)
    saved = checkpoint.load(run.newest, device) if run.newest else None
    if saved:
        run.check_extractor(saved.extractor, extractor.id)
    store = FeatureStore(extractor, Path(config.data.store) if config.data.store else None)
    store.build(data.all, progress=group.leads)  # several processes share the work
    windows = Windows(
        [store[sequence][part.start : part.stop] for sequence, part in data.clips],
        [sequence.relative[part.start : part.stop] for sequence, part in data.clips],
        config.windows,
        device,
        [sequence.name for sequence, _ in data.clips],
    )

    # Agent: new, or as the last checkpoint left it.
    model = saved.model if saved else DRLT(extractor.dim, config.network).to(device)
    if not saved:
        model.fit_normaliser(windows.features)
    learner = Learner(model, config, group)
    if saved:
        restore(learner.optimizer, model, saved.optimizer)
    progress = Progress.read(saved.progress) if saved else Progress()
    evaluation: results.Evaluation | None = None
    first_box_rewards = results.first_box_rewards(windows)

    run.env_steps = int(windows.mask.sum()) * config.reinforce.episodes  # sampled boxes of an epoch
    group.wait()  # no process may start to write before all have looked at the run directory
    if group.leads:
        run.start(progress.epoch)
    run.catch_interrupts(once=group.alone)  # torchrun passes Ctrl-C on to processes that have it already

    hidden = None if group.leads else True  # None: shown on a terminal
    bar = tqdm(desc="training", initial=progress.epoch, total=schedule.epochs, unit="epoch", disable=hidden)
    while (phase := schedule.phase(progress)) is not None:
        begun = time.perf_counter()
        scalars = run_epoch(learner, windows, phase, progress.epoch)
        clocks = {"time/fps": run.env_steps / (time.perf_counter() - begun)}
        scalars |= {f"copy_first_box/{name}": reward for name, reward in first_box_rewards.items()}

        # Log, evaluate and save at the end of the epoch.
        progress = schedule.after(progress, scalars[f"reward/{phase.reward}"])
        done, last = progress.epoch, schedule.phase(progress) is None
        bar.update()
        if group.leads and (done % schedule.evaluate_every == 0 or last):
            model.eval()
            evaluation = results.evaluate_agent(model, store, data)
            model.train()
            show_evaluation(run, done, evaluation, data)
            scalars |= results.evaluation_scalars(evaluation.report)
            bar.set_postfix(reward=f"{scalars[f'reward/{phase.reward}']:.3f}", auc=f"{scalars['eval/auc_whole']:.3f}")
        if group.leads:
            run.log(done, scalars, clocks)
        stop = group.any(run.stop_requested)
        if group.leads and (done % schedule.checkpoint_every == 0 or last or stop):
            checkpoint.save(
                run.checkpoints, model, learner.optimizer, extractor.id, done, asdict(config), asdict(progress)
            )
        if stop and not last:
            bar.close()
            if group.leads:
                return stop_run(run, done)
            run.close()
            return False
    bar.close()
    if not group.leads:
        run.close()
        return True

    checkpoint.export(newest(run.checkpoints))

    # Report on the last evaluation; there is none yet if the run had only its report left to write.
    evaluation = evaluation or results.evaluate_agent(model, store, data)
    fps = results.measure_speed(model, store, results.median_sequence(evaluation.report, data.testing))
    facts = {"epochs": progress.epoch, "extractor": extractor.id}
    torch.manual_seed(config.seed)
    untrained = DRLT(extractor.dim, config.network).to(device)
    untrained.fit_normaliser(windows.features)
    finish_run(run, data, label(config), evaluation, fps, facts, results.evaluate_agent(untrained, store, data), device)
    return True


def label(config: RunConfig) -> str:
    """The agent's name in tables."""
    return f"DRLT ({config.learner})"


def main(args: Sequence[str] | None = None) -> int:
    """Train with these flags, by default those of this process; returns the exit code, see `run_main`."""
    group = ALONE

    def work(flags: list[str]) -> None:
        nonlocal group
        with parallel.joined() as group:
            logging.getLogger().setLevel(logging.WARNING if group.leads else logging.ERROR)
            config = parse(flags)
            run_seeds(config, train, label(config), group)

    code = run_main("train/reinforce.py", work, args, lambda: group.reports())
    parallel.leave(failed=code != 0)
    return code


if __name__ == "__main__":
    sys.exit(main())
