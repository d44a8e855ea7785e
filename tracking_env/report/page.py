"""The report as a page: one HTML file that needs nothing else, and its plots as files beside it.

`write` scores results by `tracking_env.evaluation.scoring`, draws them with `tracking_env.report.plots`,
`tracking_env.report.film_strips` and `tracking_env.report.gallery`, and fills ``templates/report.html``. It needs the
extra ``report`` (jinja2, matplotlib and pillow), which nothing else in the library does, so this module is imported
only where a page is wanted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from tqdm import tqdm

from tracking_env.datasets import loading, otb
from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError
from tracking_env.evaluation import metrics
from tracking_env.evaluation.result_files import Results
from tracking_env.evaluation.scoring import Report, evaluate
from tracking_env.evaluation.sequence_score import PARTS, SequenceScore
from tracking_env.files import whole
from tracking_env.report import film_strips, gallery, page_tables, plots, published
from tracking_env.report.gallery import Gallery
from tracking_env.report.page_tables import Table

PART_NAMES = dict(zip(PARTS, ("whole video", "seen third", "unseen two thirds"), strict=True))

_CURVES: dict[str, tuple[str, str, tuple[str, str], np.ndarray, Callable[[SequenceScore, str], np.ndarray]]] = {
    "success": (
        *("auc", "AUC", ("overlap threshold", "success rate")),
        *(metrics.SUCCESS_THRESHOLDS, SequenceScore.success_curve),
    ),
    "precision": (
        *("precision20", "P@20", ("centre error threshold (pixels)", "precision")),
        *(metrics.PRECISION_THRESHOLDS, SequenceScore.precision_curve),
    ),
}
"""Of each kind of plot: the score's name and label, the axes' labels, the thresholds and the curve of a part."""


@dataclass(frozen=True, eq=False)
class Video:
    """What results are scored against.

    Attributes:
        name: unique in a report.
        truth: true pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)``.
        attributes: its difficulty tags, some of `tracking_env.evaluation.scoring.ATTRIBUTES`.
        frames: None where there are only annotations; then no film strip and no clip shows it.
    """

    name: str
    truth: np.ndarray
    attributes: tuple[str, ...] = ()
    frames: Frames | None = None

    @property
    def seen(self) -> int:
        """Number of frames in the training third."""
        return len(self.truth) // 3


Strip = list[tuple[film_strips.Moment, str]]


@dataclass(eq=False)
class Page:
    """A report in the making: each method is a piece of the template; plots are saved in ``folder`` on the way."""

    videos: Sequence[Video]
    results: Mapping[str, Results]
    folder: Path
    wanted: Gallery = field(default_factory=Gallery)

    def __post_init__(self) -> None:
        for name, one in self.results.items():
            if one.protocol != "ope":
                raise InputError(
                    f"{name} holds {one.protocol.upper()} results, a page shows one-pass ones; leave it out"
                )
        self.looks = plots.styles(self.results)
        self.reports = self._evaluate("otb", self.videos)
        self.ours, self.rival = self.wanted.pair(self.reports)

    def _evaluate(self, formula: str, videos: Sequence[Video]) -> dict[str, Report]:
        truths = {video.name: video.truth for video in videos}
        tags = {video.name: video.attributes for video in videos}
        return {
            tracker: evaluate(results, truths, attributes=tags, formula=formula)
            for tracker, results in self.results.items()
        }

    @property
    def parts(self) -> list[str]:
        """Those of the parts that some video has: two frames have no seen third."""
        return [part for part in PARTS if any(report.mean[part] for report in self.reports.values())]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """What could not be scored: tracker, video and a one-line reason."""
        return [(name, at, why) for name, report in self.reports.items() for at, why in report.failed.items()]

    def table(self, part: str) -> Table:
        """AUC of each tracker on a part of each video."""
        return page_tables.per_sequence(self.reports, [one.name for one in self.videos], part)

    def paper(self) -> tuple[Table, Table] | None:
        """These results beside the paper's Tables 1 and 2; None where no video is one of the paper's."""
        videos = [video for video in self.videos if video.name in published.TABLE_2]
        if not videos:
            return None
        names = [video.name for video in videos]
        official = {tracker: report.select(names) for tracker, report in self.reports.items()}
        paper = self._evaluate("drlt-paper", videos)
        return page_tables.beside_table_1(official, paper), page_tables.beside_table_2(paper, names)

    def curves(self, kind: str, part: str) -> Markup:
        """Success or precision curves of a part: means over videos, on each the mean of a tracker's runs."""
        metric, label, axes, thresholds, curve = _CURVES[kind]
        lines = {}
        for tracker, report in self.reports.items():
            mean = report.mean[part]
            if mean is None:
                continue
            rates = []
            for name, runs in report.scores.items():
                if report.sequences[name][part] is not None:
                    rates.append(np.mean([curve(run, part) for run in runs], axis=0))
            lines[tracker] = np.mean(rates, axis=0), getattr(mean, metric)
        title = f"{kind.capitalize()}, {PART_NAMES[part]} [{label}]"
        return self._plot(f"{kind}-{part}", title, plots.curves(title, axes, thresholds, lines, self.looks))

    def attributes(self, part: str) -> Markup | None:
        """Bars of the mean AUC over the videos with each tag; None where no video has one."""
        groups: dict[str, dict[str, float]] = {}
        for name, report in self.reports.items():
            for tag, (_, scores) in report.by_attribute().items():
                count = sum(tag in video.attributes for video in self.videos)
                score = scores[part]
                if score is not None:
                    groups.setdefault(f"{tag}\n{count}", {})[name] = score.auc
        title = f"AUC by attribute, {PART_NAMES[part]}"
        figure = plots.bars(title, "AUC", groups, self.looks) if groups else None
        return self._plot(f"attributes-{part}", title, figure) if figure else None

    def overlap(self, video: Video) -> Markup:
        """Overlap over time on one video, one line per tracker, the mean of its runs."""
        lines = {
            tracker: np.mean([run.overlaps for run in report.scores[video.name]], axis=0)
            for tracker, report in self.reports.items()
            if video.name in report.scores
        }
        figure = plots.overlap(video.name, lines, video.seen, self.looks)
        return self._plot(f"overlap-{video.name}", f"Overlap on {video.name}", figure)

    def strips(self) -> dict[str, dict[str, Strip]]:
        """Per tracker the pictures of its best and its worst unseen frames; nothing where there are no frames.

        Raises:
            InputError: a frame cannot be read.
        """
        shown = {video.name: video for video in self.videos if video.frames is not None}
        strips: dict[str, dict[str, Strip]] = {}
        for tracker, report in self.reports.items():
            scores = {name: runs[0] for name, runs in report.scores.items() if name in shown}
            for title, moments in zip(("Best", "Worst"), film_strips.best_and_worst(scores), strict=True):
                if moments:
                    strips.setdefault(tracker, {})[title] = [
                        (moment, _picture(shown[moment.video], moment, scores[moment.video].boxes))
                        for moment in moments
                    ]
        return strips

    def clips(self) -> list[gallery.Clip]:
        """The clips of the gallery, with a progress bar on a terminal; none of videos without frames.

        Raises:
            InputError: a frame cannot be read.
        """
        report = self.reports[self.ours]
        shown = {video.name: video for video in self.videos if video.frames is not None and video.name in report.scores}
        names = self.wanted.choose(report, list(shown))
        clips = []
        for name in tqdm(names, desc="gallery", unit="clip", leave=False, disable=None if names else True):
            video, boxes = shown[name], {}
            if self.rival is not None and name in self.reports[self.rival].scores:
                boxes["rival"] = self.reports[self.rival].scores[name][0].boxes
            boxes["agent"] = report.scores[name][0].boxes  # the last is drawn on top
            assert video.frames is not None
            clips.append(gallery.clip(name, video.frames, video.truth, boxes, video.seen))
        return clips

    def auc(self, tracker: str, video: str, part: str) -> float | None:
        """AUC of a tracker on a part of a video; None where it was not scored."""
        return page_tables.number(self.reports[tracker].sequences.get(video, {}).get(part), "auc")

    def speed(self) -> Markup | None:
        """Speed against unseen AUC; None where no tracker's speed is known."""
        points = {}
        for tracker, report in self.reports.items():
            fps, mean = report.mean_fps, report.mean["unseen"]
            if fps is not None and mean is not None:
                points[tracker] = fps, mean.auc
        return self._plot("speed", "Speed and accuracy", plots.speed(points, self.looks)) if points else None

    def _plot(self, stem: str, title: str, figure: Figure) -> Markup:
        """Save a figure as files, and return it as an element of the page."""
        path = self.folder / "plots" / re.sub(r"[^\w.-]+", "_", stem)
        plots.save(figure, path)
        return Markup(plots.inline(path.with_name(f"{path.name}.svg").read_text(encoding="utf-8"), title))


