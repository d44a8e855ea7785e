"""The content of the report's page: its scores, tables, plots and pictures, which the template puts together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from tracking_env.boxes import Size
from tracking_env.errors import InputError
from tracking_env.evaluation.ground_truth import GroundTruth, read_sizes
from tracking_env.evaluation.protocols import PROTOCOLS, Protocol
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.scoring import evaluate
from tracking_env.evaluation.sequence_score import PARTS
from tracking_env.report import film_strips, page_tables, plots, published
from tracking_env.report.gallery import Gallery, picture_frames
from tracking_env.report.page_tables import PaperScores, Table
from tracking_env.report.summary import Summary, choose_frames, list_curves, summarise, summarise_means

PART_NAMES = dict(zip(PARTS, ("whole video", "first third", "rest"), strict=True))
Strip = list[tuple[film_strips.Moment, str]]
"""Frames of a film strip, each with its picture as a data URI."""


@dataclass(eq=False)
class Page:
    """The scores and the pieces of a page.

    Attributes:
        sequences: the sequences to score.
        results: one-pass results by tracker; each is read once, and its boxes are not kept.
        gallery: the sequences with pictures, and the two trackers that the page shows first.
        protocol: how results are scored.
        summaries: what the page shows of each tracker.
        paper_scores: by tracker, its scores on the sequences of the DRLT paper; empty if there are none of these.
    """

    sequences: Sequence[GroundTruth]
    results: Mapping[str, Results]
    gallery: Gallery = field(default_factory=Gallery)
    protocol: Protocol = PROTOCOLS["otb"]

    def __post_init__(self) -> None:
        self.styles = plots.assign_styles(self.results)
        self.summaries: dict[str, Summary] = {}
        self.paper_scores: dict[str, PaperScores] = {}
        truths = {
            sequence.name: self.protocol.choose_truth(sequence.boxes, sequence.polygons) for sequence in self.sequences
        }
        tags = {sequence.name: sequence.attributes for sequence in self.sequences}
        in_paper = {name: boxes for name, boxes in truths.items() if name in published.TABLE_2}
        sizes = read_sizes(self.sequences) if self.protocol.needs_size else None
        with_frames = [sequence.name for sequence in self.sequences if sequence.frames is not None]
        for tracker in tqdm(self.results, desc="trackers", leave=False, disable=None):
            results = self.results[tracker]
            if results.protocol != "ope":
                kind = results.protocol.upper()
                raise InputError(f"{tracker} holds {kind} results, a page shows one-pass ones; leave it out")
            report = evaluate(results, truths, attributes=tags, protocol=self.protocol.name, sizes=sizes)
            self.summaries[tracker] = summarise(report, with_frames)
            if in_paper:
                # Table 1's AUC is by the paper's formula, its precision by OTB's: both are needed.
                both = (evaluate(results, in_paper, attributes={}, protocol=name) for name in ("otb", "drlt-paper"))
                self.paper_scores[tracker] = page_tables.score_for_paper(*both)
        self.over = ""
        scored = [set(summary.sequences) for summary in self.summaries.values() if summary.sequences]
        common = set.intersection(*scored) if scored else set()
        if any(names != common for names in scored):
            self.over = f", on {len(common)} of {len(truths)} sequences"
            self._compare_on({name: boxes for name, boxes in truths.items() if name in common}, tags, sizes)
        self.ours, self.rival = self.gallery.choose_trackers(self.summaries)

    def _compare_on(
        self,
        truths: Mapping[str, np.ndarray],
        tags: Mapping[str, Sequence[str]],
        sizes: Mapping[str, Size] | None,
    ) -> None:
        """Take means and curves over these sequences, which all trackers have a score for: others do not compare."""
        in_paper = {name: boxes for name, boxes in truths.items() if name in published.TABLE_2}
        for tracker, summary in self.summaries.items():
            # Read again, since the boxes of all trackers may not fit into memory together.
            results = self.results[tracker]
            report = evaluate(results, truths, attributes=tags, protocol=self.protocol.name, sizes=sizes)
            means = summarise_means(report)
            self.summaries[tracker] = replace(summary, **means, json=summary.json | report.means_to_json())
            if tracker in self.paper_scores:
                both = (evaluate(results, in_paper, attributes={}, protocol=name) for name in ("otb", "drlt-paper"))
                scores, overlaps = page_tables.score_for_paper(*both), self.paper_scores[tracker].overlaps
                self.paper_scores[tracker] = replace(scores, overlaps=overlaps)

    @property
    def parts(self) -> list[str]:
        """The parts that the page shows: the whole, and where a tracker was trained on the first thirds all of them."""
        summaries = self.summaries.values()
        split = self.protocol.splits and any(summary.trained for summary in summaries)
        # Two frames have no first third.
        return [part for part in (PARTS if split else PARTS[:1]) if any(summary.mean[part] for summary in summaries)]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """The results that could not be scored: tracker, sequence and a one-line reason."""
        failures = []
        for tracker, summary in self.summaries.items():
            failures += [(tracker, sequence, reason) for sequence, reason in summary.failed.items()]
        return failures

    def paper(self) -> tuple[Table, Table] | None:
        """These results beside the paper's Tables 1 and 2; None if no sequence is one of the paper's."""
        if not self.paper_scores:
            return None
        names = [sequence.name for sequence in self.sequences if sequence.name in published.TABLE_2]
        scores = self.paper_scores
        # The paper's means are over its 30 sequences.
        comparable = not self.over and len(names) == len(published.TABLE_2)
        return page_tables.compare_with_table_1(scores, comparable), page_tables.compare_with_table_2(scores, names)

    def attributes(self) -> dict[str, int]:
        """The difficulty tags of the sequences in their order, each with the number of sequences in its means."""
        counts: dict[str, int] = {}
        for summary in self.summaries.values():
            for tag, (count, _) in summary.by_attribute.items():
                counts[tag] = count
        return counts

    def strips(self) -> dict[str, dict[str, Strip]]:
        """Per tracker the pictures of its best and its worst frames; empty if there are no frames.

        Raises:
            InputError: a frame cannot be read.
        """
        sequences = {sequence.name: sequence for sequence in self.sequences}
        strips: dict[str, dict[str, Strip]] = {}
        for tracker, summary in self.summaries.items():
            for title, moments in (("Best", summary.best), ("Worst", summary.worst)):
                strip = [
                    (moment, _draw_moment(sequences[moment.sequence], moment.index, box)) for moment, box in moments
                ]
                if strip:
                    strips.setdefault(tracker, {})[title] = strip
        return strips

    def pictures(self) -> dict[str, list[str]]:
        """The pictures of the gallery's sequences, as data URIs, by sequence; none of sequences without frames.

        Raises:
            InputError: a frame cannot be read.
        """
        candidates = {sequence.name: sequence for sequence in self.sequences if sequence.frames is not None}
        names = self.gallery.choose_sequences(self.summaries[self.ours], list(candidates))
        pictures: dict[str, list[str]] = {}
        for name in tqdm(names, desc="pictures", unit="sequence", leave=False, disable=None if names else True):
            sequence = candidates[name]
            assert sequence.frames is not None
            pictures[name] = picture_frames(sequence.frames, choose_frames(len(sequence.boxes)))
        return pictures

    def save_plots(self, folder: Path) -> None:
        """Write the curves, the bars of attributes and the speeds as files for papers: PNG and SVG."""
        for part in self.parts:
            for kind, curve in list_curves(self.protocol).items():
                rates = {}
                for tracker, summary in self.summaries.items():
                    score = page_tables.get_metric(summary.mean[part], curve.metric)
                    if score is not None and part in summary.curves[kind]:
                        rates[tracker] = summary.curves[kind][part], score
                if not rates:
                    continue
                title = f"{kind.capitalize()}, {PART_NAMES[part]}{self.over} [{self.protocol.label(curve.metric)}]"
                figure = plots.draw_curves(title, curve.axes, curve.thresholds, rates, self.styles)
                _save(figure, folder / f"{kind}-{part}")
            groups = self._attribute_groups(part)
            if groups:
                label = self.protocol.label(self.protocol.headline)
                title = f"{label} by attribute, {PART_NAMES[part]}{self.over}"
                _save(plots.draw_bars(title, label, groups, self.styles), folder / f"attributes-{part}")
        points = {}
        for tracker, summary in self.summaries.items():
            auc = page_tables.get_metric(summary.mean["whole"], "auc")
            if summary.mean_fps is not None and auc is not None:
                points[tracker] = summary.mean_fps, auc
        if points:
            _save(plots.draw_speed(points, self.styles), folder / "speed")

    def _attribute_groups(self, part: str) -> dict[str, dict[str, float]]:
        """The headline score over the sequences with a tag, by the tag's title and the tracker."""
        groups: dict[str, dict[str, float]] = {}
        for tag, count in self.attributes().items():
            for tracker, summary in self.summaries.items():
                score = page_tables.get_metric(
                    summary.by_attribute.get(tag, (0, {}))[1].get(part), self.protocol.headline
                )
                if score is not None:
                    groups.setdefault(f"{tag}\n{count}", {})[tracker] = score
        return groups


def _save(figure: Figure, path: Path) -> None:
    plots.save_figure(figure, path.with_name(re.sub(r"[^\w.-]+", "_", path.name)))


def _draw_moment(sequence: GroundTruth, index: int, prediction: np.ndarray) -> str:
    """A frame with its true and its predicted box, as a data URI."""
    assert sequence.frames is not None
    boxes = {"truth": sequence.boxes[index], "agent": prediction}
    return film_strips.to_data_uri(film_strips.draw_frame(sequence.frames, index, boxes))
