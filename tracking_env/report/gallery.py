"""The gallery of a report's page: a short animation per sequence with the true box, one tracker's and a rival's.

It is an animated WebP within the page. Browsers play that without a script, a codec or a file beside the page, and it
has a tenth of a GIF's size.
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
from tracking_env.evaluation.score_report import Report
from tracking_env.registry import TABLE
from tracking_env.report import film_strips

DEFAULT_SIZE = 20
"""Number of sequences in a gallery by default."""
PICTURES = 40
"""Pictures in an animation, spread over the whole sequence."""
SEEN, UNSEEN = (230, 159, 0), (110, 110, 118)
"""RGB of the bar's two parts."""
_MILLISECONDS = 125  # per picture
_PAUSE = 900  # milliseconds for the last picture, to make the loop's end visible
_QUALITY = 20  # of the WebP: about 8 kB a picture, 13 sequences of OTB 5 MB
_BAR = 12  # height in pixels


@dataclass(frozen=True)
class Animation:
    """An animation of one sequence, and its middle picture for readers who prefer no motion, as data URIs (WebP)."""

    sequence: str
    moving: str
    still: str


@dataclass(frozen=True)
class Gallery:
    """Which sequences and trackers the gallery shows.

    Attributes:
        size: number of sequences; 0 for no gallery.
        ours: the tracker whose boxes are shown, by its name on the page; by default the first one.
        rival: the tracker beside it; by default the best of the others by unseen AUC. The defaults skip baselines that
            use no frame (see `tracking_env.registry.TABLE`), unless nothing else is left.

    Raises:
        InputError: a negative number, or the two trackers are the same.
    """

    size: int = DEFAULT_SIZE
    ours: str | None = None
    rival: str | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise InputError(f"--gallery is {self.size}; give a number of sequences, 0 for none")
        if self.ours is not None and self.ours == self.rival:
            raise InputError(f"--ours and --rival are both {self.ours}; give two trackers of the page")

    def choose_trackers(self, reports: Mapping[str, Report]) -> tuple[str, str | None]:
        """Names of ours and the rival; the rival is None if there is one tracker only.

        Raises:
            InputError: a tracker that was named is not among the reports.
        """
        for flag, name in (("ours", self.ours), ("rival", self.rival)):
            if name is not None and name not in reports:
                raise InputError(f"--{flag} is {name!r}, on the page are {', '.join(reports)}; give one of them")
        candidates = [name for name in reports if name != self.rival] or list(reports)
        ours = self.ours or max(candidates, key=_uses_frames)  # max returns the first of equals
        if self.rival is not None or len(reports) == 1:
            return ours, self.rival
        others = [name for name in reports if name != ours]
        return ours, max(others, key=lambda name: (_uses_frames(name), _headline_auc(reports[name])))

    def choose_sequences(self, report: Report, names: Sequence[str]) -> list[str]:
        """At most `size` of these sequences, in their order: from the tracker's best to its worst at even steps.

        Args:
            report: the tracker's.
            names: sequences, all of them scored in it.
        """
        ranked = sorted(names, key=lambda name: -getattr(report.sequences[name]["whole"], "auc", 0.0))
        steps = np.linspace(0, len(ranked) - 1, min(self.size, len(ranked))).round().astype(int)
        chosen = {ranked[step] for step in steps}
        return [name for name in names if name in chosen]


def animate(name: str, frames: Frames, truth: np.ndarray, boxes: Mapping[str, np.ndarray], seen: int) -> Animation:
    """A whole sequence in at most `PICTURES` pictures, each above a bar that marks the seen part.

    Args:
        name: the sequence's.
        frames: T of them.
        truth: true pixel boxes ``(T, 4)``.
        boxes: predicted boxes by role, see `tracking_env.rendering.COLOURS`, ``(T, 4)``; the last role is drawn on top.
        seen: number of first frames that training could see.

    Raises:
        InputError: a frame cannot be read.
    """
    last = len(truth) - 1
    indices = np.linspace(0, last, min(PICTURES, last + 1)).round().astype(int).tolist()
    pictures = []
    for index in indices:
        frame_boxes = {"truth": truth[index]} | {role: run[index] for role, run in boxes.items()}
        caption = f"{index + 1} {'seen' if index < seen else 'unseen'}"
        picture = film_strips.draw_frame(frames, index, frame_boxes, caption)
        pictures.append(np.concatenate([picture, draw_bar(picture.shape[1], index, seen, last + 1)]))
    return Animation(name, _to_webp(pictures), _to_webp(pictures[len(pictures) // 2 :][:1]))


def draw_bar(width: int, index: int, seen: int, length: int) -> np.ndarray:
    """The place of a frame in its sequence: a bar ``(height, width, 3)`` uint8 RGB, the seen part in its own colour.

    Args:
        width: in pixels.
        index: the frame's, 0-based; a white mark shows it.
        seen: number of first frames that training could see.
        length: number of frames.
    """
    picture = np.full((_BAR, width, 3), UNSEEN, np.uint8)
    picture[:, : round(width * seen / length)] = SEEN
    middle = round((index + 0.5) / length * width)
    # A white mark with a black edge is visible on both colours.
    for half, colour in ((4, (0, 0, 0)), (2, (255, 255, 255))):
        cv2.rectangle(picture, (middle - half, 0), (middle + half, _BAR), colour, -1)
    return picture


def _to_webp(pictures: Sequence[np.ndarray]) -> str:
    first, *rest = map(Image.fromarray, pictures)
    times = {"duration": [*[_MILLISECONDS] * len(rest), _PAUSE], "loop": 0} if rest else {}
    data = io.BytesIO()
    first.save(data, "WEBP", save_all=bool(rest), append_images=rest, quality=_QUALITY, **times)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def _uses_frames(name: str) -> bool:
    """Whether a tracker of this name uses frames; True of an unknown one."""
    return name not in TABLE or TABLE[name].kind == "tracker"


def _headline_auc(report: Report) -> float:
    score = report.mean["unseen"] or report.mean["whole"]
    return score.auc if score else -1.0
