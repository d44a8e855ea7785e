"""``tracking-env trax``: run a tracker in the VOT toolkit."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.clients import hub, trax
from tracking_env.commands import TRACKERS, Checkpoint, Weights
from tracking_env.errors import InputError
from tracking_env.files import write_atomically
from tracking_env.registry import TrackerSpec
from tracking_env.terminal import print_result


def serve_trax(
    tracker: Annotated[str, tyro.conf.arg(help=TRACKERS)],
    checkpoint: Checkpoint = None,
    weights: Weights = (),
    folder: Path | None = None,
    ini: Path | None = None,
) -> int:
    """Serve a tracker to the VOT toolkit over TraX, or write the trackers.ini with which the toolkit starts it.

    Example: tracking-env trax --tracker drlt --checkpoint runs/small --ini trackers.ini

    Args:
        tracker: one of `commands.TRACKERS`, or your own.
        checkpoint: folder of a trained agent, or its name; see `commands.Checkpoint`.
        weights: weights files, or their folder; see `commands.Weights`.
        folder: folder of your own module. By default the working directory.
        ini: write this file instead of serving.
    """
    module_folder = (folder or Path.cwd()).resolve()
    if str(module_folder) not in sys.path:
        sys.path.append(str(module_folder))
    spec = TrackerSpec(tracker, weights, hub.local(checkpoint))
    made = spec.make().live()
    if ini is None:
        trax.serve(made, spec.folder)
        return 0
    # The toolkit starts the command in another folder, so every path is absolute.
    command = [sys.executable, "-m", "tracking_env.cli", "trax", "--tracker", tracker, "--folder", str(module_folder)]
    if spec.checkpoint is not None:
        command += ["--checkpoint", str(spec.checkpoint.resolve())]
    if weights:
        command += ["--weights", *(str(path.resolve()) for path in weights)]
    try:
        with write_atomically(ini) as partial:
            partial.write_text(trax.trackers_ini(spec.folder, command), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {ini}: {error.strerror}; give another --ini") from None
    print_result(ini)
    return 0
