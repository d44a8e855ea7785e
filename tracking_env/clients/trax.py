"""Run our trackers in the VOT toolkit, which talks to trackers over TraX. Needs the extra ``vot``.

The toolkit starts the command in its ``trackers.ini``. Both sides exchange TraX messages over standard input and
output. TraX counts pixels from 0, this library from 1.

Source: Cehovin, TraX: The visual Tracking eXchange protocol and library, Neurocomputing 2017; trax.readthedocs.io.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets.images import read_image
from tracking_env.errors import InputError, MissingPackageError, describe
from tracking_env.trackers.base import RETURNED, Tracker, four_numbers


def serve(tracker: Tracker, name: str) -> None:
    """Serve one TraX client until it quits. The client may start the tracker anew on another first frame.

    Args:
        tracker: the tracker.
        name: the tracker's name for the client.

    Raises:
        InputError: trax is not installed, the client does not speak TraX, or the tracker failed (the client is told).

    Example:
        >>> serve(tracker, "mil")  # returns when the client quits
    """
    try:
        import trax
    except ModuleNotFoundError as error:
        raise MissingPackageError("trax", error, "vot") from None
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
        except Exception as error:  # Users bring their own trackers.
            server.quit(describe(error))
            raise InputError(f"{name} failed: {describe(error)}") from None
        server.status([(trax.Rectangle.create(*bx.to_zero_based(box).tolist()), {})])
    server.quit()


def _answer(tracker: Tracker, request: Any, first: bool) -> np.ndarray:
    """The pixel box ``(4,)``, counted from 1, in the frame of a request."""
    frame = read_image(Path(request.image["color"].path()))
    if not first:
        return four_numbers(tracker.update(frame), RETURNED)
    ((region, _),) = request.objects
    box = bx.to_one_based(np.array(region.bounds(), dtype=np.float64))
    tracker.init(frame, box)
    return box


def trackers_ini(name: str, command: Sequence[str]) -> str:
    """The section of the VOT toolkit's ``trackers.ini`` for one tracker.

    Args:
        name: the tracker's name. Characters other than letters, digits, ``-`` and ``_`` become ``_``.
        command: program and arguments that serve the tracker. Paths must be absolute: the toolkit starts the command
            in a folder of its own.

    Example:
        >>> print(trackers_ini("mil", ["tracking-env", "trax", "--tracker", "mil"]))
        [mil]
        label = mil
        protocol = trax
        command = tracking-env trax --tracker mil
    """
    characters = [letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in name]
    words = shlex.join(command).replace("%", "%%")  # In an ini file % begins a reference.
    return f"[{''.join(characters)}]\nlabel = {name}\nprotocol = trax\ncommand = {words}\n"
