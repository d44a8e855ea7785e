"""Scanning whole images for a target that the experts have lost.

In each frame one expert, the last, looks at a few places of the image, the nearest first, until it has seen all of it;
then it begins again. The other experts check its best finds with their own templates. A find on which all agree is the
frame's *candidate*: an expert that is put back starts there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracking_env import boxes as bx
from tracking_env.search import regions
from tracking_env.search.experts import Choice, Expert, Template
from tracking_env.search.parallel import run_parallel

LOOKS = 8
"""Places that are looked at in a frame."""
SPACING = 3.0
"""Distance of neighbouring places, in sides of the box: an expert sees at least one and a half on each side."""
MOST = 400
"""Places of a sweep, the nearest ones: 50 frames. Small targets in large images have thousands."""
FIND, CHECKED = 0.9, 2
"""The score that makes a find, and how many finds of a frame are checked, the best ones."""
AGREED = 0.5
"""IoU of an expert's own box with the find that it checks, from which it agrees."""
USUAL = 0.05
"""Share of the newest frame in the memory of the target's usual size: it spans some 20 frames."""
LIMIT = 1e-6
"""Scores are taken to be this far from 0 and 1, so that their log-odds stay below 14."""


class Candidates(NamedTuple):
    """What scanning found in a frame, for N targets and K experts."""

    boxes: np.ndarray
    """pixel boxes ``(N, 4)``; zeros where there is no candidate"""
    log_odds: np.ndarray
    """of each expert's score at the candidate, ``(N, K)``; zeros where there is no candidate"""
    looks: np.ndarray
    """how often each expert looked, ``(N, K)``"""

    @classmethod
    def none(cls, count: int, experts: int) -> "Candidates":
        """No candidates, without a look."""
        return cls(np.zeros((count, 4)), np.zeros((count, experts)), np.zeros((count, experts), np.intp))

    @property
    def found(self) -> np.ndarray:
        """Which targets have a candidate, ``(N,)`` bool."""
        return self.boxes[:, 2] > 0


