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

from agents import checkpoint
from agents.drlt import DRLT, State, kept
from agents.windows import Windows
from tracking_env.envs.rewards import REWARDS
from tracking_env.errors import InputError
from tracking_env.features import torch_device
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.trackers.checkpoint import newest
from train import parallel, results
from train.config import RunConfig, parse
from train.data import load
from train.ending import ended
from train.flags import flat
from train.learner import Learner, NotFiniteError
from train.parallel import ALONE, Group
from train.run import Run
from train.schedule import Progress
from train.seeds import several


def train(config: RunConfig, group: Group = ALONE) -> bool:
    """One run from flags to report; see `train.run` for what it leaves. False where it was stopped before its end."""
    begun = time.perf_counter()
    torch.manual_seed(config.seed)
    device = torch_device.find(config.device)
    options, schedule = config.reinforce, config.schedule

    # Data and agent: the agent is new, or as the last checkpoint left it.
    data = load(config.data)
    extractor = make_extractor(config.data.features, config.data.weights, config.device)
    run = Run(config)  # refuses what it must before the long work begins
    saved = checkpoint.load(run.newest, device) if run.newest else None
    if saved and saved.extractor != extractor.id:
        raise InputError(f"the run in {run.path} was trained on {saved.extractor}, not on {extractor.id}")
    store = FeatureStore(extractor, Path(config.data.store) if config.data.store else None)
    store.build(data.all, progress=group.leads)  # of several processes each extracts what no other is at
    windows = Windows(
        [store[one][part.start : part.stop] for one, part in data.clips],
        [one.relative[part.start : part.stop] for one, part in data.clips],
        config.windows,
        device,
        [one.name for one, _ in data.clips],
    )
    model = saved.model if saved else DRLT(extractor.dim, config.network).to(device)
    if not saved:
        model.fit_normaliser(windows.features)
    learner = Learner(model, config, group)
    if saved:
        checkpoint.restore(learner.optimizer, model, saved.optimizer)
    progress = Progress.read(saved.progress) if saved else Progress()

    others = results.lines(data.testing, data.training, data.unseen)
    copied = results.copy_first_box(windows)
    group.wait()  # until all have looked at the run directory
    if group.leads:
        run.start(progress.epoch)
        run.text("config", "\n".join(f"    {name} = {value}" for name, value in flat(config).items()))
    run.catch_interrupts(once=group.alone)  # torchrun passes Ctrl-C on to processes that have it already

    hidden = None if group.leads else True  # None: shown on a terminal
    bar = tqdm(desc="training", initial=progress.epoch, total=schedule.epochs, unit="epoch", disable=hidden)
    while (phase := schedule.phase(progress)) is not None:
        epoch, lr = progress.epoch, schedule.rate(progress.epoch)
        kind = config.learner if phase.number else "supervised"
        annealed = schedule.between(options.sigma, options.sigma_end or options.sigma, epoch)
        for parameters in learner.optimizer.param_groups:
            parameters["lr"] = lr
        # Randomness depends on the seed and the epoch alone, so that a resumed run repeats an uninterrupted one.
        order = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        noise = torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)
        totals = {name: torch.zeros((), device=device) for name in ("frames", *REWARDS, "empty")}
        norms: list[torch.Tensor] = []
        state: State | None = None
        for chosen, carried in windows.epoch(order):
            # Drawn for the whole update by every process, so that no box depends on who draws it.
            shape = options.episodes, len(chosen), config.windows.steps, 4
            drawn = torch.randn(shape, generator=noise, device=device)
            mine = group.rows(len(chosen))
            rows = list(mine or range(1))  # a process for which none is left goes along with the first, unweighted
            batch = windows[[chosen[row] for row in rows]]
            if not mine:
                batch = batch._replace(mask=torch.zeros_like(batch.mask))
            before = kept(state, len(group.rows(carried))) if state and group.rows(carried) else None
            try:
                update = learner.update(batch, drawn[:, rows], len(chosen), before, kind, phase.reward, annealed)
            except NotFiniteError as error:
                raise _not_finite(run, epoch, len(norms), [windows.where(one) for one in chosen], error) from None
            state = update.state
            norms += update.norms
            totals["frames"] += batch.mask.sum()
            totals["empty"] += ((update.mean[..., 2:] <= 0).any(dim=-1) * batch.mask).sum()
            for name, reward in update.rewards.items():
                totals[name] += (reward.mean(dim=0) * batch.mask).sum()

        totals = dict(zip(totals, group.sum(torch.stack(list(totals.values()))), strict=True))
        frames = float(totals["frames"])
        scalars = {f"reward/{name}": float(totals[name]) / frames for name in REWARDS}
        scalars |= {f"copy_first_box/{name}": reward for name, reward in copied.items()}
        scalars |= {
            "train/gradient_norm": float(torch.stack(norms).mean()),
            "train/learning_rate": lr,
            "train/sigma": annealed,
            "train/phase": phase.number,
            "collapse/empty_boxes": float(totals["empty"]) / frames,
        }
        progress = schedule.after(progress, scalars[f"reward/{phase.reward}"])
        done, last = progress.epoch, schedule.phase(progress) is None
        bar.update()
        if group.leads and (done % schedule.evaluate_every == 0 or last):
            model.eval()
            report = results.examine(run, done, results.predict(model, store, data.testing), data)
            scalars |= results.scalars(report)
            bar.set_postfix(reward=f"{scalars[f'reward/{phase.reward}']:.3f}", auc=f"{scalars['eval/auc_whole']:.3f}")
            model.train()
        if group.leads:
            run.log(done, scalars)
        stop = group.any(run.stop_asked)
        if group.leads and (done % schedule.checkpoint_every == 0 or last or stop):
            of, where = (model, learner.optimizer, extractor.id), asdict(progress)
            checkpoint.save(run.checkpoints, *of, done, asdict(config), where)
        if stop and not last:
            bar.close()
            run.close()
            if group.leads:
                print(f"stopped after epoch {done} and saved; type the same command with --resume to go on")
            return False
    bar.close()
    if not group.leads:
        run.close()
        return True

    checkpoint.export(newest(run.checkpoints))

    # Report.
    facts = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "seconds": time.perf_counter() - begun,
        "epochs": progress.epoch,
        "config": asdict(config),
        "dataset": data.facts(),
        "extractor": extractor.id,
    }
    predictions, report, fps = results.test(model, store, data)
    results.publish(run, predictions, report, fps, data, others, label(config), facts)
    run.close()
    return True


def label(config: RunConfig) -> str:
    """The agent's name in tables."""
    return f"DRLT ({config.learner})"


def _not_finite(run: Run, epoch: int, updates: int, windows: list[str], error: NotFiniteError) -> InputError:
    """What to say of an update of these windows whose loss or gradient is not finite; a full stop before the step."""
    guilty = [windows[number] for number in error.windows]
    what, named = ("loss", guilty) if guilty else ("gradient", windows)
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return InputError(
        f"the {what} is not finite in epoch {epoch + 1}, update {updates + 1}: {named[0]}{more}; nothing was learned "
        f"from it, and the checkpoints in {run.checkpoints} are good; try a smaller --lr or --clip-norm 10"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run on ``argv``, by default the process's flags; returns exit code 2 where the input cannot be used."""
    group = ALONE

    def job() -> None:
        nonlocal group
        with parallel.joined() as group:
            logging.basicConfig(format="%(message)s", level=logging.WARNING if group.leads else logging.ERROR)
            config = parse(argv)
            several(config, train, label(config), group)

    return ended("train/reinforce.py", job, lambda: group.speaks())


if __name__ == "__main__":
    sys.exit(main())
