"""How much what experts follow looks like the target: in the first frame, and lately."""

from collections.abc import Sequence

import numpy as np

from tracking_env.search import regions
from tracking_env.search.experts import Expert, Template
from tracking_env.search.experts.base import Colour
from tracking_env.search.parallel import run_parallel

RECENT = 0.02
"""Share of the newest frame in the memory of how the target looked lately: it spans some 50 frames."""


class Likeness:
    """Memories of how N targets looked.

    Args:
        judge: the expert whose template features are compared.
        count: N.
        experts: K.
    """

    def __init__(self, judge: Expert, count: int, experts: int) -> None:
        self.judge, self.experts = judge, experts
        self._first: list[np.ndarray] = [np.empty(0)] * count
        self._recent: list[np.ndarray] = [np.empty(0)] * count
        self._inside: list[np.ndarray] = [np.empty(0)] * count  # features inside each expert's last box, (K, D)

    def start(self, target: int, template: Template) -> None:
        """Begin a target with the judge's template."""
        self._first[target] = self._recent[target] = _unit(template.features[None])[0]
        self._inside[target] = np.repeat(self._first[target][None], self.experts, axis=0)

    def measure(
        self,
        frames: Sequence[np.ndarray],
        targets: Sequence[int] | np.ndarray,
        boxes: np.ndarray,
        running: np.ndarray,
        fills: Sequence[Colour],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of the features inside boxes with the first frame's, and with recent ones.

        Args:
            frames: one for each target.
            targets: their indices, M of them.
            boxes: pixel boxes of the experts, ``(M, K, 4)``.
            running: which experts looked at the frame, ``(M, K)`` bool.
            fills: the colour beyond the image, for each target.

        Returns:
            Two arrays ``(M, K)``; 0 of experts that did not look.
        """
        judge, places = self.judge, np.argwhere(running).tolist()

        def encode_inside(batch: list[list[int]]) -> np.ndarray:
            crops = []
            for row, index in batch:
                region = judge.template_region(boxes[row, index])
                crops.append(judge.prepare(regions.crop(frames[row], region, judge.template_side, fills[row])))
            return _unit(judge.encode(np.stack(crops)))

        features = np.concatenate(run_parallel(encode_inside, judge.batches(places)))
        first, recent = np.zeros(running.shape), np.zeros(running.shape)
        for (row, index), inside in zip(places, features, strict=True):
            target = targets[row]
            self._inside[target][index] = inside
            first[row, index] = inside @ self._first[target]
            recent[row, index] = inside @ self._recent[target] / np.linalg.norm(self._recent[target])
        return first, recent

    def remember(self, target: int, leader: int) -> None:
        """Add what one expert's box showed last to the memory of recent looks."""
        self._recent[target] = (1 - RECENT) * self._recent[target] + RECENT * self._inside[target][leader]


def _unit(features: np.ndarray) -> np.ndarray:
    """Features ``(B, ...)`` as vectors ``(B, D)`` of length 1."""
    vectors = features.reshape(len(features), -1)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
