"""The content of the report's page: its scores, tables, plots and pictures, which the template puts together."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from tqdm import tqdm

from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import GroundTruth, read_sizes
from tracking_env.evaluation.protocols import PROTOCOLS, Protocol
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.score_report import Report
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore
from tracking_env.report import film_strips, page_tables, plots, published
from tracking_env.report.gallery import Animation, Gallery, animate
from tracking_env.report.page_tables import Table

PART_NAMES = dict(zip(PARTS, ("whole video", "seen third", "unseen two thirds"), strict=True))
Strip = list[tuple[film_strips.Moment, str]]
"""Frames of a film strip, each with its picture as a data URI."""


class _CurvePlot(NamedTuple):
    """A kind of plot: the axes' labels, the thresholds in a protocol, and the curve of a part of a sequence."""

    axes: tuple[str, str]
    thresholds: Callable[[Protocol], np.ndarray]
    curve: Callable[[SequenceScore, str], np.ndarray]


_CURVE_PLOTS = {
    "success": _CurvePlot(
        axes=("overlap threshold", "success rate"),
        thresholds=lambda protocol: protocol.success_thresholds,
        curve=SequenceScore.success_curve,
    ),
    "precision": _CurvePlot(
        axes=("centre error threshold (pixels)", "precision"),
        thresholds=lambda protocol: protocol.precision_thresholds,
        curve=SequenceScore.precision_curve,
    ),
}


