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

from agents import checkpoint, reinforce, returns, supervised
from agents.drlt import DRLT, State, kept
from agents.heads import Heads
from agents.windows import Windows
from tracking_env.errors import InputError
from tracking_env.features import make_extractor
from tracking_env.report import table
from tracking_env.rewards import REWARDS
from tracking_env.store import FeatureStore
from train import results
from train.config import RunConfig, flat, parse
from train.data import load
from train.run import Run
from train.schedule import Progress
from train.seeds import several


def train(config: RunConfig) -> bool:
    """One run from flags to report; see `train.run` for what it leaves. False where it was stopped before its end."""
    begun = time.perf_counter()
    torch.manual_seed(config.seed)
    device = torch.device(_device(config.device))
    options, schedule = config.reinforce, config.schedule

    # Data and agent: the agent is new, or as the last checkpoint left it.
    data = load(config.data)
    extractor = make_extractor(config.data.features, config.data.weights)
    run = Run(config, device)  # refuses what it must before the long work begins
    saved = run.checkpoint
    if saved and saved.extractor != extractor.id:
        raise InputError(f"the run in {run.path} was trained on {saved.extractor}, not on {extractor.id}")
    store = FeatureStore(extractor, Path(config.data.store) if config.data.store else None)
    store.build(data.all)
    windows = Windows(
        [store[one][part.start : part.stop] for one, part in data.clips],
        [one.relative[part.start : part.stop] for one, part in data.clips],
        config.windows,
        device,
        [one.name for one, _ in data.clips],
    )
    model = saved.model if saved else DRLT(extractor.dim, config.network).to(device)
    heads = Heads(config.network.hidden, options).to(device)
    optimizer = torch.optim.Adam([*model.parameters(), *heads.parameters()], lr=schedule.lr)
    if saved:
        heads.take(saved.heads)
        checkpoint.restore(optimizer, model, saved.optimizer, heads)
    else:
        model.fit_normaliser(windows.features)
    progress = Progress.read(saved.progress) if saved else Progress()

    others = results.lines(data.testing, data.training, data.unseen)
    copied = results.copy_first_box(windows)
    run.start()
    run.text("config", "\n".join(f"    {name} = {value}" for name, value in flat(config).items()))
    run.catch_interrupts()

    bar = tqdm(desc="training", initial=progress.epoch, total=schedule.epochs, unit="epoch", disable=None)
    while (phase := schedule.phase(progress)) is not None:
        epoch, lr = progress.epoch, schedule.rate(progress.epoch)
        learner = config.learner if phase.number else "supervised"
        annealed = schedule.between(options.sigma, options.sigma_end or options.sigma, epoch)
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
            before = kept(state, carried) if state and carried else None
            for again in range(options.reuse if learner == "reinforce" else 1):
                with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                    hidden, after = model.hidden(batch.features, batch.location, before)
                hidden = hidden.float()
                mean, value, sigma = model.mean(hidden), heads.value(hidden), heads.sigma(annealed)
                if not again:
                    state = after
                    actions = reinforce.sample(mean, options.episodes, sigma, noise)
                    rewards = {name: formula(actions, batch.truth) for name, formula in REWARDS.items()}
                    gained = returns.returns(rewards[phase.reward], options.returns, batch.mask)
                    advantages = gained - returns.baseline(gained, options.baseline, value)
                    if options.normalise:
                        advantages = returns.normalised(advantages, batch.mask)
                    old = reinforce.log_density(actions, mean, sigma).detach()

                if learner == "supervised":
                    losses = supervised.loss(mean, batch.truth, phase.reward, batch.mask)
                elif learner == "pathwise":
                    losses = supervised.loss(supervised.pathwise(mean, actions), batch.truth, phase.reward, batch.mask)
                elif again:
                    losses = reinforce.reuse_loss(mean, actions, advantages, sigma, old, options.ratio_clip, batch.mask)
                else:
                    losses = reinforce.loss(mean, actions, advantages, sigma, batch.mask)
                if options.entropy and learner == "reinforce":
                    losses = losses - options.entropy * reinforce.entropy(sigma) * batch.mask.sum(dim=-1)
                if value is not None:
                    losses = losses + returns.value_loss(value, gained, batch.mask)
                loss = losses.mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm or torch.inf)
                if not torch.isfinite(loss + norm):
                    raise _not_finite(run, epoch, updates, [windows.where(one) for one in chosen], losses)
                optimizer.step()
                updates += 1
                totals["gradient"] += norm

            totals["frames"] += batch.mask.sum()
            totals["empty"] += ((mean[..., 2:] <= 0).any(dim=-1) * batch.mask).sum()
            for name, reward in rewards.items():
                totals[name] += (reward.mean(dim=0) * batch.mask).sum()

        frames = float(totals["frames"])
        scalars = {f"reward/{name}": float(totals[name]) / frames for name in REWARDS}
        scalars |= {f"copy_first_box/{name}": reward for name, reward in copied.items()}
        scalars |= {
            "train/gradient_norm": float(totals["gradient"]) / updates,
            "train/learning_rate": lr,
            "train/sigma": sigma if isinstance(sigma, float) else sigma.item(),
            "train/phase": phase.number,
            "collapse/empty_boxes": float(totals["empty"]) / frames,
        }
        progress = schedule.after(progress, scalars[f"reward/{phase.reward}"])
        done, last = progress.epoch, schedule.phase(progress) is None
        bar.update()
        if done % schedule.evaluate_every == 0 or last:
            model.eval()
            predictions = results.predict(model, store, data.testing)
            report = results.score(predictions, data.testing, data.unseen)
            scalars |= results.scalars(report)
            shown = results.median(report, data.testing)
            run.picture(done, "overlay", results.film_strip(shown, predictions[shown.name]))
            bar.set_postfix(reward=f"{scalars[f'reward/{phase.reward}']:.3f}", auc=f"{scalars['eval/auc_whole']:.3f}")
            model.train()
        run.log(done, scalars)
        if done % schedule.checkpoint_every == 0 or last or run.stop_asked:
            where = asdict(progress)
            checkpoint.save(run.checkpoints, model, optimizer, extractor.id, done, asdict(config), heads, where)
        if run.stop_asked and not last:
            bar.close()
            print(f"stopped after epoch {done} and saved; type the same command with --resume to go on")
            run.close()
            return False
    bar.close()

    # Report.
    predictions = results.predict(model, store, data.testing)
    report = results.score(predictions, data.testing, data.unseen)
    shown = results.median(report, data.testing)
    results.write_boxes(run.path / "results", predictions)
    results.write_overlay(run.path / "overlay.mp4", shown, predictions[shown.name])
    fps = results.speed(model, store, shown)
    facts = {
        "fps": fps,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "seconds": time.perf_counter() - begun,
        "epochs": progress.epoch,
        "config": asdict(config),
        "dataset": data.facts(),
        "extractor": extractor.id,
    }
    run.write_json("report.json", results.summary(report, others, **facts))
    run.close()
    print(table(others | {f"DRLT ({config.learner})": report}))
    print(f"speed: {fps['online']:.0f} fps online, {fps['precomputed']:.0f} fps with features precomputed")
    print(f"in {run.path}: report.json, overlay.mp4, results/; curves: tensorboard --logdir {run.path}")
    return True


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise InputError(f"there is no device {name!r} for torch here; try --device cpu") from None
    return name


def _not_finite(run: Run, epoch: int, updates: int, windows: list[str], losses: torch.Tensor) -> InputError:
    """What to say where a loss ``(N, B)`` or ``(B,)``, or its gradient, is not finite; a full stop before the step."""
    bad = (~torch.isfinite(losses)).reshape(-1, len(windows)).any(dim=0).tolist()
    guilty = [one for one, is_bad in zip(windows, bad, strict=True) if is_bad]
    what, named = ("loss", guilty) if guilty else ("gradient", windows)
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return InputError(
        f"the {what} is not finite in epoch {epoch + 1}, update {updates + 1}: {named[0]}{more}; nothing was learned "
        f"from it, and the checkpoints in {run.checkpoints} are good; try a smaller --lr or --clip-norm 10"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run on ``argv``, by default the process's flags; returns exit code 2 where the input cannot be used."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        config = parse(argv)
        if config.seeds > 1:
            several(config, train)
        else:
            train(config)
    except InputError as error:
        print(f"train/reinforce.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # the disk, at any of the many places that write
        print(f"train/reinforce.py: error: {error}; make room, then type it again with --resume", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; features and checkpoints so far are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
