"""The gallery of a report's page: per sequence a short clip that repeats, with the true box, ours and a rival's.

A clip is an animated WebP within the page: browsers play it without a script, a codec or a file beside the page, and it
is a tenth of a GIF's size. (An ``.mp4`` that browsers play is H.264, which OpenCV's builds do not write.)
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError
from tracking_env.evaluation.scoring import Report
from tracking_env.registry import TABLE
from tracking_env.report import film_strips

MOST = 20
"""Sequences shown, unless more or fewer are asked for."""
PICTURES = 40
"""In a clip, spread over the whole video."""
SEEN, UNSEEN = (230, 159, 0), (110, 110, 118)
"""RGB of the bar's two parts."""
_MILLISECONDS = 125  # a picture is shown
_PAUSE = 900  # milliseconds: the last one, so that the loop's end is noticed
_QUALITY = 20  # of the WebP: about 8 kB a picture, 13 sequences of OTB 5 MB
_BAR = 12  # pixels, its height


@dataclass(frozen=True)
class Clip:
    """One sequence's clip, and its middle picture for readers who want nothing to move, as data URIs (WebP)."""

    video: str
    moving: str
    still: str


@dataclass(frozen=True)
class Gallery:
    """What is to be shown.

    Attributes:
        most: number of sequences; 0 for no gallery.
        ours: the tracker whose boxes are shown, by its name on the page; by default the first one.
        rival: the one beside it; by default the best of the others by unseen AUC. The defaults pass over lines, which
            look at no frame (`tracking_env.registry.TABLE`), as long as there is anything else.

    Raises:
        InputError: a negative number, or the two are the same.
    """

    most: int = MOST
    ours: str | None = None
    rival: str | None = None

    def __post_init__(self) -> None:
        if self.most < 0:
            raise InputError(f"--gallery is {self.most}; give a number of sequences, 0 for none")
        if self.ours is not None and self.ours == self.rival:
            raise InputError(f"--ours and --rival are both {self.ours}; give two trackers of the page")

    def pair(self, reports: Mapping[str, Report]) -> tuple[str, str | None]:
        """Names of ours and the rival; of one tracker alone there is no rival.

        Raises:
            InputError: one that is asked for is not among the reports.
        """
        for flag, name in (("ours", self.ours), ("rival", self.rival)):
            if name is not None and name not in reports:
                raise InputError(f"--{flag} is {name!r}, on the page are {', '.join(reports)}; give one of them")
        others = [name for name in reports if name != self.rival] or list(reports)
        ours = self.ours or max(others, key=_looks)  # of equals the first
        if self.rival is not None or len(reports) == 1:
            return ours, self.rival
        return ours, max((one for one in reports if one != ours), key=lambda one: (_looks(one), _auc(reports[one])))

    def choose(self, report: Report, names: Sequence[str]) -> list[str]:
        """At most `most` of these sequences, in their order: from the tracker's best to its worst at even steps.

        Args:
            report: the tracker's.
            names: sequences, all of them scored in it.
        """
        ranked = sorted(names, key=lambda name: -getattr(report.sequences[name]["whole"], "auc", 0.0))
        steps = np.linspace(0, len(ranked) - 1, min(self.most, len(ranked))).round().astype(int)
        chosen = {ranked[step] for step in steps}
        return [name for name in names if name in chosen]


def clip(video: str, frames: Frames, truth: np.ndarray, boxes: Mapping[str, np.ndarray], seen: int) -> Clip:
    """The whole of a video in at most `PICTURES` pictures, under each a bar on which the seen part is marked.

    Args:
        video: its name.
        frames: T of them.
        truth: true pixel boxes ``(T, 4)``.
        boxes: predicted ones by role, see `tracking_env.rendering.COLOURS`, ``(T, 4)``; the last role is drawn on top.
        seen: number of first frames that training could see.

    Raises:
        InputError: a frame cannot be read.
    """
    last = len(truth) - 1
    shown = np.linspace(0, last, min(PICTURES, last + 1)).round().astype(int).tolist()
    pictures = []
    for index in shown:
        there = {"truth": truth[index]} | {role: run[index] for role, run in boxes.items()}
        drawn = film_strips.drawn(frames, index, there, f"{index + 1} {'seen' if index < seen else 'unseen'}")
        pictures.append(np.concatenate([drawn, bar(drawn.shape[1], index, seen, last + 1)]))
    return Clip(video, _webp(pictures), _webp(pictures[len(pictures) // 2 :][:1]))


def bar(width: int, index: int, seen: int, length: int) -> np.ndarray:
    """Where a frame lies in its video: a bar ``(height, width, 3)`` uint8 RGB with the seen part in its own colour.

    Args:
        width: in pixels.
        index: the frame's, 0-based; a white mark shows it.
        seen: number of first frames that training could see.
        length: number of frames.
    """
    picture = np.full((_BAR, width, 3), UNSEEN, np.uint8)
    picture[:, : round(width * seen / length)] = SEEN
    middle = round((index + 0.5) / length * width)
    for half, colour in ((4, (0, 0, 0)), (2, (255, 255, 255))):
        cv2.rectangle(picture, (middle - half, 0), (middle + half, _BAR), colour, -1)
    return picture


def _webp(pictures: Sequence[np.ndarray]) -> str:
    first, *rest = map(Image.fromarray, pictures)
    times = {"duration": [*[_MILLISECONDS] * len(rest), _PAUSE], "loop": 0} if rest else {}
    data = io.BytesIO()
    first.save(data, "WEBP", save_all=bool(rest), append_images=rest, quality=_QUALITY, **times)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def _looks(name: str) -> bool:
    """Whether results of this name are of something that looks at frames, as far as is known."""
    return name not in TABLE or TABLE[name].kind == "tracker"


def _auc(report: Report) -> float:
    best = report.mean["unseen"] or report.mean["whole"]
    return best.auc if best else -1.0
