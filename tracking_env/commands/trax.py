"""``tracking-env trax``: a tracker for the VOT toolkit."""

import sys
from pathlib import Path

from tracking_env.clients import hub, trax
from tracking_env.errors import InputError
from tracking_env.files import whole
from tracking_env.registry import TrackerSpec


def serve_trax(
    tracker: str,
    checkpoint: str | None = None,
    weights: tuple[Path, ...] = (),
    folder: Path | None = None,
    ini: Path | None = None,
) -> int:
    """Serve a tracker to the VOT toolkit through TraX, or write the trackers.ini by which the toolkit starts it.

    Example: tracking-env trax --tracker drlt --checkpoint runs/small --ini trackers.ini

    Args:
        tracker: drlt, mil, nano, kcf, csrt, or your own as module:attribute, as for evaluate.
        checkpoint: of a trained agent (drlt): folder of a run or of a checkpoint, or hf://USER/REPO.
        weights: weights files, or their folder (nano, drlt with a pretrained extractor).
        folder: where your own module is; by default the working directory.
        ini: write this file and do not serve.
    """
    place = (folder or Path.cwd()).resolve()
    if str(place) not in sys.path:
        sys.path.append(str(place))
    choice = TrackerSpec(tracker, weights, hub.local(checkpoint))
    made = choice.make().live()
    if ini is None:
        trax.serve(made, choice.folder)
        return 0
    command = [sys.executable, "-m", "tracking_env.cli", "trax", "--tracker", tracker, "--folder", str(place)]
    if choice.checkpoint is not None:
        command += ["--checkpoint", str(choice.checkpoint.resolve())]
    if weights:
        command += ["--weights", *(str(one.resolve()) for one in weights)]
    try:
        with whole(ini) as partial:
            partial.write_text(trax.trackers_ini(choice.folder, command), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {ini}: {error.strerror}; give another --ini") from None
    print(ini)
    return 0
