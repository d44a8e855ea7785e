"""Our trackers behind TraX, the protocol through which the VOT toolkit runs trackers; an extra: ``vot``.

The toolkit starts the command of its ``trackers.ini``, which speaks TraX through standard input and output. Its boxes
count pixels from 0, ours from 1.

Source: Cehovin, TraX: The visual Tracking eXchange protocol and library, Neurocomputing 2017; trax.readthedocs.io.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env.datasets.sequence import read_image
from tracking_env.errors import InputError, reason
from tracking_env.trackers.base import Tracker

_ONE_BASED = np.array([1.0, 1, 0, 0])


def serve(tracker: Tracker, name: str) -> None:
    """Answer a client until it quits: it sends a first frame and box, then frames, or a first frame anew.

    Raises:
        InputError: the extra is not installed, or the tracker failed (the client is told too).
    """
    try:
        import trax
    except ModuleNotFoundError as error:
        raise InputError(f"trax needs {error.name}; type: pip install 'tracking-env[vot]'") from None
    server = trax.Server([trax.Region.RECTANGLE], [trax.Image.PATH], tracker_name=name)
    while True:
        try:
            request = server.wait()
        except trax.TraxException:
            raise InputError("the client went away, or does not speak TraX") from None
        if request.type == trax.TraxStatus.QUIT:
            break
        try:
            box = _answer(tracker, request, request.type == trax.TraxStatus.INITIALIZE)
        except Exception as error:  # somebody's tracker
            server.quit(reason(error))
            raise InputError(f"{name} failed: {reason(error)}") from None
        server.status([(trax.Rectangle.create(*(box - _ONE_BASED).tolist()), {})])
    server.quit()


def _answer(tracker: Tracker, request: Any, first: bool) -> np.ndarray:
    frame = read_image(Path(request.image["color"].path()))
    if not first:
        return np.asarray(tracker.update(frame), dtype=np.float64)
    ((region, _),) = request.objects
    box = np.array(region.bounds(), dtype=np.float64) + _ONE_BASED
    tracker.init(frame, box)
    return box


def trackers_ini(name: str, command: Sequence[str]) -> str:
    """What the VOT toolkit's ``trackers.ini`` says of a tracker that ``command`` starts.

    Args:
        name: letters, digits, ``-`` and ``_``; others become ``_``.
        command: program and arguments; paths in it must be absolute, for it runs in a folder of its own.
    """
    section = "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "_" for one in name)
    words = shlex.join(command).replace("%", "%%")  # the file's own sign for a reference
    return f"[{section}]\nlabel = {name}\nprotocol = trax\ncommand = {words}\n"
