"""The trained agent of ``OTBTrackSearch-v0`` as a tracker on raw frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracking_env.features.maps import MapExtractor, make_maps
from tracking_env.search.window import WindowTracker
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers.onnx_policy import OnnxPolicy
from tracking_env.trackers.trained import weights_file


class TrainedWindowTracker(WindowTracker):
    """A trained policy in the closed loop.

    Args:
        policy: the policy.
        maps: the extractor that it was trained on.
        id: tells its files and its extractor from others.

    Attributes:
        spread: how far the cells of the last frame are from agreeing on its box, in pixels, ``(4,)``.
    """

    policy: OnnxPolicy

    def __init__(self, policy: OnnxPolicy, maps: MapExtractor, id: str) -> None:
        super().__init__(policy, maps)
        self.id = id
        self.spread: np.ndarray | None = None

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The policy's box, with its centre in the image."""
        prediction, self.state = self.policy.predict(self.window.observe(frame), self.state)
        assert prediction.spread is not None
        self.spread = prediction.spread.astype(np.float64) * self.window.region[2]
        return self.window.move_to(prediction.box, (frame.shape[1], frame.shape[0]))


def tracker(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedWindowTracker:
    """The closed-loop agent as train/search.py trains it, with the extractor that it was trained on.

    Args:
        checkpoint: folder of a run, of which the newest checkpoint is taken, or of one checkpoint; by default the one
            that comes with the package: nanotrack-head where its weights are given, else cells, which needs none.
        weights: the extractor's weights file or its folder, one path; by default what the run was given.

    Raises:
        InputError: there is no checkpoint, or its extractor cannot be built, or is another one.
    """
    folder = checkpoint or ck.PRETRAINED / ("nanotrack-head" if weights else "cells")
    loaded, file = ck.read(folder, "search"), weights_file(weights)
    name, run_file = loaded.features
    maps = make_maps(name or "cells", file or run_file)
    loaded.check_extractor(maps.id)
    identity = f"{loaded.path.name} {loaded.digest} {maps.id}"
    return TrainedWindowTracker(loaded.policy(), maps, identity)
