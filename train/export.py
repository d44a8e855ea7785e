"""Add ``policy.onnx`` to a trained agent's folder, so that it tracks without torch and without this checkout.

python train/export.py runs/small                 # the newest checkpoint of a run; or give the folder of one checkpoint
python train/export.py hf://USER/REPO --check     # is its policy.onnx the network of its model.safetensors?

The training scripts do the same for the last checkpoint of a finished run.
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import sys
from collections.abc import Sequence

import tyro

from agents.checkpoints import arbiter as arbiter_checkpoint
from agents.checkpoints import drlt as checkpoint
from agents.checkpoints import region_agent as region_agent_checkpoint
from agents.checkpoints import sb3 as sb3_checkpoint
from agents.checkpoints.onnx_export import largest_difference
from tracking_env.clients import hub
from tracking_env.errors import InputError
from tracking_env.terminal import print_result
from tracking_env.trackers.checkpoint import EXPORT, POLICY, WEIGHTS, read
from tracking_env.trackers.onnx_policy import OnnxPolicy
from train.run.entry_point import run_main

MODULES = {"drlt": checkpoint, "search": region_agent_checkpoint, "sb3": sb3_checkpoint, "experts": arbiter_checkpoint}


MOST_DIFFERENT = 1e-3
"""Largest difference of two predictions that counts as rounding; they are about 1."""


def export(folder: tyro.conf.Positional[str], check: bool = False) -> None:
    """Add policy.onnx to a trained agent's folder, in place of an older one; or check the one that is there.

    Trackers run policy.onnx, and training goes on from model.safetensors. Of a stranger's agent nothing but --check
    says that both are the same network. It compares them on two frames of random observations.

    Args:
        folder: folder of a run, for its newest checkpoint, or of one checkpoint. Or hf://USER/REPO, with --check.
        check: write nothing; compare policy.onnx with the weights.

    Raises:
        InputError: there is no checkpoint, or it is damaged, or its two networks differ.
    """
    local = hub.local(folder)
    assert local is not None
    checkpoint = read(local)
    module = MODULES[checkpoint.kind]
    if not check:
        if folder.startswith(hub.SCHEME):
            raise InputError(f"{folder} cannot be written to; add --check, or give a folder")
        module.export(checkpoint.path)
        print_result(checkpoint.path / POLICY)
        return
    difference = largest_difference(OnnxPolicy(module.policy_content(checkpoint.path)), checkpoint.policy())
    if difference > MOST_DIFFERENT:
        raise InputError(
            f"{checkpoint.path / POLICY} is another network than {WEIGHTS}: their predictions differ by "
            f"{difference:.3g}; do not trust it, or replace it: {EXPORT} FOLDER"
        )
    print_result(
        f"{checkpoint.path / POLICY} is the network of {WEIGHTS}: their predictions differ by {difference:.1e}"
    )


def main(args: Sequence[str] | None = None) -> int:
    """Export with these arguments, by default those of this process; returns the exit code, see `run_main`."""
    return run_main("train/export.py", lambda flags: tyro.cli(export, prog="train/export.py", args=flags), args)


if __name__ == "__main__":
    sys.exit(main())
