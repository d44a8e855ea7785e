"""Pieces of the page as HTML: the first frame, the status line and the plot."""

import base64
from html import escape
from pathlib import Path

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.apps.comparison import Comparison
from tracking_env.errors import describe
from tracking_env.report import plots

WIDEST = 960
"""Frames wider than this many pixels are shown smaller."""
STOPPED = "stopped"
"""Why tracking ended when the user pressed Stop."""


def image_url(frame: np.ndarray) -> str:
    """A frame ``(height, width, 3)`` uint8 RGB as the ``src`` of an HTML image, at most `WIDEST` pixels wide."""
    # JPEG, since several pictures a second are sent while the trackers run.
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(shrink(frame), cv2.COLOR_RGB2BGR))[1]
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


def shrink(frame: np.ndarray) -> np.ndarray:
    """A frame ``(height, width, 3)``, resized to a width of `WIDEST` pixels if it is wider."""
    height, width, _ = frame.shape
    if width <= WIDEST:
        return frame
    return cv2.resize(frame, (WIDEST, max(1, round(height * WIDEST / width))), interpolation=cv2.INTER_AREA)


def first_frame_html(frame: np.ndarray, box: np.ndarray | None) -> str:
    """The first frame, on which the user drags a box, as HTML; with the pixel box ``(4,)`` on it if there is one."""
    height, width, _ = frame.shape
    style = "hidden"
    if box is not None:
        # In per cent of the image, which the browser may show smaller.
        x, y, w, h = (100 * bx.to_zero_based(box) / [width, height, width, height]).tolist()
        style = f'style="left: {x:.3f}%; top: {y:.3f}%; width: {w:.3f}%; height: {h:.3f}%"'
    image = f'<img src="{image_url(frame)}" alt="the first frame" draggable="false">'
    return f'<div class="first">{image}<i {style}></i></div>'


def status_html(text: str, kind: str = "", progress: float | None = None) -> str:
    """The status line as HTML.

    Args:
        text: one line.
        kind: ``good``, ``bad`` or empty; sets the colour.
        progress: fraction of the frames that are tracked, in [0, 1]; None for no progress bar.
    """
    bar = "" if progress is None else f'<progress value="{progress:.3f}"></progress>'
    return f'<p class="status {kind}" role="status">{escape(text)}{bar}</p>'


def plot_html(comparison: Comparison, folder: Path, ours: str, rival: str) -> str:
    """The plot of overlap and confidence over the frames, as HTML.

    Args:
        comparison: of the two trackers.
        folder: the plot's files are written here.
        ours: name of the first tracker.
        rival: name of the second tracker.
    """
    lines = {f"overlap of {ours} and {rival}": comparison.overlap}
    note = f"{ours} does not report its confidence."
    if np.isfinite(comparison.confidence).any():
        lines[f"confidence of {ours}"] = np.array(comparison.confidence)
        note = (
            "Confidence is the overlap of a box with the box one standard deviation away. "
            "The ellipse in the video spans two standard deviations each way."
        )
    # The colours of the boxes in the video: the rival's for the overlap, ours for the confidence.
    colours = ("#{:02x}{:02x}{:02x}".format(*rendering.COLOURS[role]) for role in ("rival", "agent"))
    styles = {name: plots.Style(colour, (), "") for name, colour in zip(lines, colours, strict=False)}
    plots.save_figure(plots.draw_overlap("per frame", lines, 0, styles, legend=True), folder / "plot")
    svg = plots.inline_svg((folder / "plot.svg").read_text(encoding="utf-8"), " and ".join(lines))
    return f'<div class="plot">{svg}<p>{escape(note)}</p></div>'


def summary_html(comparison: Comparison, names: str, total: int | None, upload: str | None) -> str:
    """The result of a comparison as a status line.

    Args:
        comparison: the finished comparison.
        names: of both trackers.
        total: number of frames of the video; None if it is unknown.
        upload: path of the uploaded file; None for none.
    """
    count = len(comparison.ours)
    text = f"{count} frames tracked; the boxes of {names} overlap by {comparison.overlap.mean():.2f} on average."
    if comparison.stopped is not None:
        kind = "" if comparison.stopped == STOPPED else "bad"
        return status_html(f"{text} Ended early: {_hide_folder(comparison.stopped, upload)}", kind)
    if total is not None and count < total:
        text += f" The video has {total}; start the demo with --frames {total} to track them all."
    return status_html(text, "good")


def error_line(error: Exception, upload: str | None) -> str:
    """An error as one line, without the folder of an uploaded file."""
    return _hide_folder(describe(error), upload)


def _hide_folder(text: str, upload: str | None) -> str:
    # Gradio stores an upload in a folder with a random name, which tells the user nothing.
    return text if upload is None else text.replace(upload, Path(upload).name)
