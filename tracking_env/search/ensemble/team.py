"""Several experts that follow the same targets, N targets at a time.

Each expert looks around a box of its own. The box that is reported is another matter (`fusion`): no correction of it
is ever looked around, since an error that is fed back grows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracking_env.search import regions
from tracking_env.search.ensemble import fusion
from tracking_env.search.ensemble.action import Decision
from tracking_env.search.ensemble.likeness import Likeness
from tracking_env.search.ensemble.report import LONG_AGO, Report, find_scores_at, find_second_peak
from tracking_env.search.ensemble.scan import Candidates, Scan
from tracking_env.search.experts import Choice, Expert, Look, Template
from tracking_env.search.parallel import run_parallel

FIRST_LOOKS = np.array([[0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0], [0, -0.1, 0]])
"""Looks around the first frame's true box that measure an expert's correction: shifts in sizes, log of a factor."""
CORRECTED_SHARE = 0.75


class Sight(NamedTuple):
    """What an expert sees in the frame of a target."""

    row: int
    """of the target in the report"""
    expert: int
    """its index"""
    look: Look
    choice: Choice


class Team:
    """K experts on N targets. They look at all targets at once, each core at another.

    Args:
        experts: the experts. The first one's template features also measure likeness.
        count: N.
        likeness: measure likeness, which takes one more pass of a network per expert and frame; else it is reported as
            0, for policies that ignore it.

    Attributes:
        boxes: the pixel box that each expert looks around next, ``(N, K, 4)``.
        running: which experts look at the next frame, ``(N, K)`` bool; at first all.
        scanning: whether the next frame is scanned, ``(N,)`` bool; at first not.
        corrections: of each expert's boxes to the annotator's convention, ``(N, K, 4)``, see `fusion.correct_boxes`;
            measured in the first frame.
    """

    def __init__(self, experts: Sequence[Expert], count: int = 1, likeness: bool = True) -> None:
        self.experts = list(experts)
        self.count = count
        size = len(self.experts)
        self.boxes = np.zeros((count, size, 4))
        self.running, self.scanning = np.ones((count, size), bool), np.zeros(count, bool)
        self._scan = Scan(self.experts, count)
        self._likeness = Likeness(self.experts[0], count, size) if likeness else None
        self._templates: list[list[Template]] = [[] for _ in range(count)]
        self.corrections = np.zeros((count, size, 4))
        self._first_area = np.ones(count)
        self._since_reset = np.full((count, size), LONG_AGO)

    def start(
        self,
        targets: Sequence[int],
        frames: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray],
        around: Sequence[np.ndarray | None] | None = None,
    ) -> None:
        """Begin some targets.

        Args:
            targets: their indices, 0 to N - 1, M of them.
            frames: one for each target, ``(height, width, 3)`` uint8 RGB.
            boxes: the true pixel box ``(4,)`` in each frame.
            around: for each target the boxes that the experts look around next, ``(K, 4)``, or None for the true box:
                to practise losses.
        """
        true_boxes = [np.asarray(box, dtype=np.float64) for box in boxes]
        # Episodes of one clip begin alike, and a start takes as long as several frames: do equal ones once.
        keys = [(id(frame), box.tobytes()) for frame, box in zip(frames, true_boxes, strict=True)]
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        jobs = [(index, expert) for index in first.values() for expert in self.experts]
        begun = run_parallel(lambda job: _begin(job[1], frames[job[0]], true_boxes[job[0]]), jobs)
        size = len(self.experts)
        by_key = {key: begun[number * size : (number + 1) * size] for number, key in enumerate(first)}
        for index, target in enumerate(targets):
            box, frame = true_boxes[index], frames[index]
            self._templates[target] = [template for template, _ in by_key[keys[index]]]
            self.corrections[target] = [correction for _, correction in by_key[keys[index]]]
            if self._likeness:
                self._likeness.start(target, self._templates[target][0])
            self._first_area[target] = max(box[2] * box[3], 1.0)
            self._since_reset[target] = LONG_AGO
            starts = around[index] if around else None
            starts = np.repeat(box[None], size, axis=0) if starts is None else starts
            self.boxes[target] = [self._within(expert, start, frame) for expert, start in enumerate(starts)]
            self.running[target], self.scanning[target] = True, False
            self._scan.start(target, box)

    def copy(self, source: int, to: int) -> None:
        """Let target ``to`` go on as target ``source`` would, which stays: both may be acted on in another way.

        Raises:
            ValueError: likeness is measured, whose memory is not copied.
        """
        if self._likeness:
            raise ValueError("a team that measures likeness cannot copy targets")
        self._templates[to] = self._templates[source]
        for state in (self.boxes, self.running, self.scanning, self.corrections, self._first_area, self._since_reset):
            state[to] = state[source]
        self._scan.copy(source, to)

    def look(self, frames: Sequence[np.ndarray], targets: Sequence[int]) -> Report:
        """Let the experts that run look at the next frame of some targets; the others keep their box.

        Args:
            frames: one for each target.
            targets: their indices, M of them.

        Returns:
            The report, with M for N.
        """
        chosen = np.asarray(targets, np.intp)
        count, size = len(chosen), len(self.experts)
        running, before = self.running[chosen], self.boxes[chosen]

        def look_around(index: int, rows: list[int]) -> list[Sight]:
            seen = self.experts[index].look_and_choose(
                [frames[row] for row in rows],
                [before[row, index] for row in rows],
                [self._templates[chosen[row]][index] for row in rows],
            )
            return [Sight(row, index, *look_and_choice) for row, look_and_choice in zip(rows, seen, strict=True)]

        batches = []
        for index, expert in enumerate(self.experts):
            batches += [(index, rows) for rows in expert.batches(np.flatnonzero(running[:, index]).tolist())]
        sights = [sight for seen in run_parallel(lambda batch: look_around(*batch), batches) for sight in seen]

        after, confidence, second_peak = before.copy(), np.zeros((count, size)), np.zeros((count, size))
        for row, index, look, choice in sights:
            after[row, index] = self._within(index, choice.box, frames[row])
            confidence[row, index] = choice.confidence
            second_peak[row, index] = find_second_peak(look.scores, choice.cell)
        cross_score = np.zeros((count, size, size))
        for row, index, look, _ in sights:
            cross_score[row, index] = find_scores_at(look, after[row])
        self.boxes[chosen] = after
        self._since_reset[chosen] = np.minimum(self._since_reset[chosen] + 1, LONG_AGO)
        first_likeness = recent_likeness = np.zeros((count, size))
        if self._likeness:
            fills = [self._templates[target][0].fill for target in chosen]
            first_likeness, recent_likeness = self._likeness.measure(frames, chosen, after, running, fills)
        area_before, area = before[..., 2:].prod(axis=-1), after[..., 2:].prod(axis=-1)
        step = (after[..., :2] + after[..., 2:] / 2) - (before[..., :2] + before[..., 2:] / 2)
        return Report(
            boxes=fusion.correct_boxes(after, self.corrections[chosen]),
            confidence=confidence,
            second_peak=second_peak,
            cross_score=cross_score,
            first_likeness=first_likeness,
            recent_likeness=recent_likeness,
            motion=np.linalg.norm(step / np.sqrt(area_before)[..., None], axis=-1),
            growth=np.log(area / area_before),
            relative_area=np.log(area / self._first_area[chosen][:, None]),
            since_reset=self._since_reset[chosen].copy(),
            running=running,
        )

    def scan(self, frames: Sequence[np.ndarray], targets: Sequence[int]) -> Candidates:
        """Scan the frames that were looked at, where that was asked for; arguments as for `look`, M for N."""
        candidates = Candidates.none(len(targets), len(self.experts))
        rows = np.flatnonzero(self.scanning[np.asarray(targets, np.intp)]).tolist()
        scanned = [targets[row] for row in rows]
        if scanned:
            templates = [self._templates[target] for target in scanned]
            seen = self._scan.look([frames[row] for row in rows], scanned, templates, self.boxes[scanned, -1])
            for whole, part in zip(candidates, seen, strict=True):
                whole[rows] = part
        return candidates

    def act(self, targets: Sequence[int], report: Report, candidates: Candidates, decision: Decision) -> np.ndarray:
        """Carry out decisions about the frame that was looked at last.

        An expert is put back on the candidate or, without one, on the fused box of what the experts look around,
        without corrections. One that did not run is always put back, so that it is near the target when it runs again.
        The memory of the recent look follows the trusted.

        Args:
            targets: the targets of the report, M of them.
            report: of the frame.
            candidates: of the frame.
            decision: with M for N.

        Returns:
            The reported pixel boxes ``(M, 4)``.
        """
        chosen = np.asarray(targets, np.intp)
        reported = fusion.fuse(report.boxes, decision.trust, report.confidence, report.running)
        fused = fusion.fuse(self.boxes[chosen], decision.trust, report.confidence, report.running)
        back = np.where(candidates.found[:, None], candidates.boxes, fused)
        moved = decision.reset | ~report.running
        self.boxes[chosen] = np.where(moved[..., None], back[:, None], self.boxes[chosen])
        self._since_reset[chosen] = np.where(decision.reset, 0.0, self._since_reset[chosen])
        self.running[chosen], self.scanning[chosen] = decision.running, decision.scan
        for row, target in enumerate(chosen):
            if not decision.scan[row]:
                # While the target is sought, the size of what is followed says nothing about it.
                self._scan.stop(target)
                self._scan.remember(target, fused[row])
            if self._likeness:
                trust = decision.trust[row] + 1e-6 * report.confidence[row]
                self._likeness.remember(target, int(np.where(report.running[row], trust, -np.inf).argmax()))
        return fusion.move_box(reported, decision.residual)

    def _within(self, index: int, box: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """A box that can be looked around: its centre in the image, no side shorter than the expert can use."""
        return regions.within(box, (frame.shape[1], frame.shape[0]), self.experts[index].smallest)


def _begin(expert: Expert, frame: np.ndarray, box: np.ndarray) -> tuple[Template, np.ndarray]:
    """An expert's template, and what brings its boxes to the convention of the first frame's true box, ``(4,)``."""
    template = expert.template(frame, box)
    places = [fusion.correct_boxes(box, np.array([*shift, growth, growth])) for *shift, growth in FIRST_LOOKS]
    seen = expert.look_and_choose([frame] * len(places), places, [template] * len(places))
    boxes = [choice.box for _, choice in seen]
    return template, fusion.measure_correction(np.stack(boxes), box, CORRECTED_SHARE)