@dataclass(eq=False)
class Page:
    """The scores and the pieces of a page; the template calls its methods, which save plots in ``folder``."""

    sequences: Sequence[GroundTruth]
    results: Mapping[str, Results]
    folder: Path
    gallery: Gallery = field(default_factory=Gallery)
    protocol: Protocol = PROTOCOLS["otb"]

    def __post_init__(self) -> None:
        for tracker, results in self.results.items():
            if results.protocol != "ope":
                kind = results.protocol.upper()
                raise InputError(f"{tracker} holds {kind} results, a page shows one-pass ones; leave it out")
        self.styles = plots.assign_styles(self.results)
        self.reports = self._evaluate(self.protocol.name, self.sequences)
        self.ours, self.rival = self.gallery.choose_trackers(self.reports)

    def _evaluate(self, protocol: str, sequences: Sequence[GroundTruth]) -> dict[str, Report]:
        truths = {sequence.name: sequence.boxes for sequence in sequences}
        tags = {sequence.name: sequence.attributes for sequence in sequences}
        sizes = read_sizes(sequences) if PROTOCOLS[protocol].needs_size else None
        return {
            tracker: evaluate(results, truths, attributes=tags, protocol=protocol, sizes=sizes)
            for tracker, results in self.results.items()
        }

    @property
    def parts(self) -> list[str]:
        """The parts that the page shows: those that some sequence has, since two frames have no seen third."""
        parts = PARTS if self.protocol.splits else ("whole",)
        return [part for part in parts if any(report.mean[part] for report in self.reports.values())]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """The results that could not be scored: tracker, sequence and a one-line reason."""
        failures = []
        for tracker, report in self.reports.items():
            failures += [(tracker, sequence, reason) for sequence, reason in report.failed.items()]
        return failures

    def table(self, part: str) -> Table:
        """The protocol's first score of each tracker on a part of each sequence."""
        return page_tables.make_sequence_table(self.reports, [sequence.name for sequence in self.sequences], part)

    def paper(self) -> tuple[Table, Table] | None:
        """These results beside the paper's Tables 1 and 2; None if no sequence is one of the paper's."""
        sequences = [sequence for sequence in self.sequences if sequence.name in published.TABLE_2]
        if not sequences:
            return None
        names = [sequence.name for sequence in sequences]
        # Table 1's AUC is by the paper's formula, its precision by OTB's: both are needed.
        official = self._evaluate("otb", sequences)
        paper = self._evaluate("drlt-paper", sequences)
        return page_tables.compare_with_table_1(official, paper), page_tables.compare_with_table_2(paper, names)

    def curves(self, kind: str, part: str) -> Markup | None:
        """Success or precision curves of a part: means over sequences, on each the mean of a tracker's runs.

        None if the protocol has no precision.
        """
        plot = _CURVE_PLOTS[kind]
        metric = self.protocol.headline if kind == "success" else self.protocol.precision
        if metric is None:
            return None
        curves = {}
        for tracker, report in self.reports.items():
            mean = report.mean[part]
            if mean is None:  # no sequence of this tracker has the part
                continue
            rates = []
            for name, runs in report.scores.items():
                if report.sequences[name][part] is not None:
                    rates.append(np.mean([plot.curve(run, part) for run in runs], axis=0))
            curves[tracker] = np.mean(rates, axis=0), getattr(mean, metric)
        title = f"{kind.capitalize()}, {PART_NAMES[part]} [{self.protocol.label(metric)}]"
        figure = plots.draw_curves(title, plot.axes, plot.thresholds(self.protocol), curves, self.styles)
        return self._plot(f"{kind}-{part}", title, figure)

    def attributes(self, part: str) -> Markup | None:
        """Bars of the mean AUC over the sequences with each tag; None if no sequence has a tag."""
        groups: dict[str, dict[str, float]] = {}
        for tracker, report in self.reports.items():
            for tag, (_, scores) in report.by_attribute().items():
                # All sequences with the tag, so that trackers with failed sequences share a group.
                count = sum(tag in sequence.attributes for sequence in self.sequences)
                score = scores[part]
                if score is not None:
                    groups.setdefault(f"{tag}\n{count}", {})[tracker] = score.auc
        if not groups:
            return None
        title = f"AUC by attribute, {PART_NAMES[part]}"
        return self._plot(f"attributes-{part}", title, plots.draw_bars(title, "AUC", groups, self.styles))

    def overlap(self, sequence: GroundTruth) -> Markup:
        """Overlap over time on one sequence, a curve per tracker: the mean of its runs."""
        curves = {
            tracker: np.mean([run.overlaps for run in report.scores[sequence.name]], axis=0)
            for tracker, report in self.reports.items()
            if sequence.name in report.scores
        }
        figure = plots.draw_overlap(sequence.name, curves, sequence.seen, self.styles)
        return self._plot(f"overlap-{sequence.name}", f"Overlap on {sequence.name}", figure)

    def strips(self) -> dict[str, dict[str, Strip]]:
        """Per tracker the pictures of its best and its worst unseen frames; empty if there are no frames.

        Raises:
            InputError: a frame cannot be read.
        """
        with_frames = {sequence.name: sequence for sequence in self.sequences if sequence.frames is not None}
        strips: dict[str, dict[str, Strip]] = {}
        for tracker, report in self.reports.items():
            # Pictures show the first run: a mean box of several would belong to none.
            scores = {name: runs[0] for name, runs in report.scores.items() if name in with_frames}
            for title, moments in zip(("Best", "Worst"), film_strips.find_best_and_worst(scores), strict=True):
                strip = []
                for moment in moments:
                    prediction = scores[moment.sequence].boxes[moment.index]
                    strip.append((moment, _draw_moment(with_frames[moment.sequence], moment.index, prediction)))
                if strip:
                    strips.setdefault(tracker, {})[title] = strip
        return strips

    def animations(self) -> list[Animation]:
        """The animations of the gallery, with a progress bar on a terminal; none of sequences without frames.

        Raises:
            InputError: a frame cannot be read.
        """
        ours = self.reports[self.ours]
        rival = self.reports[self.rival] if self.rival is not None else Report({})
        candidates = {
            sequence.name: sequence
            for sequence in self.sequences
            if sequence.frames is not None and sequence.name in ours.scores
        }
        names = self.gallery.choose_sequences(ours, list(candidates))
        animations = []
        for name in tqdm(names, desc="gallery", unit="sequence", leave=False, disable=None if names else True):
            sequence, boxes = candidates[name], {}
            if name in rival.scores:
                boxes["rival"] = rival.scores[name][0].boxes
            boxes["agent"] = ours.scores[name][0].boxes  # the last role is drawn on top
            assert sequence.frames is not None
            animations.append(animate(name, sequence.frames, sequence.boxes, boxes, sequence.seen))
        return animations

    def auc(self, tracker: str, sequence: str, part: str) -> float | None:
        """AUC of a tracker on a part of a sequence; None if it was not scored."""
        return page_tables.get_metric(self.reports[tracker].sequences.get(sequence, {}).get(part), "auc")

    def speed(self) -> Markup | None:
        """Speed against unseen AUC; None if no tracker's speed is known."""
        points = {}
        for tracker, report in self.reports.items():
            fps, mean = report.mean_fps, report.mean["unseen"]
            if fps is not None and mean is not None:
                points[tracker] = fps, mean.auc
        return self._plot("speed", "Speed and accuracy", plots.draw_speed(points, self.styles)) if points else None

    def _plot(self, stem: str, title: str, figure: Figure) -> Markup:
        """Save a figure as files, and return it as an element of the page."""
        # Names of sequences may hold characters that file names may not.
        path = self.folder / "plots" / re.sub(r"[^\w.-]+", "_", stem)
        plots.save_figure(figure, path)
        return Markup(plots.inline_svg(path.with_name(f"{path.name}.svg").read_text(encoding="utf-8"), title))


def _draw_moment(sequence: GroundTruth, index: int, prediction: np.ndarray) -> str:
    """A frame with its true and its predicted box, as a data URI."""
    assert sequence.frames is not None
    boxes = {"truth": sequence.boxes[index], "agent": prediction}
    return film_strips.to_data_uri(film_strips.draw_frame(sequence.frames, index, boxes))
