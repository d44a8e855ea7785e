"""Part b: the `paper` preset trained on the first thirds, for as many epochs as fit, and its boxes on all sequences.

The schedule is the paper's 300 + 200 epochs, or as much of it as fits: rates and the change of reward are scaled to
that number. Prints a JSON object a line: the plan, then each evaluation. OUT/boxes.npz has the newest boxes, and
OUT/run/ the log for TensorBoard.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/device/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.device.carried import Carried
from benchmarks.device.update_speed import configure, first_weights, training_windows
from benchmarks.device.variants import REFERENCE, VARIANTS, GraphLearner, make_learner
from tracking_env.features import torch_device
from tracking_env.files import write_atomically
from train.config import RunConfig
from train.epoch import run_epoch
from train.run import results
from train.run.directory import RunDirectory
from train.run.schedule import Progress

EVALUATIONS = 10
RESERVE = 0.08
"""Share of the time for evaluations and for epochs that take longer than measured."""


def scaled(config: RunConfig, epochs: int) -> RunConfig:
    """The configuration with this many epochs, with the same share on each reward."""
    schedule = config.schedule
    l1 = round(epochs * schedule.l1_epochs / schedule.epochs)
    every = max(1, epochs // EVALUATIONS)
    return replace(config, schedule=replace(schedule, l1_epochs=l1, iou_epochs=epochs - l1, evaluate_every=every))


def main() -> int:
    begun = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--carried", type=Path, required=True, help="folder that pack.py made")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and log")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, help="neurons of both layers, if not the paper's 5000")
    parser.add_argument("--variant", default=REFERENCE, choices=VARIANTS)
    parser.add_argument("--seconds", type=float, required=True, help="time of the whole part")
    parser.add_argument("--epoch-seconds", type=float, required=True, help="of an epoch of this variant")
    parser.add_argument("--epochs", type=int, help="at most so many, if not the paper's 500")
    arguments = parser.parse_args()
    device = torch_device.find(arguments.device)
    carried = Carried(arguments.carried)
    config = replace(configure(arguments.size, arguments.device), out=str(arguments.out / "run"), overwrite=True)
    windows = training_windows(carried, config, device)
    learner = make_learner(VARIANTS[arguments.variant], first_weights(windows, config, device), config, device)

    left = arguments.seconds - (time.perf_counter() - begun)
    most = arguments.epochs or config.schedule.epochs
    epochs = min(most, max(2, int((1 - RESERVE) * left / arguments.epoch_seconds)))
    config = scaled(config, epochs)
    learner.config = replace(learner.config, schedule=config.schedule)
    run = RunDirectory(config)
    run.start()
    plan = {"variant": arguments.variant, "epochs": epochs, "updates": epochs * len(windows)}
    print(
        json.dumps({"plan": plan | {"extractor": carried.extractor, "schedule": asdict(config.schedule)}}), flush=True
    )

    progress = Progress()
    bar = tqdm(total=epochs, unit="epoch", disable=None)
    while (phase := config.schedule.phase(progress)) is not None:
        scalars = run_epoch(learner, windows, phase, progress.epoch)
        progress = config.schedule.after(progress, scalars[f"reward/{phase.reward}"])
        bar.update()
        # What is cut off would be lost, so a run that is slower than planned ends itself, with the rate that it had.
        seconds = time.perf_counter() - begun
        last = config.schedule.phase(progress) is None or seconds > (1 - RESERVE / 2) * arguments.seconds
        if progress.epoch % config.schedule.evaluate_every == 0 or last:
            if isinstance(learner, GraphLearner):
                learner.check()
            learner.model.eval()
            boxes = results.predict(learner.model, carried, carried.sequences)
            learner.model.train()
            report = results.score(boxes, carried.sequences, unseen=False)
            scalars |= results.evaluation_scalars(report)
            with write_atomically(arguments.out / "boxes.npz") as partial, partial.open("wb") as file:
                np.savez_compressed(file, **{name: rows.astype(np.float32) for name, rows in boxes.items()})
            row = {"epoch": progress.epoch, "of": epochs, "phase": phase.reward, "seconds": seconds} | scalars
            print(json.dumps(row), flush=True)
        run.log(progress.epoch, scalars)
        if last:
            break
    run.curves.add_final_scores("DRLT, paper preset", results.final_scalars(report))
    run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
