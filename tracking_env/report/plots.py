"""The report's figures: matplotlib's object interface alone, so that nothing global is touched and no display needed.

A figure is saved as PNG and SVG files by `save`, becomes part of an HTML page by `inline`, and an array by `raster`.
Every tracker keeps one `Style` through all of them: colours of Okabe and Ito, which the colour-blind tell apart, and
dashes besides.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tracking_env.files import whole

INK = "#2a2a2e"
"""Of text and axes; `inline` makes it the page's own colour, light or dark."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # without yellow and black: two themes
_DASHES = ((), (5, 1.5), (1.2, 1.2), (5, 1.5, 1.2, 1.5), (9, 2))
_HATCHES = ("", "////", "....", "xxxx", "----")
_POINTS = 240  # of one line in an overlap figure
_LOOKS: Any = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: small, and it can be found and copied
    "text.parse_math": False,  # a tracker may be called $x$
    "hatch.linewidth": 0.6,
    "path.simplify": False,
    **{f"{what}color": INK for what in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")},
}


@dataclass(frozen=True)
class Style:
    """How one tracker looks everywhere: RGB as ``#rrggbb``, lengths on and off of its dashes, hatch of its bars."""

    colour: str
    dashes: tuple[float, ...]
    hatch: str

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of matplotlib's lines."""
        return {"color": self.colour, "linestyle": (0, self.dashes) if self.dashes else "-"}


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style per name, by its place in the order: the first 30 differ."""
    return {
        name: Style(_COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)], _HATCHES[at % len(_HATCHES)])
        for at, name in enumerate(names)
    }


def curves(
    title: str,
    labels: tuple[str, str],
    x: np.ndarray,
    lines: Mapping[str, tuple[np.ndarray, float]],
    looks: Mapping[str, Style],
) -> Figure:
    """Success or precision curves, the legend sorted by score as in the paper's Figure 2.

    Args:
        title: above the axes.
        labels: of the x and the y axis.
        x: thresholds ``(K,)``.
        lines: per tracker its rates ``(K,)`` in [0, 1], and the score that its legend entry starts with.
        looks: the trackers' `Style`.
    """
    with matplotlib.rc_context(_LOOKS):
        figure, axes = _figure(4.8, 3.1 + 0.18 * -(-len(lines) // 2))
        ranked = sorted(lines.items(), key=lambda line: -line[1][1])
        handles = [axes.plot(x, rates, linewidth=1.8, **looks[name].line)[0] for name, (rates, _) in ranked]
        axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xlim=(x[0], x[-1]), ylim=(0, 1))
        figure.legend(
            handles,
            [f"[{score:.3f}] {_short(name)}" for name, (_, score) in ranked],
            loc="outside lower center",  # inside it hides curves
            ncols=2,
            fontsize=8,
            frameon=False,
            handlelength=2.6,
        )
        return figure


def bars(title: str, label: str, groups: Mapping[str, Mapping[str, float]], looks: Mapping[str, Style]) -> Figure:
    """Groups of bars, one bar per tracker, values in [0, 1]; a tracker that is not in a group leaves a gap there."""
    with matplotlib.rc_context(_LOOKS):
        figure, axes = _figure(9.5, 3)
        width = 0.84 / max(1, len(looks))
        for at, (name, style) in enumerate(looks.items()):
            there = [(place, group[name]) for place, group in enumerate(groups.values()) if name in group]
            axes.bar(
                [place + (at - (len(looks) - 1) / 2) * width for place, _ in there],
                [value for _, value in there],
                width,
                color=style.colour,
                hatch=style.hatch,
                edgecolor="white",
                linewidth=0.4,
            )
        axes.set(title=title, ylabel=label, ylim=(0, 1), xlim=(-0.6, len(groups) - 0.4))
        axes.set_xticks(range(len(groups)), list(groups))
        axes.grid(visible=False, axis="x")
        return figure


def overlap(
    title: str, lines: Mapping[str, np.ndarray], seen: int, looks: Mapping[str, Style], legend: bool = False
) -> Figure:
    """Overlap over the frames of one sequence, small; the first ``seen`` frames are shaded.

    Args:
        title: above the axes.
        lines: per tracker its overlaps ``(T,)`` in [0, 1]; below 0, where there is no valid truth, or NaN is a gap. Of
            long sequences means over neighbouring frames are drawn.
        seen: number of frames open to training.
        looks: the trackers' `Style`.
        legend: name the lines below the axes.
    """
    with matplotlib.rc_context(_LOOKS | {"font.size": 8}):
        figure, axes = _figure(3.7, 1.75)
        length = max(map(len, lines.values()), default=1)
        if seen:
            axes.axvspan(0.5, seen + 0.5, color=INK, alpha=0.12, linewidth=0)
        for name, values in lines.items():
            axes.plot(*_thin(values), linewidth=1.1, label=name, **looks[name].line)
        axes.set(xlim=(0.5, length + 0.5), ylim=(0, 1), yticks=(0, 0.5, 1))
        axes.set_title(title, fontsize=8)
        if legend:
            figure.legend(loc="outside lower center", ncols=len(lines), frameon=False)
        return figure


def speed(points: Mapping[str, tuple[float, float]], looks: Mapping[str, Style]) -> Figure:
    """Frames per second, on a logarithmic axis, against unseen AUC: one labelled point per tracker."""
    with matplotlib.rc_context(_LOOKS):
        figure, axes = _figure(5.2, 3.2)
        for name, (fps, auc) in points.items():
            axes.plot([fps], [auc], "o", color=looks[name].colour)
            axes.annotate(_short(name), (fps, auc), (6, 3), textcoords="offset points", fontsize=8)
        axes.set(xscale="log", xlabel="frames per second", ylabel="AUC unseen", ylim=(0, 1))
        rates = [fps for fps, _ in points.values()]
        axes.set_xlim(min([1, *rates]) / 1.5, max([100, *rates]) * 4)  # room for the labels
        axes.set_xticks(ticks := [10**k for k in range(7) if axes.get_xlim()[0] < 10**k < axes.get_xlim()[1]])
        axes.set_xticklabels([f"{tick:,}" for tick in ticks])
        axes.axvline(25, color=INK, linewidth=0.8, linestyle=":")
        axes.text(25, 0.02, " live video, 25", fontsize=7.5)
        return figure


def save(figure: Figure, stem: Path) -> None:
    """Write ``STEM.png`` (150 dots per inch, white) and ``STEM.svg``; equal figures make equal bytes."""
    bare = {"metadata": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
    formats: dict[str, Any] = {"png": {"dpi": 150, "facecolor": "white"}, "svg": {"transparent": True} | bare}
    for suffix, options in formats.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        with matplotlib.rc_context(_LOOKS | {"svg.hashsalt": stem.name}), whole(path) as partial:
            figure.savefig(partial, format=suffix, **options)


def raster(figure: Figure) -> np.ndarray:
    """A figure as a picture ``(height, width, 3)`` uint8 RGB, 72 dots per inch: as wide as TensorBoard's cards."""
    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    with matplotlib.rc_context(_LOOKS):
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def inline(svg: str, title: str) -> str:
    """The text of an SVG file as an element of an HTML page: in the page's text colour, named, half the size."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]), svg)
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)  # unique in the page
    svg = re.sub(r">\s+<", "><", re.sub(r"  +", " ", svg))
    return f'<svg role="img" aria-label="{escape(title)}"' + svg.removeprefix("<svg")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches, with one open, gridded pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=INK, alpha=0.13, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    return figure, axes


def _thin(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers and values: means of valid neighbours, at most `_POINTS`; NaN where none is valid."""
    size = -(-len(values) // _POINTS)
    starts = np.arange(0, len(values), size)
    valid = values >= 0
    counts = np.add.reduceat(valid.astype(int), starts)
    sums = np.add.reduceat(np.where(valid, values, 0.0), starts)
    return starts + (size + 1) / 2, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
