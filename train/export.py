"""Add ``policy.onnx`` to a trained agent's folder, so that it tracks without torch and without this checkout.

python train/export.py runs/small          # the newest checkpoint of a run; or give the folder of one checkpoint

The training scripts do the same for the last checkpoint of a finished run.
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from agents import arbiter_checkpoint, checkpoint, region_agent_checkpoint, sb3_checkpoint
from tracking_env.errors import InputError
from tracking_env.files import read_json
from tracking_env.terminal import print_result
from tracking_env.trackers.checkpoint import CONFIG, POLICY, SCRIPTS, find, kind_of
from train.entry_point import run_main

MODULES = {"drlt": checkpoint, "search": region_agent_checkpoint, "sb3": sb3_checkpoint, "experts": arbiter_checkpoint}


def export(folder: tyro.conf.Positional[Path]) -> None:
    """Add policy.onnx to a trained agent's folder, in place of an older one.

    Args:
        folder: folder of a run, for its newest checkpoint, or of one checkpoint.

    Raises:
        InputError: there is no checkpoint, or it is damaged.
    """
    path = find(folder)
    kind = kind_of(read_json(path / CONFIG))
    if kind is None:
        raise InputError(f"{path} is no checkpoint of {', '.join(SCRIPTS.values())}")
    MODULES[kind].export(path)
    print_result(path / POLICY)


def main(args: Sequence[str] | None = None) -> int:
    """Export with these arguments, by default those of this process; returns the exit code, see `run_main`."""
    return run_main("train/export.py", lambda flags: tyro.cli(export, prog="train/export.py", args=flags), args)


if __name__ == "__main__":
    sys.exit(main())
