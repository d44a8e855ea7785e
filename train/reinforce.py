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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from agents import checkpoint
from agents.drlt import DRLT, State, detach_rows
from agents.windows import Windows
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from tracking_env.features import torch_device
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.terminal import print_result
from tracking_env.trackers.checkpoint import newest
from train import parallel, results
from train.config import RunConfig, parse
from train.entry_point import run_main
from train.learner import Learner, NotFiniteError
from train.parallel import ALONE, Group
from train.pictures import show_evaluation
from train.run_directory import RunDirectory
from train.runs import finish_run, open_run
from train.schedule import Progress
from train.seeds import run_seeds


def train(config: RunConfig, group: Group = ALONE) -> bool:
    """One run from flags to report; returns False if it was stopped before its end."""
    torch.manual_seed(config.seed)
    device = torch_device.find(config.device)
    options, schedule = config.reinforce, config.schedule

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
        checkpoint.restore(learner.optimizer, model, saved.optimizer)
    progress = Progress.read(saved.progress) if saved else Progress()
    evaluation: results.Evaluation | None = None
    first_box_rewards = results.first_box_rewards(windows)

    group.wait()  # no process may start to write before all have looked at the run directory
    if group.leads:
        run.start(progress.epoch)
    run.catch_interrupts(once=group.alone)  # torchrun passes Ctrl-C on to processes that have it already

    hidden = None if group.leads else True  # None: shown on a terminal
    bar = tqdm(desc="training", initial=progress.epoch, total=schedule.epochs, unit="epoch", disable=hidden)
    while (phase := schedule.phase(progress)) is not None:
        epoch, lr = progress.epoch, schedule.rate(progress.epoch)
        kind = config.learner if phase.number else "supervised"  # phase 0 is the supervised warm-up
        sigma = schedule.interpolate(options.sigma, options.sigma_end or options.sigma, epoch)
        for parameters in learner.optimizer.param_groups:
            parameters["lr"] = lr
        # Randomness depends on the seed and the epoch alone, so that a resumed run repeats an uninterrupted one.
        order = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        noise_source = torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)
        sums = {name: torch.zeros((), device=device) for name in ("frames", *REWARDS, "empty")}
        norms: list[torch.Tensor] = []
        state: State | None = None
        for chosen, continued in windows.epoch(order):
            # Every process draws the noise of the whole update, so that no box depends on which process samples it.
            shape = options.episodes, len(chosen), config.windows.steps, 4
            noise = torch.randn(shape, generator=noise_source, device=device)
            mine = group.rows(len(chosen))
            rows = list(mine or range(1))
            batch = windows[[chosen[row] for row in rows]]
            if not mine:  # no window is left for this process; it joins in with a window that does not count
                batch = batch._replace(mask=torch.zeros_like(batch.mask))
            # Windows that continue a video get the LSTM's state of the update before, without its gradient.
            continued_here = len(group.rows(continued))
            state = detach_rows(state, continued_here) if state and continued_here else None
            try:
                update = learner.update(batch, noise[:, rows], len(chosen), state, kind, phase.reward, sigma)
            except NotFiniteError as error:
                raise _not_finite(run, epoch, len(norms), [windows.where(row) for row in chosen], error) from None
            state = update.state
            norms += update.norms
            sums["frames"] += batch.mask.sum()
            sums["empty"] += ((update.mean[..., 2:] <= 0).any(dim=-1) * batch.mask).sum()
            for name, reward in update.rewards.items():
                sums[name] += (reward.mean(dim=0) * batch.mask).sum()

        # Log, evaluate and save at the end of the epoch.
        sums = dict(zip(sums, group.sum(torch.stack(list(sums.values()))), strict=True))
        frames = float(sums["frames"])
        scalars = {f"reward/{name}": float(sums[name]) / frames for name in REWARDS}
        scalars |= {f"copy_first_box/{name}": reward for name, reward in first_box_rewards.items()}
        scalars |= {
            "train/gradient_norm": float(torch.stack(norms).mean()),
            "train/learning_rate": lr,
            "train/sigma": sigma,
            "train/phase": phase.number,
            "collapse/empty_boxes": float(sums["empty"]) / frames,
        }
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
            run.log(done, scalars)
        stop = group.any(run.stop_requested)
        if group.leads and (done % schedule.checkpoint_every == 0 or last or stop):
            checkpoint.save(
                run.checkpoints, model, learner.optimizer, extractor.id, done, asdict(config), asdict(progress)
            )
        if stop and not last:
            bar.close()
            run.close()
            if group.leads:
                print_result(f"stopped after epoch {done} and saved; type the same command with --resume to go on")
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
    finish_run(run, data, label(config), evaluation, fps, facts, device)
    return True


def label(config: RunConfig) -> str:
    """The agent's name in tables."""
    return f"DRLT ({config.learner})"


def _not_finite(run: RunDirectory, epoch: int, updates: int, windows: list[str], error: NotFiniteError) -> InputError:
    """The error for an update whose loss or gradient is not finite.

    Args:
        run: the run's directory.
        epoch: number of epochs done.
        updates: number of updates of this epoch done.
        windows: descriptions of the update's windows.
        error: which of them have a loss that is not finite.
    """
    guilty = [windows[number] for number in error.windows]
    cause, named = ("loss", guilty) if guilty else ("gradient", windows)
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return InputError(
        f"the {cause} is not finite in epoch {epoch + 1}, update {updates + 1}: {named[0]}{more}; nothing was learned "
        f"from it, and the checkpoints in {run.checkpoints} are good; try a smaller --lr or --clip-norm 10"
    )


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
