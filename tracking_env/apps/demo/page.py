"""What the page of ``tracking-env demo`` says: a clip, a box in its first frame, two trackers on it.

No web framework here: answers are HTML, numbers and paths, and `tracking_env.apps.demo.server` puts them in their
places.
"""

import base64
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from tracking_env import rendering
from tracking_env.apps.comparison import Duel
from tracking_env.apps.track_video import parse_box
from tracking_env.apps.video_source import Source, open_source
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError, reason
from tracking_env.registry import TrackerSpec
from tracking_env.report import plots

DRAWN = {
    "drawn polygon, changing light, fast": 7,
    "drawn figure, changing light, fast": 13,
    "drawn car, behind a bar": 3,
    "drawn ellipse, bends, behind a bar": 5,
}
"""Seeds of the clips that need no files. The tracker that comes with the code keeps the first two targets; it loses the
last two, and its confidence falls."""
LARGEST = 4096 * 2304
"""Pixels of the largest frame that is taken."""
WIDEST = 960
"""Pixels: wider frames are shown smaller."""
STOPPED = "stopped"
_PERIOD = 0.2  # seconds between pictures while it runs
Answer = tuple[str, float | None, float | None, float | None, float | None, str]
"""The first frame as HTML, the box's four numbers, and the status."""


def offers(chosen: TrackerSpec) -> dict[str, TrackerSpec]:
    """The trackers that can be made here, by name: the chosen one, and those that need nothing more.

    Raises:
        InputError: the chosen one cannot be made.
    """
    chosen.make().live()
    found = {chosen.name: chosen}
    for name in ("search", "mil", "nano", "kcf", "csrt"):
        choice = TrackerSpec(name, chosen.weights if name == "nano" else ())
        with suppress(InputError):
            choice.make()
            found.setdefault(name, choice)
    return found


def pixel_box(corners: list[float], frame: np.ndarray) -> list[float]:
    """Corners ``left, top, right, bottom`` as shares of a frame's sides -> a pixel box ``x, y, w, h``, to a tenth."""
    height, width, _ = frame.shape
    left, top, right, bottom = np.array(corners) * [width, height, width, height]
    return [round(float(one), 1) for one in (left + 1, top + 1, right - left, bottom - top)]


def jpeg(frame: np.ndarray) -> str:
    """A frame ``(height, width, 3)`` uint8 RGB as the ``src`` of an HTML image, at most `WIDEST` pixels wide."""
    data = cv2.imencode(".jpg", cv2.cvtColor(narrow(frame), cv2.COLOR_RGB2BGR))[1]
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def narrow(frame: np.ndarray) -> np.ndarray:
    """A frame, made smaller where it is wider than `WIDEST` pixels."""
    height, width, _ = frame.shape
    if width <= WIDEST:
        return frame
    return cv2.resize(frame, (WIDEST, max(1, round(height * WIDEST / width))), interpolation=cv2.INTER_AREA)


def first_frame(frame: np.ndarray, box: np.ndarray | None) -> str:
    """The first frame to drag on, with the pixel box ``(4,)`` there is."""
    height, width, _ = frame.shape
    style = "hidden"
    if box is not None:
        x, y, w, h = (100 * (box - [1, 1, 0, 0]) / [width, height, width, height]).tolist()
        style = f'style="left: {x:.3f}%; top: {y:.3f}%; width: {w:.3f}%; height: {h:.3f}%"'
    image = f'<img src="{jpeg(frame)}" alt="the first frame" draggable="false">'
    return f'<div class="first">{image}<i {style}></i></div>'


def status(text: str, kind: str = "", done: float | None = None) -> str:
    """One line that says how it stands, with a bar of what is done, from 0 to 1."""
    bar = "" if done is None else f'<progress value="{done:.3f}"></progress>'
    return f'<p class="status {kind}" role="status">{escape(text)}{bar}</p>'


def plot(duel: Duel, folder: Path, ours: str, rival: str) -> str:
    """Over the frames, how far the two agree and how sure ours is, as HTML; ``folder`` is for its files."""
    lines = {f"overlap of {ours} and {rival}": duel.overlap}
    note = f"{ours} does not say how sure it is."
    if np.isfinite(duel.confidence).any():
        lines[f"confidence of {ours}"] = np.array(duel.confidence)
        note = "Confidence is the overlap of a box with one that is a standard deviation away; the ellipse shows two."
    colours = ("#{:02x}{:02x}{:02x}".format(*rendering.COLOURS[role]) for role in ("rival", "agent"))
    looks = {name: plots.Style(colour, (), "") for name, colour in zip(lines, colours, strict=False)}
    plots.save(plots.overlap("over the frames", lines, 0, looks, legend=True), folder / "plot")
    svg = plots.inline((folder / "plot.svg").read_text(encoding="utf-8"), " and ".join(lines))
    return f'<div class="plot">{svg}<p>{escape(note)}</p></div>'


