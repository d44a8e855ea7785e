"""Part a: milliseconds of an update of DRLT in each variant, its memory, and the gap to the bound of the bandwidth.

Prints a JSON object a line: the machine first, then each variant. `difference` is how far the gradient of the first
update is from that of train/reinforce.py, relative to its norm. An option that fails has an `error` and no numbers.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/device/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.drlt import DRLT
from agents.windows import Windows
from benchmarks.device.carried import Carried
from benchmarks.device.variants import REFERENCE, VARIANTS, Variant, free_memory, make_learner
from benchmarks.speed.epoch import bandwidth, bytes_per_update, peak_memory, wait
from tracking_env.errors import first_line
from tracking_env.features import torch_device
from train.config import PRESETS, RunConfig
from train.learner import Learner

BLOCKS = 3
"""The updates are timed in as many blocks; the median counts."""


def configure(size: int | None, device: str) -> RunConfig:
    """The preset `paper`, or the same with smaller layers."""
    config = replace(PRESETS["paper"], device=device)
    return replace(config, network=replace(config.network, observation=size, hidden=size)) if size else config


def training_windows(carried: Carried, config: RunConfig, device: torch.device) -> Windows:
    """The windows of the first thirds, as train/reinforce.py makes them."""
    parts = [(sequence, sequence.part("train")) for sequence in carried.sequences]
    return Windows(
        [carried[sequence][part.start : part.stop] for sequence, part in parts],
        [sequence.relative[part.start : part.stop] for sequence, part in parts],
        config.windows,
        device,
        [sequence.name for sequence, _ in parts],
    )


def first_weights(windows: Windows, config: RunConfig, device: torch.device) -> dict[str, Tensor]:
    """Initial weights, equal for equal seeds on all devices, with the features' normaliser."""
    torch.manual_seed(config.seed)
    model = DRLT(windows.features.shape[1], config.network).to(device)
    model.fit_normaliser(windows.features)
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def machine(device: torch.device) -> dict[str, Any]:
    """Device and versions, and the measured ceilings: a large copy and a large product."""
    on_gpu = device.type == "cuda"
    side, dtype = (8192, torch.bfloat16) if on_gpu else (512, torch.float32)
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    times = []
    for _ in range(5):
        wait(device)
        begun = time.perf_counter()
        left @ right
        wait(device)
        times.append(time.perf_counter() - begun)
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "copy_gb_per_s": bandwidth(device, 2048 if on_gpu else 64) / 1e9,
        "product_tflop_per_s": 2 * side**3 / min(times) / 1e12,
    }


def measure(
    learner: Learner, windows: Windows, updates: int, reference: dict[str, Tensor] | None, held: int
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Time one variant.

    Args:
        learner: the variant, before its first update.
        windows: training windows.
        updates: number of updates in each timed block.
        reference: gradient of the first update to compare with, if there is one.
        held: bytes on the GPU that do not belong to the learner.

    Returns:
        The numbers, and the gradient of the first update by parameter.
    """
    device, config = learner.device, learner.config
    on_gpu = device.type == "cuda"
    noise = torch.Generator(device).manual_seed(0)
    order = [chosen for chosen, _ in windows.epoch(torch.Generator().manual_seed(0))]

    def run(count: int) -> None:
        for number in range(count):
            chosen = order[number % len(order)]
            shape = config.reinforce.episodes, len(chosen), config.windows.steps, 4
            samples = torch.randn(shape, generator=noise, device=device)
            learner.update(windows[chosen], samples, len(chosen), None, "reinforce", "l1", config.reinforce.sigma)
        wait(device)

    run(1)
    gradient = gradients(learner)
    if on_gpu:
        held += sum(tensor.nbytes for tensor in gradient.values())
    run(3)
    times = []
    for _ in range(BLOCKS):
        begun = time.perf_counter()
        run(updates)
        times.append((time.perf_counter() - begun) / updates)
    seconds = statistics.median(times)
    peak = torch.cuda.max_memory_allocated(device) - held if on_gpu else peak_memory()
    return {
        "ms": 1000 * seconds,
        "spread": (max(times) - min(times)) / seconds,
        "seconds_per_epoch": seconds * len(order),
        "peak_gb": peak / 1e9,
        "difference": distance(gradient, reference) if reference else None,
    }, gradient


def gradients(learner: Learner) -> dict[str, Tensor]:
    """The gradient of the only update so far, up to a factor: Adam's first moments."""
    states = ((name, learner.optimizer.state[parameter]) for name, parameter in learner.model.named_parameters())
    return {name: state["exp_avg"].clone() for name, state in states}


def distance(tensors: dict[str, Tensor], reference: dict[str, Tensor]) -> float:
    """The norm of the difference over the norm of the reference, over all tensors."""
    apart = sum(float((tensors[name] - tensor).double().square().sum()) for name, tensor in reference.items())
    return (apart / sum(float(tensor.double().square().sum()) for tensor in reference.values())) ** 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--carried", type=Path, required=True, help="folder that pack.py made")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, help="neurons of both layers, if not the paper's 5000")
    parser.add_argument("--updates", type=int, default=40, help="updates of each of the three timed blocks")
    names = [name for name, variant in VARIANTS.items() if not variant.compiled]
    parser.add_argument("--variants", nargs="+", default=names, choices=VARIANTS, metavar="NAME")
    parser.add_argument("--skip", nargs="*", default=[], metavar="NAME", help="variants to leave out")
    arguments = parser.parse_args()
    device = torch_device.find(arguments.device)
    config = configure(arguments.size, arguments.device)
    windows = training_windows(Carried(arguments.carried), config, device)
    facts = machine(device)
    weights = first_weights(windows, config, device)
    model = make_learner(Variant(), weights, config, device).model
    least = bytes_per_update(model, config)
    facts |= {"parameters": sum(parameter.numel() for parameter in model.parameters()), "updates": len(windows)}
    facts |= {"floor_ms": least / facts["copy_gb_per_s"] / 1e6}
    print(json.dumps({"machine": facts}), flush=True)
    del model
    reference: dict[str, Tensor] | None = None
    # Gradients are compared with the reference's, so it comes first, whatever is left out.
    for name in [REFERENCE, *(name for name in arguments.variants if name not in (REFERENCE, *arguments.skip))]:
        print(json.dumps({"starts": name}), flush=True)
        free_memory()
        row: dict[str, Any] = {"variant": name}
        try:
            held = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
            learner = make_learner(VARIANTS[name], weights, config, device)
            numbers, gradient = measure(learner, windows, arguments.updates, reference, held)
            row |= numbers | {"times_the_floor": numbers["ms"] / facts["floor_ms"]}
            if name == REFERENCE:
                reference = gradient
        except Exception as error:  # whatever one option cannot do must not cost the others
            row["error"] = f"{type(error).__name__}: {first_line(error)}"
        learner = gradient = None
        print(json.dumps(row), flush=True)
        # After a fault of the device nothing works in this process: end it, so that the next one can go on.
        wait(device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
