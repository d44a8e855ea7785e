"""Run our trackers in the got10k toolkit (github.com/got-10k/toolkit). Needs the extra ``got10k``.

::

    from got10k.experiments import ExperimentOTB
    from tracking_env.clients.got10k import make

    ExperimentOTB("OTB", version=2013).run(make("drlt", checkpoint="runs/small"))

The toolkit's result files ``results/OTB2013/drlt/NAME.txt`` have the format of ours. ``tracking-env score`` and the
toolkit's ``report`` compute the same AUC and P@20 from them. Both replace the first row by the true box and count it.
Both average 21 success rates (overlap > k/20), and count centre errors of at most 20 pixels. Both weight all sequences
equally. They differ in two cases:

* A true row without width and height: ours counts no overlap and, like the OTB toolkit, a hit in precision; theirs
  measures the distance to that box.
* A result row that is not finite or has no width or height: ours repeats the row before; theirs takes the row as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tracking_env.clients import hub
from tracking_env.errors import MissingPackageError
from tracking_env.registry import TrackerSpec
from tracking_env.trackers.base import RETURNED, four_numbers

try:
    from got10k.trackers import Tracker
except ModuleNotFoundError as error:
    raise MissingPackageError("got10k", error, "got10k") from None


class Got10kTracker(Tracker):
    """A tracker of ours with the interface of got10k: images are PIL images in RGB.

    Boxes are passed on unchanged: like ours, those of the toolkit count pixels from 1.

    Args:
        tracker: a `tracking_env.trackers.base.Tracker`.
        name: name of the folder for its results.
    """

    def __init__(self, tracker: Any, name: str) -> None:
        # The toolkit runs a deterministic tracker once per sequence, others several times.
        super().__init__(name=name, is_deterministic=True)
        self.tracker = tracker

    def init(self, image: Any, box: np.ndarray) -> None:
        """Start on the first frame.

        Args:
            image: the frame, a PIL image in RGB.
            box: the target's pixel box ``(4,)``.
        """
        self.tracker.init(np.asarray(image), np.asarray(box, dtype=np.float64))

    def update(self, image: Any) -> np.ndarray:
        """The target's pixel box ``(4,)`` in the next frame, a PIL image in RGB."""
        return four_numbers(self.tracker.update(np.asarray(image)), RETURNED)


def make(name: str, checkpoint: str | Path | None = None, weights: tuple[Path, ...] = ()) -> Got10kTracker:
    """Make a tracker for got10k's experiments.

    Args:
        name: name of a tracker that looks at frames, such as ``mil``, or your own as ``module:attribute``.
        checkpoint: folder of a trained agent, or ``hf://USER/REPO``.
        weights: weights files, or their folder.

    Raises:
        InputError: the tracker cannot be made, or looks at no frame.

    Example:
        >>> tracker = make("mil")
        >>> tracker.name
        'mil'
    """
    spec = TrackerSpec(name, weights, hub.local(None if checkpoint is None else str(checkpoint)))
    return Got10kTracker(spec.make().live(), spec.folder)
