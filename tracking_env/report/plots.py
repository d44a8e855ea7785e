"""The report's figures, by matplotlib's object interface alone: it changes no global state and needs no display.

`save_figure` writes a figure as PNG and SVG files, `inline_svg` makes it a part of an HTML page, `rasterise` an array.
Every tracker has one `Style` in all figures: a colour of Okabe and Ito, which colour-blind readers can distinguish, and
dashes.
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

from tracking_env.files import write_atomically
from tracking_env.terminal import printable

INK = "#2a2a2e"
"""Colour of text and axes; `inline_svg` replaces it by the page's text colour, light or dark."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # no yellow, no black: two themes
_DASHES = ((), (5, 1.5), (1.2, 1.2), (5, 1.5, 1.2, 1.5), (9, 2))
_HATCHES = ("", "////", "....", "xxxx", "----")
_POINTS = 240  # of one curve in an overlap figure
_SETTINGS: Any = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: small, and a reader can search and copy it
    "text.parse_math": False,  # a tracker may be called $x$
    "hatch.linewidth": 0.6,
    "path.simplify": False,
    **{f"{element}color": INK for element in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")},
}


@dataclass(frozen=True)
class Style:
    """A tracker's look in every figure: RGB as ``#rrggbb``, lengths on and off of its dashes, hatch of its bars."""

    colour: str
    dashes: tuple[float, ...]
    hatch: str

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of matplotlib's lines."""
        return {"color": self.colour, "linestyle": (0, self.dashes) if self.dashes else "-"}


def assign_styles(names: Iterable[str]) -> dict[str, Style]:
    """A style per name, by its place in the order: the first 30 differ."""
    return {
        name: Style(_COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)], _HATCHES[at % len(_HATCHES)])
        for at, name in enumerate(names)
    }