def load_videos(root: Path | None, annotations: Path | None, sequences: str) -> list[Video]:
    """What to score against: with frames from a folder of sequences or drawn, without from a folder of annotations.

    Args:
        root: as for `tracking_env.datasets.loading.load`.
        annotations: folder of ``NAME.txt`` with true boxes of OTB sequences.
        sequences: names and lists, as for `tracking_env.datasets.loading.load`.

    Raises:
        InputError: there is not one source, or it lacks what was asked for.
    """
    if annotations is not None and root is None:
        return [
            Video(name, otb.load_annotations(annotations, name), otb.TABLE[name].attributes)
            for name in otb.names(sequences, None)
        ]
    if annotations is None and (root is not None or sequences.startswith("synthetic:")):
        return [Video(one.name, one.boxes, one.attributes, one.frames) for one in loading.load(root, sequences)]
    raise InputError("true boxes come from one place; give either --root OTB or --annotations DIR")


def write(
    folder: Path, videos: Sequence[Video], results: Mapping[str, Results], wanted: Gallery | None = None
) -> dict[str, Report]:
    """Write ``index.html`` and ``plots/`` (PNG and SVG) into a folder, making it where it is not there.

    Args:
        folder: files of an older report are replaced.
        videos: what to score against, at least one.
        results: one-pass results by tracker, at least one; its place gives each its colour and dashes in every plot.
        wanted: what the gallery shows.

    Returns:
        The scores, by tracker.

    Raises:
        InputError: results are not one-pass, no video can be scored, a frame cannot be read, or the folder not written.
    """
    page = Page(videos, results, folder, wanted or Gallery())
    if not page.parts:
        reason = "; ".join(f"{name}, {video}: {why}" for name, video, why in page.failures[:1])
        raise InputError(f"no sequence could be scored ({reason}); give folders that hold results of these sequences")
    try:
        (folder / "plots").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}; give another one as --out") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracking_env.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    html = template.render(
        page=page,
        parts=PART_NAMES,
        headline=page_tables.headline(page.reports),
        published=published,
        colours=film_strips.colours,
        bar=film_strips.css(gallery.SEEN),
    )
    with whole(folder / "index.html") as partial:
        partial.write_text(html, encoding="utf-8")
    return page.reports


def _picture(video: Video, at: film_strips.Moment, run: np.ndarray) -> str:
    assert video.frames is not None
    return film_strips.uri(
        film_strips.drawn(video.frames, at.index, {"truth": video.truth[at.index], "agent": run[at.index]})
    )
