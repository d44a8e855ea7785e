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
    """A trained policy of ``OTBTrackSearch-v0`` as a tracker, with the uncertainty of each box.

    Args:
        policy: the policy, from its ``policy.onnx``.
        maps: the extractor that it was trained with.
        id: identifies the checkpoint's files and the extractor.

    Attributes:
        spread: standard deviation of the box in the last frame, over the cells that predict it, in pixels, ``(4,)``.
            None before the first `update`.
    """

    policy: OnnxPolicy

    def __init__(self, policy: OnnxPolicy, maps: MapExtractor, id: str) -> None:
        super().__init__(policy, maps)
        self.id = id
        self.spread: np.ndarray | None = None

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The predicted pixel box ``(4,)`` in the next frame; its centre lies in the image."""
        prediction, self.state = self.policy.predict(self.observe(frame), self.state)
        assert prediction.spread is not None
        # The policy's spread is relative to the region that it observed; the window moves only after this line.
        self.spread = prediction.spread.astype(np.float64) * self.windows.regions[0, 2]
        return self.move_to(prediction.action, frame)


def tracker(checkpoint: Path | None = None, weights: Sequence[Path] = ()) -> TrainedWindowTracker:
    """An agent of ``train/search.py`` as a tracker, with the extractor that it was trained with.

    Args:
        checkpoint: a checkpoint's folder, or a run's, of which the newest checkpoint is taken. By default an agent that
            comes with the package and needs no weights.
        weights: one path, the extractor's weights file or its folder; by default the one that the run used.

    Raises:
        InputError: there is no checkpoint, or its extractor cannot be built, or is not the one it was trained with.
    """
    loaded, file = ck.read(checkpoint or ck.PRETRAINED / "cells", "search"), weights_file(weights)
    name, run_file = loaded.features
    maps = make_maps(name or "cells", file or run_file)
    loaded.check_extractor(maps.id)
    identity = f"{loaded.path.name} {loaded.digest} {maps.id}"
    return TrainedWindowTracker(loaded.policy(), maps, identity)