def draw_curves(
    title: str,
    labels: tuple[str, str],
    thresholds: np.ndarray,
    curves: Mapping[str, tuple[np.ndarray, float]],
    styles: Mapping[str, Style],
) -> Figure:
    """Success or precision curves, the legend sorted by score as in the paper's Figure 2.

    Args:
        title: above the axes.
        labels: of the x and the y axis.
        thresholds: on the x axis, ``(K,)``.
        curves: per tracker its rates ``(K,)`` in [0, 1], and the score that its legend entry starts with.
        styles: the trackers' styles.
    """
    with matplotlib.rc_context(_SETTINGS):
        # The legend has two entries a row, and 0.18 inches for each row.
        figure, axes = _make_figure(4.8, 3.1 + 0.18 * -(-len(curves) // 2))
        ranked = sorted(curves.items(), key=lambda curve: -curve[1][1])
        handles = [axes.plot(thresholds, rates, linewidth=1.8, **styles[name].line)[0] for name, (rates, _) in ranked]
        axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xlim=(thresholds[0], thresholds[-1]), ylim=(0, 1))
        figure.legend(
            handles,
            [f"[{score:.3f}] {_shorten(name)}" for name, (_, score) in ranked],
            loc="outside lower center",  # inside the axes it hides curves
            ncols=2,
            fontsize=8,
            frameon=False,
            handlelength=2.6,
        )
        return figure


def draw_bars(title: str, label: str, groups: Mapping[str, Mapping[str, float]], styles: Mapping[str, Style]) -> Figure:
    """Groups of bars, one bar per tracker, values in [0, 1]; a tracker that is not in a group leaves a gap there."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _make_figure(9.5, 3)
        width = 0.84 / max(1, len(styles))  # the rest of a group's place separates it from the next
        for at, (name, style) in enumerate(styles.items()):
            bars = [(place, group[name]) for place, group in enumerate(groups.values()) if name in group]
            axes.bar(
                [place + (at - (len(styles) - 1) / 2) * width for place, _ in bars],
                [value for _, value in bars],
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


def draw_overlap(
    title: str, curves: Mapping[str, np.ndarray], seen: int, styles: Mapping[str, Style], legend: bool = False
) -> Figure:
    """Overlap over the frames of one sequence, small; the first ``seen`` frames are shaded.

    Args:
        title: above the axes.
        curves: per tracker its overlaps ``(T,)`` in [0, 1]. NaN, or a negative number for a frame without a valid true
            box, is a gap. In long sequences means over neighbouring frames are drawn.
        seen: number of frames open to training.
        styles: the trackers' styles.
        legend: name the curves below the axes.
    """
    with matplotlib.rc_context(_SETTINGS | {"font.size": 8}):
        figure, axes = _make_figure(3.7, 1.75)
        length = max(map(len, curves.values()), default=1)
        if seen:
            # Frames count from 1, so the first one reaches from 0.5 to 1.5.
            axes.axvspan(0.5, seen + 0.5, color=INK, alpha=0.12, linewidth=0)
        for name, overlaps in curves.items():
            axes.plot(*_thin(overlaps), linewidth=1.1, label=_shorten(name), **styles[name].line)
        axes.set(xlim=(0.5, length + 0.5), ylim=(0, 1), yticks=(0, 0.5, 1))
        axes.set_title(printable(title), fontsize=8)
        if legend:
            figure.legend(loc="outside lower center", ncols=len(curves), frameon=False)
        return figure


def draw_speed(points: Mapping[str, tuple[float, float]], styles: Mapping[str, Style]) -> Figure:
    """Unseen AUC over frames per second, on a logarithmic axis: one labelled point per tracker.

    Args:
        points: per tracker its frames per second and its AUC.
        styles: the trackers' styles.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _make_figure(5.2, 3.2)
        for name, (fps, auc) in points.items():
            axes.plot([fps], [auc], "o", color=styles[name].colour)
            axes.annotate(_shorten(name), (fps, auc), (6, 3), textcoords="offset points", fontsize=8)
        axes.set(xscale="log", xlabel="frames per second", ylabel="AUC unseen", ylim=(0, 1))
        rates = [fps for fps, _ in points.values()]
        axes.set_xlim(min([1, *rates]) / 1.5, max([100, *rates]) * 4)  # room for the labels
        low, high = axes.get_xlim()
        ticks = [10**k for k in range(7) if low < 10**k < high]
        axes.set_xticks(ticks)
        axes.set_xticklabels([f"{tick:,}" for tick in ticks])
        axes.axvline(25, color=INK, linewidth=0.8, linestyle=":")
        axes.text(25, 0.02, " live video, 25", fontsize=7.5)
        return figure


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``STEM.png`` (150 dots per inch, white) and ``STEM.svg``; equal figures give equal bytes."""
    # Dates and a random salt for ids would make files of equal figures differ.
    bare = {"metadata": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
    formats: dict[str, Any] = {"png": {"dpi": 150, "facecolor": "white"}, "svg": {"transparent": True} | bare}
    for suffix, options in formats.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        with matplotlib.rc_context(_SETTINGS | {"svg.hashsalt": stem.name}), write_atomically(path) as partial:
            figure.savefig(partial, format=suffix, **options)


def rasterise(figure: Figure) -> np.ndarray:
    """A figure as a picture ``(height, width, 3)`` uint8 RGB, 72 dots per inch: as wide as TensorBoard's cards."""
    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    with matplotlib.rc_context(_SETTINGS):
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def inline_svg(svg: str, title: str) -> str:
    """The text of an SVG file as an element of an HTML page: in the page's text colour, named, half the size."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # One decimal of a path's coordinates is finer than a pixel, and halves the size.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]), svg)
    # Ids must be unique in the page: keep those that the figure refers to, which its salt makes unique.
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r">\s+<", "><", re.sub(r"  +", " ", svg))
    return f'<svg role="img" aria-label="{escape(title)}"' + svg.removeprefix("<svg")


def _make_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in inches, with one pair of axes that have a grid and two spines."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=INK, alpha=0.13, linewidth=0.6)
    axes.set_axisbelow(True)
    # Without a background the page's own shows, light or dark.
    axes.patch.set_visible(False)
    return figure, axes


def _thin(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers and values: means of valid neighbours, at most `_POINTS`; NaN where none is valid."""
    size = -(-len(values) // _POINTS)
    starts = np.arange(0, len(values), size)
    valid = values >= 0  # False for NaN too
    counts = np.add.reduceat(valid.astype(int), starts)
    sums = np.add.reduceat(np.where(valid, values, 0.0), starts)
    # The middle frame of each group; frames are numbered from 1.
    return starts + (size + 1) / 2, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _shorten(name: str, length: int = 26) -> str:
    name = printable(name)  # matplotlib draws no half of a character, and no file of SVG may hold a control character
    return name if len(name) <= length else f"{name[: length - 1]}…"
