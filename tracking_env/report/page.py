"""The report as a page: one HTML file that needs nothing else, and its plots as files beside it.

`write` scores results by `tracking_env.evaluation.scoring`, draws them with `tracking_env.report.plots`,
`tracking_env.report.film_strips` and `tracking_env.report.gallery`, and fills ``templates/report.html``. It needs the
extra ``report`` (jinja2, matplotlib and pillow), which nothing else in the library does, so this module is imported
only where a page is wanted.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
from tracking_env.evaluation.scoring import PARTS, Report, evaluate
from tracking_env.files import whole
from tracking_env.report import film_strips, gallery, page_tables, plots, published
from tracking_env.report.gallery import Gallery
from tracking_env.report.page_tables import Table

PART_NAMES = dict(zip(PARTS, ("whole video", "seen third", "unseen two thirds"), strict=True))

_Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
_Curve = Callable[[np.ndarray], np.ndarray]
_CURVES: dict[str, tuple[str, str, tuple[str, str], np.ndarray, _Measure, _Curve]] = {
    "success": (
        *("auc", "AUC", ("overlap threshold", "success rate")),
        *(metrics.SUCCESS_THRESHOLDS, metrics.overlaps, metrics.success_curve),
    ),
    "precision": (
        *("precision20", "P@20", ("centre error threshold (pixels)", "precision")),
        *(metrics.PRECISION_THRESHOLDS, metrics.centre_errors, metrics.precision_curve),
    ),
}
"""Of each kind of plot: the score's name and label, the axes' labels, the thresholds and how to measure."""


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
            if one.kind != "OPE":
                raise InputError(f"{name} holds {one.kind} results, a page shows one-pass ones; leave it out")
        self.looks = plots.styles(self.results)
        self.reports = self._evaluate("otb")
        self.ours, self.rival = self.wanted.pair(self.reports)

    def _evaluate(self, protocol: str, names: Container[str] | None = None) -> dict[str, Report]:
        truths = {one.name: one.truth for one in self.videos if names is None or one.name in names}
        tags = {one.name: one.attributes for one in self.videos}
        return {name: evaluate(one, truths, attributes=tags, protocol=protocol) for name, one in self.results.items()}

    @cached_property
    def boxes(self) -> dict[str, dict[str, list[np.ndarray]]]:
        """Per tracker and scored video, the sanitised boxes ``(T, 4)`` of each run."""
        return {
            name: {
                video.name: [_fit(run[video.name], video) for run in one.runs]
                for video in self.videos
                if video.name in self.reports[name].sequences
            }
            for name, one in self.results.items()
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
        names = [one.name for one in self.videos if one.name in published.TABLE_2]
        if not names:
            return None
        official, paper = (self._evaluate(protocol, names) for protocol in ("otb", "drlt-paper"))
        return page_tables.beside_table_1(official, paper), page_tables.beside_table_2(paper, names)

    def curves(self, kind: str, part: str) -> Markup:
        """Success or precision curves of a part: means over videos, on each the mean of a tracker's runs."""
        what, label, axes, thresholds, measure, curve = _CURVES[kind]
        lines = {}
        for name, report in self.reports.items():
            if (mean := report.mean[part]) is not None:
                rates = [
                    np.mean([curve(measure(run, one.truth)[_frames(one, part)]) for run in runs], axis=0)
                    for one in self.videos
                    if (runs := self.boxes[name].get(one.name)) and report.sequences[one.name][part] is not None
                ]
                lines[name] = np.mean(rates, axis=0), getattr(mean, what)
        title = f"{kind.capitalize()}, {PART_NAMES[part]} [{label}]"
        return self._plot(f"{kind}-{part}", title, plots.curves(title, axes, thresholds, lines, self.looks))

    def attributes(self, part: str) -> Markup | None:
        """Bars of the mean AUC over the videos with each tag; None where no video has one."""
        groups: dict[str, dict[str, float]] = {}
        for name, report in self.reports.items():
            for tag, (_, scores) in report.by_attribute().items():
                count = sum(tag in one.attributes for one in self.videos)
                if (score := scores[part]) is not None:
                    groups.setdefault(f"{tag}\n{count}", {})[name] = score.auc
        title = f"AUC by attribute, {PART_NAMES[part]}"
        figure = plots.bars(title, "AUC", groups, self.looks) if groups else None
        return self._plot(f"attributes-{part}", title, figure) if figure else None

    def overlap(self, video: Video) -> Markup:
        """Overlap over time on one video, one line per tracker, the mean of its runs."""
        lines = {
            name: np.mean([metrics.overlaps(run, video.truth) for run in boxes[video.name]], axis=0)
            for name, boxes in self.boxes.items()
            if video.name in boxes
        }
        figure = plots.overlap(video.name, lines, video.seen, self.looks)
        return self._plot(f"overlap-{video.name}", f"Overlap on {video.name}", figure)

    def strips(self) -> dict[str, dict[str, Strip]]:
        """Per tracker the pictures of its best and its worst unseen frames; nothing where there are no frames.

        Raises:
            InputError: a frame cannot be read.
        """
        shown = {one.name: one for one in self.videos if one.frames is not None}
        strips: dict[str, dict[str, Strip]] = {}
        for tracker, boxes in self.boxes.items():
            runs = {name: run for name, (run, *_) in boxes.items() if name in shown}
            moments = film_strips.best_and_worst(
                runs, {name: shown[name].truth for name in runs}, {name: shown[name].seen for name in runs}
            )
            for title, chosen in zip(("Best", "Worst"), moments, strict=True):
                pictures = [(at, _picture(shown[at.video], at, runs[at.video])) for at in chosen]
                if pictures:
                    strips.setdefault(tracker, {})[title] = pictures
        return strips

    def clips(self) -> list[gallery.Clip]:
        """The clips of the gallery, with a progress bar on a terminal; none of videos without frames.

        Raises:
            InputError: a frame cannot be read.
        """
        shown = {one.name: one for one in self.videos if one.frames is not None and one.name in self.boxes[self.ours]}
        names = self.wanted.choose(self.reports[self.ours], list(shown))
        clips = []
        for name in tqdm(names, desc="gallery", unit="clip", leave=False, disable=None if names else True):
            one, roles = shown[name], {"rival": self.rival, "agent": self.ours}
            boxes = {role: self.boxes[who][name][0] for role, who in roles.items() if who and name in self.boxes[who]}
            assert one.frames is not None
            clips.append(gallery.clip(name, one.frames, one.truth, boxes, one.seen))
        return clips

    def auc(self, tracker: str, video: str, part: str) -> float | None:
        """AUC of a tracker on a part of a video; None where it was not scored."""
        return page_tables.number(self.reports[tracker].sequences.get(video, {}).get(part), "auc")

    def speed(self) -> Markup | None:
        """Speed against unseen AUC; None where no tracker's speed is known."""
        points = {
            name: (fps, mean.auc)
            for name, report in self.reports.items()
            if (fps := report.mean_fps) and (mean := report.mean["unseen"])
        }
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


def _fit(run: np.ndarray, video: Video) -> np.ndarray:
    """A scored run as the evaluation scores it: in the official range, sanitised."""
    run = run if len(run) == len(video.truth) else otb.crop(video.name, run)
    return metrics.sanitise(run, video.truth)


def _frames(video: Video, part: str) -> slice:
    return {"whole": slice(None), "seen": slice(video.seen), "unseen": slice(video.seen, None)}[part]


def _picture(video: Video, at: film_strips.Moment, run: np.ndarray) -> str:
    assert video.frames is not None
    return film_strips.uri(
        film_strips.drawn(video.frames, at.index, {"truth": video.truth[at.index], "agent": run[at.index]})
    )
