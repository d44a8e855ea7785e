"""The content of the page of ``tracking-env demo``: a video, a box in its first frame, and two trackers that follow it.

Nothing here depends on a web framework. The answers are HTML, numbers and paths; `tracking_env.apps.demo.server` shows
them.
"""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tracking_env import rendering
from tracking_env.apps.comparison import Comparison
from tracking_env.apps.demo.markup import (
    STOPPED,
    error_line,
    first_frame_html,
    image_url,
    plot_html,
    shrink,
    status_html,
    summary_html,
)
from tracking_env.apps.track_video import parse_box
from tracking_env.apps.video_source import Source, open_source
from tracking_env.datasets import synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec

SYNTHETIC = {
    "synthetic polygon, changing light, fast": 7,
    "synthetic figure, changing light, fast": 13,
    "synthetic car, behind a bar": 3,
    "synthetic ellipse, bends, behind a bar": 5,
}
"""Seeds of the sequences that need no files, by the name that the page shows. The shipped tracker follows the first two
targets to the end. It loses the last two, and its confidence falls."""
LARGEST = 4096 * 2304
"""Largest frame that the page accepts, in pixels."""
_PERIOD = 0.2  # seconds between two live pictures
Answer = tuple[str, float | None, float | None, float | None, float | None, str]
"""The first frame as HTML, the four numbers of the box, and the status as HTML."""


def available_trackers(chosen: TrackerSpec) -> dict[str, TrackerSpec]:
    """The trackers that can run here, by name: the chosen one first, then those that need no more files.

    Raises:
        InputError: the chosen tracker cannot be made.
    """
    chosen.make().live()
    trackers = {chosen.name: chosen}
    # These need no weights, or only files that are there already.
    for name in ("search", "mil", "nano", "kcf", "csrt"):
        spec = TrackerSpec(name, chosen.weights if name == "nano" else (), timeout=chosen.timeout)
        with suppress(InputError):
            spec.make()
            trackers.setdefault(name, spec)
    return trackers


def pixel_box(corners: list[float], frame: np.ndarray) -> list[float]:
    """The pixel box of a dragged rectangle, rounded to a tenth of a pixel.

    Args:
        corners: left, top, right and bottom, as fractions of the frame's width and height.
        frame: ``(height, width, 3)``.

    Returns:
        ``[x, y, width, height]``; the top-left pixel is 1,1.

    Example:
        >>> pixel_box([0.25, 0.1, 0.5, 0.4], np.zeros((100, 200, 3)))
        [51.0, 11.0, 50.0, 30.0]
    """
    height, width, _ = frame.shape
    left, top, right, bottom = np.array(corners) * [width, height, width, height]
    return [round(float(number), 1) for number in (left + 1, top + 1, right - left, bottom - top)]


