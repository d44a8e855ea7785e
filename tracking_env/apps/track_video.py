"""A target followed through frames of which nothing is known but its first box: what ``tracking-env track`` does.

It leaves, in the folder of the tracker's results,

* ``NAME.txt``: one box ``x,y,w,h`` a line, as `tracking_env.evaluation.runner` writes them, so that ``score`` reads
them; * ``NAME.track.json``: what was tracked by what, and per frame its number, box and seconds; * ``NAME.mp4``: the
frames with the box.
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
from tracking_env.errors import InputError, reason
from tracking_env.evaluation.scoring import write_result
from tracking_env.files import whole
from tracking_env.trackers.base import Step, Tracker, Trajectory, follow

INTERRUPTED = "stopped by Ctrl-C"


@dataclass
class Clip:
    """One target in one video, as it becomes known.

    Attributes:
        video: what was asked for.
        tracker: the tracker's id.
        start: number of the first frame, counted from 1.
        files: paths by kind: ``boxes``, ``json``, ``overlay``; those that were written.
        found: per frame its box ``(4,)`` and seconds.
        stopped: why it ended before the video did; None where it did not.
        problem: why there is no overlay; None where there is one.
    """

    video: str
    tracker: str
    start: int
    files: dict[str, Path]
    found: list[tuple[np.ndarray, float]] = field(default_factory=list)
    stopped: str | None = None
    problem: str | None = None

    @property
    def trajectory(self) -> Trajectory:
        """The boxes and seconds of all frames."""
        boxes, seconds = zip(*self.found, strict=True)
        return Trajectory(np.array(boxes), np.array(seconds))

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "video": self.video,
            "tracker": self.tracker,
            "start": self.start,
            "frames": len(self.found),
            "fps": round(self.trajectory.fps, 2),
            "files": {kind: str(path) for kind, path in self.files.items()},
            "stopped": self.stopped,
            "problem": self.problem,
        }

    def write(self) -> None:
        """Write the boxes, as text and as JSON."""
        write_result(self.files["boxes"], self.trajectory.boxes)
        rows = [
            {
                "frame": self.start + at,
                "box": [round(one, 4) if np.isfinite(one) else None for one in box.tolist()],
                "seconds": round(seconds, 6),
            }
            for at, (box, seconds) in enumerate(self.found)
        ]
        with whole(self.files["json"]) as partial:
            partial.write_text(json.dumps(self.facts() | {"boxes": rows}, indent=1) + "\n", encoding="utf-8")


def parse_box(text: str, frame: np.ndarray) -> np.ndarray:
    """The pixel box ``(4,)`` that ``x,y,w,h`` stands for.

    Raises:
        InputError: it is not four numbers, has no width or no height, or lies outside the frame.
    """
    try:
        x, y, w, h = map(float, text.replace(",", " ").split())
    except ValueError:
        raise InputError(f"--box is {text!r}, wanted four numbers x,y,w,h in pixels, such as 120,80,40,60") from None
    box = np.array([x, y, w, h])
    if not (np.isfinite(box).all() and w > 0 and h > 0):
        raise InputError(f"--box {text} has no width or no height; give x,y,w,h with both above 0")
    height, width, _ = frame.shape
    if x > width or y > height or x + w <= 1 or y + h <= 1:
        raise InputError(f"--box {text} lies outside the frame of {width}x{height} pixels, the first of which is 1,1")
    return box


def choose_box(text: str | None, frame: np.ndarray) -> np.ndarray:
    """The first pixel box ``(4,)``: the one that is given, or else the one that the user draws.

    Raises:
        InputError: see `parse_box`; or there is no display to draw on, or nothing was drawn.
    """
    if text is not None:
        return parse_box(text, frame)
    box = rendering.select(frame)
    if not (box[2:] > 0).all():
        raise InputError("no box was drawn; drag one and press Enter, or give it as --box x,y,w,h")
    return box


def track(tracker: Tracker, source: Source, box: str | None, clip: Clip, label: str = "", show: bool = False) -> None:
    """Follow a target through a source, with a progress bar on a terminal, and write the files of a clip.

    What ends it early, Ctrl-C too, is said in the clip, and what was tracked until then is written. Where the overlay
    cannot be, the boxes are.

    Args:
        tracker: is started anew.
        source: is read to its end.
        box: ``x,y,w,h``; None to let the user draw one.
        clip: is filled.
        label: of the tracker, on the bar and the overlay.
        show: also in a window; q or Esc ends it.

    Raises:
        InputError: there is no first frame or no box in it, or the tracker fails on it, or the files cannot be written.
    """
    if show:
        rendering.need_display("--show", "leave it out")
    first = next(source.frames)
    steps = follow(tracker, itertools.chain([first], source.frames), choose_box(box, first))
    try:
        with rendering.video(clip.files["overlay"], source.fps) as write:
            with tqdm(total=source.total, desc=label, unit="frame", disable=None) as bar:
                _run(steps, clip, label, write, show, bar)
            if not clip.found:
                raise InputError(f"nothing was tracked: {clip.stopped}")
            clip.write()
    except InputError as error:
        if str(error) != clip.problem:  # which the boxes have survived
            raise
    except OSError as error:
        raise InputError(
            f"cannot write to {clip.files['boxes'].parent}: {error.strerror}; give another --out"
        ) from None
    finally:
        if show:
            rendering.close()


def _run(steps: Iterator[Step], clip: Clip, label: str, write: Callable[[Any], None], show: bool, bar: Any) -> None:
    try:
        for step in steps:
            clip.found.append((step.box, step.seconds))
            caption = f"{label} {clip.start + len(clip.found) - 1}"
            picture = rendering.draw(step.frame, {"agent": step.box}, caption)
            if clip.problem is None:
                try:
                    write(picture)
                except InputError as error:
                    clip.problem = str(error)
                    clip.files.pop("overlay").unlink(missing_ok=True)  # an older one would be of other boxes
            bar.update()
            if show and not rendering.show(picture, fps=1000):
                break
    except KeyboardInterrupt:
        clip.stopped = INTERRUPTED
    except Exception as error:  # of the source, or of somebody's tracker
        clip.stopped = reason(error)
