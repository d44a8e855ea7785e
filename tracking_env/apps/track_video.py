"""Track a target through a video, from its box in the first frame: the work behind ``tracking-env track``.

It writes four files into a folder:

* ``NAME.txt``: one box ``x,y,w,h`` a line, which ``tracking-env score`` reads.
* ``NAME.csv``: ``frame,x,y,w,h,confidence,lost``, the last two empty for a tracker that does not tell.
* ``NAME.track.json``: the video, the tracker, and each frame's box, seconds and confidence.
* ``NAME.mp4``: the frames with the box drawn.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tracking_env import rendering
from tracking_env.apps.video_source import Source
from tracking_env.datasets.box_files import parse_numbers
from tracking_env.errors import InputError, describe, option
from tracking_env.evaluation.result_files import write_result
from tracking_env.files import write_atomically
from tracking_env.trackers.base import Step, Tracker, Trajectory, follow

INTERRUPTED = "stopped by Ctrl-C"
"""Why tracking ended when the user pressed Ctrl-C."""


@dataclass
class TrackedVideo:
    """The result of tracking one target in one video. `track` fills it in, frame by frame.

    Attributes:
        video: the video as the user named it.
        tracker: the tracker's id.
        start: number of the first frame, counted from 1.
        files: paths by kind: ``boxes``, ``csv``, ``json``, ``overlay``. A file that cannot be written is removed.
        boxes: pixel boxes ``(4,)``, one per frame.
        seconds: one number per frame.
        confidence: one number per frame, NaN where the tracker gives none.
        lost: one truth value per frame, None where the tracker does not tell.
        stopped: why tracking ended early; None if it reached the video's end.
        problem: why there is no overlay; None if there is one.
    """

    video: str
    tracker: str
    start: int
    files: dict[str, Path]
    boxes: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    lost: list[bool | None] = field(default_factory=list)
    stopped: str | None = None
    problem: str | None = None

    @property
    def trajectory(self) -> Trajectory:
        """The boxes and seconds of all frames as arrays."""
        return Trajectory(np.array(self.boxes), np.array(self.seconds))

    def facts(self) -> dict[str, Any]:
        """The facts that ``--json`` prints; all values are JSON."""
        return {
            "video": self.video,
            "tracker": self.tracker,
            "start": self.start,
            "frames": len(self.boxes),
            "fps": round(self.trajectory.fps, 2),
            "files": {kind: str(path) for kind, path in self.files.items()},
            "stopped": self.stopped,
            "problem": self.problem,
        }

    def drop_overlay(self, error: Exception) -> None:
        """Note why there is no overlay, and remove that of an earlier run, which would show other boxes."""
        self.problem = str(error)
        self.files.pop("overlay").unlink(missing_ok=True)

    def write(self) -> None:
        """Write the boxes as text, as CSV and as JSON."""
        write_result(self.files["boxes"], self.trajectory.boxes)
        rows = []
        lines = ["frame,x,y,w,h,confidence,lost"]
        frames = zip(self.boxes, self.seconds, self.confidence, self.lost, strict=True)
        for frame, (box, seconds, confidence, lost) in enumerate(frames, self.start):
            numbers = [_finite(number) for number in (*box.tolist(), confidence)]
            row = {"frame": frame, "box": numbers[:4], "seconds": round(seconds, 6)}
            rows.append(row | {"confidence": numbers[4], "lost": lost})
            cells = [frame, *numbers, None if lost is None else int(lost)]
            lines.append(",".join("" if cell is None else str(cell) for cell in cells))
        with write_atomically(self.files["csv"]) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with write_atomically(self.files["json"]) as partial:
            partial.write_text(json.dumps(self.facts() | {"boxes": rows}, indent=1) + "\n", encoding="utf-8")


def _finite(number: float) -> float | None:
    """A number with four decimals; None for NaN and infinity, which JSON does not have."""
    return round(number, 4) if np.isfinite(number) else None


def parse_box(text: str, frame: np.ndarray, name: str | None = None) -> np.ndarray:
    """The pixel box ``(4,)`` in a text ``x,y,w,h``; error messages call it ``name``, by default as the argument.

    Raises:
        InputError: the text is not four numbers, or the box has no width or no height or lies outside the frame.

    Example:
        >>> parse_box("120,80,40,60", np.zeros((240, 320, 3)))
        array([120.,  80.,  40.,  60.])
    """
    numbers, name = parse_numbers(text), name or option("box")
    if len(numbers) != 4:
        raise InputError(f"{name} is {text!r}, wanted four numbers x,y,w,h in pixels, such as 120,80,40,60")
    x, y, w, h = numbers
    box = np.array(numbers)
    if not (np.isfinite(box).all() and w > 0 and h > 0):
        raise InputError(f"{name} {text} has no width or no height; give x,y,w,h with both above 0")
    height, width, _ = frame.shape
    # Pixels count from 1: a box that ends at 1 covers none of them.
    if x > width or y > height or x + w <= 1 or y + h <= 1:
        raise InputError(f"{name} {text} lies outside the frame of {width}x{height} pixels, the first of which is 1,1")
    return box


def choose_box(text: str | None, frame: np.ndarray) -> np.ndarray:
    """The target's pixel box ``(4,)`` in the first frame: `parse_box` of a text, or the box that the user draws.

    Raises:
        InputError: see `parse_box`; or there is no display, or the user drew no box.
    """
    if text is not None:
        return parse_box(text, frame)
    box = rendering.select_box(frame)
    if not (box[2:] > 0).all():
        raise InputError(f"no box was drawn; drag one and press Enter, or give it as {option('box', 'x,y,w,h')}")
    return box


def track(
    tracker: Tracker, source: Source, box: str | None, result: TrackedVideo, label: str = "", show: bool = False
) -> None:
    """Track a target through a video and write the four files, with a progress bar on a terminal.

    If tracking stops early, `result.stopped` says why, and the files hold the frames until then. If the overlay cannot
    be written, `result.problem` says why, and the other files are written.

    Args:
        tracker: the tracker; this starts it anew.
        source: the frames; this reads them to their end.
        box: ``x,y,w,h``; None to let the user draw it.
        result: this fills it in.
        label: the tracker's name, for the progress bar and the overlay.
        show: show the frames in a window, too; q or Esc ends tracking.

    Raises:
        InputError: there is no first frame or no box in it, the tracker fails on it, or the files cannot be written.
    """
    if show:
        rendering.require_display(option("show"), "leave it out")
    # The user may draw the box, so the first frame is read before tracking starts.
    first = next(source.frames)
    steps = follow(tracker, itertools.chain([first], source.frames), choose_box(box, first))
    try:
        with rendering.open_video_writer(result.files["overlay"], source.fps) as write:
            with tqdm(total=source.total, desc=label, unit="frame", disable=None) as bar:
                _run(steps, result, label, write, show, bar)
            if not result.boxes:
                raise InputError(f"nothing was tracked: {result.stopped}")
            result.write()
    except rendering.VideoWriteError as error:
        # Raised when the video ends, also if an earlier frame had it. The boxes are written by then.
        if result.problem is None:
            result.drop_overlay(error)
            result.write()
    except OSError as error:
        raise InputError(
            f"cannot write to {result.files['boxes'].parent}: {error.strerror}; give another {option('out')}"
        ) from None
    finally:
        if show:
            rendering.close_window()


def _run(
    steps: Iterator[Step], result: TrackedVideo, label: str, write: Callable[[Any], None], show: bool, bar: Any
) -> None:
    try:
        for step in steps:
            result.boxes.append(step.box)
            result.seconds.append(step.seconds)
            result.confidence.append(step.confidence)
            result.lost.append(step.lost)
            caption = f"{label} {result.start + len(result.boxes) - 1}"
            picture = rendering.draw(step.frame, {"agent": step.box}, caption)
            if result.problem is None:
                try:
                    write(picture)
                except rendering.VideoWriteError as error:
                    result.drop_overlay(error)
            bar.update()
            # Wait a millisecond at most: tracking itself sets the pace.
            if show and not rendering.show(picture, fps=1000):
                break
    except KeyboardInterrupt:
        result.stopped = INTERRUPTED
    except Exception as error:  # The frames may be damaged, and users bring their own trackers.
        result.stopped = describe(error)
