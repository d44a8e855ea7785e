"""Train DRLT with REINFORCE (Algorithm 1), test it, write a report.

python train/reinforce.py                                            # drawn sequences, minutes on a CPU
python train/reinforce.py --preset small --root OTB --sequences drlt30 --features yolo-nano-voc --weights FILE
python train/reinforce.py --preset paper --root OTB --sequences drlt30 --device cuda
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

from agents import checkpoint, reinforce, supervised
from agents.drlt import DRLT, State
from agents.windows import Windows
from tracking_env import dataset
from tracking_env.augment import cropped
from tracking_env.errors import InputError
from tracking_env.features import make_extractor
from tracking_env.report import table
from tracking_env.rewards import REWARDS
from tracking_env.store import FeatureStore
from train import results
from train.config import RunConfig, flat, parse
from train.run import Run


def train(config: RunConfig) -> None:
    """One run from flags to report; see `train.run` for what it leaves."""
    begun = time.perf_counter()
    torch.manual_seed(config.seed)
    device = torch.device(_device(config.device))
    data, schedule = config.data, config.schedule

    # Data: what is trained on, and what is tested on.
    training = dataset.load(data.root, data.sequences)
    zero_shot = data.test_sequences is not None
    testing = dataset.load(data.root, data.test_sequences) if zero_shot else training
    clips = [(one, one.part("all" if zero_shot else "train")) for one in training]
    copies = [cropped(one, part, number) for one, part in clips for number in range(data.augment)]
    clips += [(one, one.part("all")) for one in copies]
    extractor = make_extractor(data.features, data.weights)
    run = Run(config, device)  # refuses what it must before the long work begins
    store = FeatureStore(extractor, Path(data.store) if data.store else None)
    store.build({one.name: one for one in (*training, *testing, *copies)}.values())
    windows = Windows(
        [store[one][part.start : part.stop] for one, part in clips],
        [one.relative[part.start : part.stop] for one, part in clips],
        config.windows,
        device,
    )

    # Agent: new, or as the last checkpoint left it.
    if run.checkpoint:
        if run.checkpoint.extractor != extractor.id:
            raise InputError(f"the run in {run.path} was trained on {run.checkpoint.extractor}, not on {extractor.id}")
        model = run.checkpoint.model
    else:
        model = DRLT(extractor.dim, config.network).to(device)
        model.fit_normaliser(windows.features)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.lr)
    if run.checkpoint:
        checkpoint.restore(optimizer, model, run.checkpoint.optimizer)
    done = run.checkpoint.epoch if run.checkpoint else 0

    others = results.lines(testing, training, zero_shot)
    copied = _copy_first_box(windows)
    run.start()
    run.text("config", "\n".join(f"    {name} = {value}" for name, value in flat(config).items()))
    run.catch_interrupts()

    progress = tqdm(
        range(done, schedule.epochs), "training", initial=done, total=schedule.epochs, unit="epoch", disable=None
    )
    for epoch in progress:
        reward_name, lr = schedule.reward(epoch), schedule.rate(epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr
        # Randomness depends on the seed and the epoch alone, so that a resumed run repeats an uninterrupted one.
        order = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        noise = torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)
        totals = {name: torch.zeros((), device=device) for name in ("frames", *REWARDS, "gradient", "empty")}
        state: State | None = None
        updates = 0
        for chosen, carried in windows.epoch(order):
            batch = windows[chosen]
            if state is not None:
                state = _carry(state, carried, len(chosen))
            mean, state = model(batch.features, batch.location, state)
            state = (state[0].detach(), state[1].detach())
            actions = reinforce.sample(mean, config.reinforce, noise)
            rewards = {name: formula(actions, batch.truth) for name, formula in REWARDS.items()}
            advantages = reinforce.advantage(rewards[reward_name])
            if config.learner == "reinforce":
                loss = reinforce.loss(mean, actions, advantages, config.reinforce.sigma, batch.mask)
            else:
                loss = supervised.loss(mean, batch.truth, reward_name, batch.mask)
            if not torch.isfinite(loss):
                raise InputError(
                    f"the loss is not finite in epoch {epoch + 1}, update {updates + 1}; the checkpoints in "
                    f"{run.checkpoints} are good; try a smaller --lr or --clip-norm 10"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm or torch.inf)
            optimizer.step()

            updates += 1
            totals["frames"] += batch.mask.sum()
            totals["gradient"] += norm
            totals["empty"] += ((mean[..., 2:] <= 0).any(dim=-1) * batch.mask).sum()
            for name, value in rewards.items():
                totals[name] += (value.mean(dim=0) * batch.mask).sum()

        frames = float(totals["frames"])
        scalars = {f"reward/{name}": float(totals[name]) / frames for name in REWARDS}
        scalars |= {f"copy_first_box/{name}": value for name, value in copied.items()}
        scalars |= {
            "train/gradient_norm": float(totals["gradient"]) / updates,
            "train/learning_rate": lr,
            "collapse/empty_boxes": float(totals["empty"]) / frames,
        }
        done, last = epoch + 1, epoch + 1 == schedule.epochs
        if done % schedule.evaluate_every == 0 or last:
            model.eval()
            predictions = results.predict(model, store, testing)
            report = results.score(predictions, testing, zero_shot)
            scalars |= results.scalars(report)
            shown = results.median(report, testing)
            run.picture(done, "overlay", results.film_strip(shown, predictions[shown.name]))
            progress.set_postfix(
                reward=f"{scalars[f'reward/{reward_name}']:.3f}", auc=f"{scalars['eval/auc_whole']:.3f}"
            )
            model.train()
        run.log(done, scalars)
        if done % schedule.checkpoint_every == 0 or last or run.stop_asked:
            checkpoint.save(run.checkpoints, model, optimizer, extractor.id, done, asdict(config))
        if run.stop_asked and not last:
            progress.close()
            print(f"stopped after epoch {done} and saved; type the same command with --resume to go on")
            run.close()
            return

    # Report.
    predictions = results.predict(model, store, testing)
    report = results.score(predictions, testing, zero_shot)
    shown = results.median(report, testing)
    results.write_boxes(run.path / "results", predictions)
    results.write_overlay(run.path / "overlay.mp4", shown, predictions[shown.name])
    fps = results.speed(model, store, shown)
    facts = {
        "fps": fps,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "seconds": time.perf_counter() - begun,
        "config": asdict(config),
        "dataset": {
            "name": testing[0].dataset,
            "training": [one.name for one in training],
            "training_frames": sum(len(part) for _, part in clips[: len(training)]),
            "testing": [one.name for one in testing],
            "testing_frames": sum(map(len, testing)),
        },
        "extractor": extractor.id,
    }
    run.write_json("report.json", results.summary(report, others, **facts))
    run.close()
    print(table(others | {f"DRLT ({config.learner})": report}))
    print(f"speed: {fps['online']:.0f} fps online, {fps['precomputed']:.0f} fps with features precomputed")
    print(f"in {run.path}: report.json, overlay.mp4, results/; curves: tensorboard --logdir {run.path}")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise InputError(f"there is no device {name!r} for torch here; try --device cpu") from None
    return name


def _carry(state: State, carried: int, size: int) -> State | None:
    """The state of the windows that go on (a batch's first), and nothing where none does."""
    return (state[0][:, :carried].contiguous(), state[1][:, :carried].contiguous()) if carried == size else None


def _copy_first_box(windows: Windows) -> dict[str, float]:
    """Both rewards of copying each window's first true box: what not looking is worth in training."""
    batch = windows[list(range(len(windows)))]
    copy = batch.truth[:, :1].expand_as(batch.truth)
    frames = batch.mask.sum()
    return {name: float((formula(copy, batch.truth) * batch.mask).sum() / frames) for name, formula in REWARDS.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run on ``argv``, by default the process's flags; returns exit code 2 where the input cannot be used."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        train(parse(argv))
    except InputError as error:
        print(f"train/reinforce.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; features and checkpoints so far are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