@dataclass
class Page:
    """What the page offers, and its answers.

    Attributes:
        trackers: by name.
        folder: for what is made; nothing stays there.
        sequences: clips besides the drawn ones.
        limit: frames of a clip that are followed.
        stopping: sessions that pressed stop.
        closed: set when the server goes, which ends all.
    """

    trackers: Mapping[str, TrackerSpec]
    folder: Path
    sequences: list[Sequence] = field(default_factory=list)
    limit: int = 600
    stopping: set[str] = field(default_factory=set)
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        drawn = {name: synthetic.generate(seed, 100, (320, 240)) for name, seed in DRAWN.items()}
        self.clips = {one.name: one for one in self.sequences} | drawn

    def source(self, clip: str, upload: str | None) -> Source:
        """The frames of an uploaded video, or else of a clip.

        Raises:
            InputError: the video does not decode.
        """
        if upload is not None:
            return open_source(upload)
        sequence = self.clips[clip]
        return Source(clip, (sequence.frames[at] for at in range(len(sequence))), len(sequence), 25.0)

    def first(self, clip: str, upload: str | None) -> np.ndarray:
        """The first frame ``(height, width, 3)`` uint8 RGB.

        Raises:
            InputError: it does not decode, or is larger than `LARGEST`.
        """
        frame = next(self.source(clip, upload).frames)
        height, width, _ = frame.shape
        if height * width > LARGEST:
            raise InputError(f"the frames are {width}x{height} pixels; give a video of at most 4096x2304")
        return frame

    def chosen(self, clip: str) -> Answer:
        """A clip was chosen: where its true box is known, it is filled in."""
        sequence = self.clips[clip]
        box = np.round(sequence.boxes[0], 1).tolist() if sequence.annotated[0] else [None] * 4
        return self.look(clip, None, *box)

    def dragged(self, clip: str, upload: str | None, corners: list[float]) -> Answer:
        """A box was dragged: corners as in `pixel_box`."""
        try:
            return self.look(clip, upload, *pixel_box(corners, self.first(clip, upload)))
        except InputError as error:
            return "", None, None, None, None, status(plain(error, upload), "bad")

    def look(self, clip: str, upload: str | None, *numbers: float | None) -> Answer:
        """There is another clip or box: the box's numbers, None for those that are not known."""
        x, y, w, h = numbers
        shown = ""
        try:
            frame = self.first(clip, upload)
            shown = first_frame(frame, None)
            if numbers == (None,) * 4:
                return shown, x, y, w, h, status("Drag a box on the first frame, or fill in its four numbers.")
            shown = first_frame(frame, given_box(numbers, frame))
            return shown, x, y, w, h, status("Press Track, or drag another box on the first frame.")
        except InputError as error:
            return shown, x, y, w, h, status(plain(error, upload), "bad")

    def track(
        self, clip: str, upload: str | None, ours: str, rival: str, *numbers: float | None, session: str = ""
    ) -> Iterator[tuple[str, str, str | None, str]]:
        """Follow the target with both trackers, until the clip's end, the limit, or a press of stop.

        Yields:
            Status, frame as HTML, path of a video, plot as HTML, as they become. The video is there until the next
            answer is asked for.
        """
        self.stopping.discard(session)
        try:
            box, source = given_box(numbers, self.first(clip, upload)), self.source(clip, upload)
            total, shown, duel = min(source.total or self.limit, self.limit), 0.0, Duel()
            mine, other = (self.trackers[one].make().live() for one in (ours, rival))
            with TemporaryDirectory(dir=self.folder) as name:
                place = Path(name)
                with rendering.video(place / "tracked.webm", source.fps) as write:
                    for one in duel.run(mine, other, islice(source.frames, total), box, "frame"):
                        write(narrow(one))
                        if time.monotonic() - shown > _PERIOD:
                            shown, at = time.monotonic(), len(duel.ours)
                            picture = f'<div class="live"><img src="{jpeg(one)}" alt="frame {at}"></div>'
                            yield status(f"Frame {at} of {total}", done=at / total), picture, None, ""
                        if self.closed.is_set() or session in self.stopping:
                            duel.stopped = STOPPED
                            break
                video = str(place / "tracked.webm")
                said = plot(duel, place, ours, rival)
                yield summary(duel, f"{ours} and {rival}", source.total, upload), "", video, said
        except Exception as error:  # also of somebody's tracker
            yield status(plain(error, upload), "bad"), "", None, ""


def given_box(numbers: tuple[float | None, ...], frame: np.ndarray) -> np.ndarray:
    """The pixel box ``(4,)`` that four fields give.

    Raises:
        InputError: one is empty, or see `parse_box`.
    """
    if None in numbers:
        raise InputError("there is no box yet; drag one on the first frame, or fill in its four numbers")
    try:
        return parse_box(",".join(f"{one:g}" for one in numbers), frame)
    except InputError as error:
        raise InputError(str(error).replace("--box", "the box")) from None


def plain(error: Exception, upload: str | None) -> str:
    """What went wrong in one line, which calls an uploaded file by its name alone."""
    return _named(reason(error), upload)


def summary(duel: Duel, names: str, total: int | None, upload: str | None) -> str:
    """What became of it, as a status."""
    count = len(duel.ours)
    text = f"{count} frames tracked; the boxes of {names} overlap by {duel.overlap.mean():.2f} on average."
    if duel.stopped is not None:
        return status(f"{text} Ended early: {_named(duel.stopped, upload)}", "" if duel.stopped == STOPPED else "bad")
    if total is not None and count < total:
        text += f" The clip has {total}; start with --frames {total} to follow them all."
    return status(text, "good")


def _named(text: str, upload: str | None) -> str:
    return text if upload is None else text.replace(upload, Path(upload).name)