class Scan:
    """The places that are still to be seen, for N targets.

    Args:
        experts: K experts; the last one scans.
        count: N.
    """

    def __init__(self, experts: Sequence[Expert], count: int) -> None:
        self.experts, self._smallest = experts, max(expert.smallest for expert in experts)
        self._places = [np.empty((0, 4))] * count
        self._sweeps = np.zeros(count, np.intp)
        self._first_sides, self._usual_sides = np.ones((count, 2)), np.ones((count, 2))

    def start(self, target: int, box: np.ndarray) -> None:
        """Begin a target with its true pixel box ``(4,)``."""
        self.stop(target)
        self._first_sides[target] = self._usual_sides[target] = box[2:]

    def stop(self, target: int) -> None:
        """Forget which places were seen."""
        self._places[target], self._sweeps[target] = np.empty((0, 4)), 0

    def copy(self, source: int, to: int) -> None:
        """Let target ``to`` go on as target ``source`` would."""
        self._places[to] = self._places[source]
        for state in (self._sweeps, self._first_sides, self._usual_sides):
            state[to] = state[source]

    def remember(self, target: int, box: np.ndarray) -> None:
        """Keep in mind the size of a box ``(4,)`` that is on the target."""
        usual = self._usual_sides[target]
        self._usual_sides[target] = usual * (box[2:] / usual) ** USUAL

    def look(
        self,
        frames: Sequence[np.ndarray],
        targets: Sequence[int],
        templates: Sequence[Sequence[Template]],
        boxes: np.ndarray,
    ) -> Candidates:
        """Look at the next places.

        Args:
            frames: one for each target.
            targets: their indices, M of them.
            templates: of each target, one for each expert.
            boxes: the pixel box of each target that the scanning expert followed last, ``(M, 4)``.

        Returns:
            The candidates, with M for N.
        """
        scanning = len(self.experts) - 1
        candidates = Candidates.none(len(targets), len(self.experts))
        jobs = []
        for row, target in enumerate(targets):
            height, width = frames[row].shape[:2]
            if not len(self._places[target]):
                # The target may have another size than lately: every second sweep is for its first one.
                sides = (self._usual_sides, self._first_sides)[self._sweeps[target] % 2][target]
                self._places[target] = cover((width, height), boxes[row], np.maximum(sides, self._smallest))
                self._sweeps[target] += 1
            jobs += [(row, place) for place in self._places[target][:LOOKS]]
            self._places[target] = self._places[target][LOOKS:]
        finds: list[list[Choice]] = [[] for _ in targets]
        for row, choice in self._choices(scanning, jobs, frames, templates):
            candidates.looks[row, scanning] += 1
            if choice.confidence >= FIND:
                finds[row].append(choice)
        checks = []
        for row, choices in enumerate(finds):
            best = sorted(choices, key=lambda choice: -choice.confidence)[:CHECKED]
            checks += [(row, self._within(choice.box, frames[row]), choice) for choice in best]
        log_odds_of_finds = np.zeros((len(checks), len(self.experts)))
        agreed = np.ones(len(checks), bool)
        log_odds_of_finds[:, scanning] = [log_odds(choice.confidence) for _, _, choice in checks]
        places = [(row, box) for row, box, _ in checks]
        for expert in range(scanning):
            for find, (row, choice) in enumerate(self._choices(expert, places, frames, templates)):
                candidates.looks[row, expert] += 1
                log_odds_of_finds[find, expert] = log_odds(choice.confidence)
                agreed[find] &= bool(bx.iou(choice.box, places[find][1]) >= AGREED)
        for find in np.flatnonzero(agreed).tolist():
            row, box = places[find]
            if log_odds_of_finds[find].sum() > candidates.log_odds[row].sum() or not candidates.found[row]:
                candidates.boxes[row], candidates.log_odds[row] = box, log_odds_of_finds[find]
        return candidates

    def _choices(
        self,
        index: int,
        places: Sequence[tuple[int, np.ndarray]],
        frames: Sequence[np.ndarray],
        templates: Sequence[Sequence[Template]],
    ) -> list[tuple[int, Choice]]:
        """What an expert sees at places, each with the row of its target."""
        expert = self.experts[index]

        def choose(batch: list[tuple[int, np.ndarray]]) -> list[tuple[int, Choice]]:
            rows, boxes = zip(*batch, strict=True)
            seen = expert.look_and_choose([frames[row] for row in rows], boxes, [templates[row][index] for row in rows])
            return [(row, choice) for row, (_, choice) in zip(rows, seen, strict=True)]

        return [choice for batch in run_parallel(choose, expert.batches(list(places))) for choice in batch]

    def _within(self, box: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """A box that every expert can look around."""
        return regions.within(box, (frame.shape[1], frame.shape[0]), self._smallest)


def cover(size: tuple[int, int], box: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Pixel boxes ``(P, 4)`` with these sides that cover an image, the nearest to a box first, at most `MOST`.

    Args:
        size: width and height of the image.
        box: pixel box ``(4,)``.
        sides: width and height of the boxes; their centres are at most `SPACING` sides apart.
    """
    counts = np.maximum(1, np.ceil(np.array(size) / (SPACING * sides))).astype(int)
    # Pixel boxes count from 1.
    x, y = (1 + (np.arange(count) + 0.5) * length / count for count, length in zip(counts, size, strict=True))
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    distances = (np.abs(centres - (box[:2] + box[2:] / 2)) / sides).max(axis=1)
    nearest = centres[np.argsort(distances, kind="stable")[:MOST]]
    return np.concatenate([nearest - sides / 2, np.broadcast_to(sides, nearest.shape)], axis=1)


def log_odds(score: float) -> float:
    """``log(p / (1 - p))`` of a score p in [0, 1]."""
    score = min(max(score, LIMIT), 1 - LIMIT)
    return float(np.log(score / (1 - score)))
