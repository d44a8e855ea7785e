"""Part e: three runs of one seed on one device, and what differs between them.

Prints a JSON object a line for each variant: the largest difference of a weight and of a box between the first run and
the others, after the same updates. `--deterministic` allows only algorithms that repeat their results bit for bit; an
operation without one is an `error`.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/device/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from agents.windows import Windows
from benchmarks.device.carried import Carried
from benchmarks.device.update_speed import configure, first_weights, training_windows
from benchmarks.device.variants import REFERENCE, VARIANTS, Variant, free_memory, make_learner
from tracking_env.errors import first_line
from tracking_env.features import torch_device
from train.config import RunConfig
from train.epoch import run_epoch
from train.run import results
from train.run.schedule import Phase

RUNS = 3


def train(
    variant: Variant, windows: Windows, carried: Carried, config: RunConfig, epochs: int
) -> tuple[list[torch.Tensor], results.Predictions]:
    """The weights on the CPU and the boxes of all sequences after some epochs on L1."""
    free_memory()
    device = windows.truth.device
    learner = make_learner(variant, first_weights(windows, config, device), config, device)
    for epoch in range(epochs):
        run_epoch(learner, windows, Phase(1, "l1", epochs), epoch)
    learner.model.eval()
    boxes = results.predict(learner.model, carried, carried.sequences)
    return [parameter.detach().cpu() for parameter in learner.model.parameters()], boxes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--carried", type=Path, required=True, help="folder that pack.py made")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, help="neurons of both layers, if not the paper's 5000")
    parser.add_argument("--variants", nargs="+", default=[REFERENCE], choices=VARIANTS, metavar="NAME")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--deterministic", action="store_true")
    arguments = parser.parse_args()
    if arguments.deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when it is first used
        torch.use_deterministic_algorithms(True)
    device = torch_device.find(arguments.device)
    carried = Carried(arguments.carried)
    config = configure(arguments.size, arguments.device)
    windows = training_windows(carried, config, device)
    for name in arguments.variants:
        row = {"variant": name, "deterministic": arguments.deterministic, "updates": arguments.epochs * len(windows)}
        try:
            runs = [train(VARIANTS[name], windows, carried, config, arguments.epochs) for _ in range(RUNS)]
            first_weights_, first_boxes = runs[0]
            row |= {"weights": 0.0, "pixels": 0.0}
            for weights, boxes in runs[1:]:
                pairs = zip(first_weights_, weights, strict=True)
                row["weights"] = max(row["weights"], *(float((a - b).abs().max()) for a, b in pairs))
                apart = (float(np.abs(boxes[key] - first_boxes[key]).max()) for key in boxes)
                row["pixels"] = max(row["pixels"], *apart)
        except Exception as error:  # a variant that cannot be repeated must not cost the others
            row["error"] = f"{type(error).__name__}: {first_line(error)}"
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