@dataclass
class Page:
    """The choices that the page offers, and its answers to what the user does.

    Attributes:
        trackers: by name.
        folder: for temporary files. Each answer deletes its own.
        sequences: offered before the synthetic ones.
        limit: the most frames of a video that are tracked.
        stopping: sessions whose user pressed Stop.
        closed: set when the server closes; ends all tracking.
    """

    trackers: Mapping[str, TrackerSpec]
    folder: Path
    sequences: list[Sequence] = field(default_factory=list)
    limit: int = 600
    stopping: set[str] = field(default_factory=set)
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.sequences_by_name = {sequence.name: sequence for sequence in self.sequences}
        for name, seed in SYNTHETIC.items():
            self.sequences_by_name[name] = synthetic.generate(seed, 100, (320, 240))

    def open(self, name: str, upload: str | None) -> Source:
        """The frames of the uploaded video, or of the sequence ``name`` without an upload.

        Raises:
            InputError: the video does not decode.
        """
        if upload is not None:
            return open_source(upload)
        sequence = self.sequences_by_name[name]
        frames = (sequence.frames[index] for index in range(len(sequence)))
        return Source(name, frames, len(sequence), 25.0)

    def first_frame(self, name: str, upload: str | None) -> np.ndarray:
        """The first frame ``(height, width, 3)`` uint8 RGB.

        Raises:
            InputError: it does not decode, or has more than `LARGEST` pixels.
        """
        frame = next(self.open(name, upload).frames)
        height, width, _ = frame.shape
        if height * width > LARGEST:
            raise InputError(f"the frames are {width}x{height} pixels; give a video of at most 4096x2304")
        return frame

    def choose_sequence(self, name: str) -> Answer:
        """Answer to the choice of a sequence: its first frame, and its true box if there is one."""
        if name not in self.sequences_by_name:  # the page offers no such choice, but another program may send it
            return "", None, None, None, None, status_html("There is no such sequence; choose another.", "bad")
        sequence = self.sequences_by_name[name]
        box = np.round(sequence.boxes[0], 1).tolist() if sequence.annotated[0] else [None] * 4
        return self.show_box(name, None, *box)

    def drag_box(self, name: str, upload: str | None, corners: list[float]) -> Answer:
        """Answer to a dragged box, see `pixel_box` for its corners."""
        try:
            return self.show_box(name, upload, *pixel_box(corners, self.first_frame(name, upload)))
        except InputError as error:
            return "", None, None, None, None, status_html(error_line(error, upload), "bad")

    def show_box(self, name: str, upload: str | None, *numbers: float | None) -> Answer:
        """Answer to another video or other numbers of the box (None for an empty field): the first frame with the box.

        Empty fields and a box that cannot be used are answered in the status.
        """
        x, y, w, h = numbers
        image = ""
        try:
            frame = self.first_frame(name, upload)
            # First without the box, since the frame is shown also if the box cannot be used.
            image = first_frame_html(frame, None)
            if numbers == (None,) * 4:
                return image, x, y, w, h, status_html("Drag a box on the first frame, or fill in its four numbers.")
            image = first_frame_html(frame, box_of(numbers, frame))
            return image, x, y, w, h, status_html("Press Track, or drag another box on the first frame.")
        except InputError as error:
            return image, x, y, w, h, status_html(error_line(error, upload), "bad")

    def track(
        self, name: str, upload: str | None, ours: str, rival: str, *numbers: float | None, session: str = ""
    ) -> Iterator[tuple[str, str, str | None, str]]:
        """Track the target with both trackers until the video's end, the limit, or a press of Stop.

        Args:
            name: of the sequence.
            upload: path of an uploaded video, which comes before the sequence; None for none.
            ours: name of the first tracker.
            rival: name of the second tracker.
            numbers: the box ``x, y, width, height`` in the first frame; None for an empty field.
            session: the user's session, see `stopping`.

        Yields:
            Status as HTML, frame as HTML, path of the video, plot as HTML. The video's path is valid until the next
            value is asked for.
        """
        self.stopping.discard(session)  # left from an earlier run
        try:
            # A source is read once, so the first frame comes from a source of its own.
            box, source = box_of(numbers, self.first_frame(name, upload)), self.open(name, upload)
            total = min(source.total or self.limit, self.limit)
            comparison, last_picture = Comparison(), 0.0
            tracker, other = self.trackers[ours].make().live(), self.trackers[rival].make().live()
            with TemporaryDirectory(dir=self.folder) as folder:
                path = Path(folder, "tracked.mp4")
                with rendering.open_video_writer(path, source.fps) as write:
                    for picture in comparison.run(tracker, other, islice(source.frames, self.limit), box, "frame"):
                        write(shrink(picture))
                        # A browser cannot show every frame while it is tracked; the video has them all.
                        if time.monotonic() - last_picture > _PERIOD:
                            last_picture, count = time.monotonic(), len(comparison.ours)
                            live = f'<div class="live"><img src="{image_url(picture)}" alt="frame {count}"></div>'
                            status = status_html(f"Frame {count} of {total}", progress=min(count / total, 1))
                            yield status, live, None, ""
                        if self.closed.is_set() or session in self.stopping:
                            comparison.stopped = STOPPED
                            break
                if shutil.disk_usage(self.folder).free < path.stat().st_size:  # Gradio makes a copy
                    raise InputError("there is no room for the video; make room on the disk")
                plot = plot_html(comparison, Path(folder), ours, rival)
                # A video that states too many frames has been tracked to its end all the same.
                total_beyond = source.total if len(comparison.ours) == self.limit else None
                yield summary_html(comparison, f"{ours} and {rival}", total_beyond, upload), "", str(path), plot
        except Exception as error:  # Users bring their own trackers.
            yield status_html(error_line(error, upload), "bad"), "", None, ""


def box_of(numbers: tuple[float | None, ...], frame: np.ndarray) -> np.ndarray:
    """The pixel box ``(4,)`` in the page's four fields.

    Raises:
        InputError: a field is empty, or the box has no area or lies outside the frame.
    """
    if None in numbers:
        raise InputError("there is no box yet; drag one on the first frame, or fill in its four numbers")
    return parse_box(",".join(f"{number:g}" for number in numbers), frame, "the box")
