"""Our trackers in got10k's toolkit (github.com/got-10k/toolkit), an extra of this library: ``got10k``.

::

    from got10k.experiments import ExperimentOTB
    from tracking_env.clients.got10k import make

    ExperimentOTB("OTB", version=2013).run(make("drlt", checkpoint="runs/small"))

Its files ``results/OTB2013/drlt/NAME.txt`` and ours are the same kind of file, and ``tracking-env score`` and its own
``report`` give the same AUC and P@20: both replace the first row by the true box and count it, take the mean of 21
success rates (overlap > k/20) and the rate of centre errors <= 20 pixels, and average over sequences without weights.
They differ in two cases: a true row without sides (ours: no overlap and, as OTB's toolkit has it, a hit in precision;
its: the distance to such a box) and a row of the tracker that is not finite or has no sides (ours: the row before
counts; its: the row itself).
"""

from pathlib import Path
from typing import Any

import numpy as np

from tracking_env.clients import hub
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec

try:
    from got10k.trackers import Tracker
except ModuleNotFoundError as error:
    raise InputError(f"got10k needs {error.name}; type: pip install 'tracking-env[got10k]'") from None


class Got10kTracker(Tracker):
    """One of our trackers as one of got10k's: images are PIL's in RGB, boxes go through as they are.

    They count pixels from 1, as do the annotations of OTB and GOT-10k that the toolkit hands on.

    Args:
        tracker: a `tracking_env.trackers.base.Tracker`.
        name: of its results' folder.
    """

    def __init__(self, tracker: Any, name: str) -> None:
        super().__init__(name=name, is_deterministic=True)
        self.tracker = tracker

    def init(self, image: Any, box: np.ndarray) -> None:
        """Start on the first frame."""
        self.tracker.init(np.asarray(image), np.asarray(box, dtype=np.float64))

    def update(self, image: Any) -> np.ndarray:
        """The pixel box ``(4,)`` in the next frame."""
        return np.asarray(self.tracker.update(np.asarray(image)), dtype=np.float64)


def make(name: str, checkpoint: str | Path | None = None, weights: tuple[Path, ...] = ()) -> Got10kTracker:
    """A tracker by its name (see `tracking_env.registry`), for got10k's experiments; ``checkpoint`` may be ``hf://``.

    Raises:
        InputError: it cannot be made, or looks at no frame.
    """
    choice = TrackerSpec(name, weights, hub.local(None if checkpoint is None else str(checkpoint)))
    return Got10kTracker(choice.make().live(), choice.folder)
