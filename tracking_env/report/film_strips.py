"""Film strips: the frames where a tracker did best and worst, as pictures in an HTML page."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.datasets.sequence import Frames
from tracking_env.evaluation.sequence_score import SequenceScore

PICTURES = 6
"""Pictures in a strip, each of another sequence."""
_WIDTH = 320  # pixels
_QUALITY = 70  # of the JPEG


@dataclass(frozen=True)
class Moment:
    """One frame of one sequence: its name, index (0-based) and the overlap there, in [0, 1]."""

    sequence: str
    index: int
    overlap: float


def find_best_and_worst(scores: Mapping[str, SequenceScore]) -> tuple[list[Moment], list[Moment]]:
    """The unseen frames where a tracker did best and worst: at most `PICTURES` each, at most one per sequence.

    Args:
        scores: one run per sequence; leave out sequences whose frames cannot be shown.

    Returns:
        The best by falling, the worst by rising overlap. The worst moment of a sequence is the first frame with its
        lowest overlap: often the one where the target was lost. Of equally bad sequences those with the lower mean come
        first. Frames without a valid true box are never chosen, nor is the first frame.
    """
    best: list[Moment] = []
    worst: list[tuple[float, Moment]] = []
    for name, score in scores.items():
        indices = np.flatnonzero(score.overlaps >= 0)
        indices = indices[indices >= max(1, score.seen)]  # the first box is the true one, whatever the tracker does
        if len(indices):
            overlaps = score.overlaps[indices]
            high, low = int(overlaps.argmax()), int(overlaps.argmin())
            best.append(Moment(name, int(indices[high]), float(overlaps[high])))
            worst.append((float(overlaps.mean()), Moment(name, int(indices[low]), float(overlaps[low]))))
    best.sort(key=lambda moment: -moment.overlap)
    worst.sort(key=lambda pair: (pair[1].overlap, pair[0]))
    return best[:PICTURES], [moment for _, moment in worst[:PICTURES]]


def draw_frame(frames: Frames, index: int, boxes: Mapping[str, np.ndarray], caption: str = "") -> np.ndarray:
    """Frame ``index``, 320 pixels wide, with pixel boxes ``(4,)`` of the frame by role, see `rendering.draw`.

    Raises:
        InputError: the frame cannot be read.
    """
    frame = frames[index]
    # Scale before drawing, so that boxes have lines of the same width in pictures of any size.
    scale = _WIDTH / frame.shape[1]
    size = (_WIDTH, max(1, round(frame.shape[0] * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    scaled = {role: bx.to_one_based(bx.to_zero_based(box) * scale) for role, box in boxes.items()}
    return rendering.draw(small, scaled, caption)


def to_data_uri(picture: np.ndarray) -> str:
    """A picture ``(height, width, 3)`` uint8 RGB as the data URI of a JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def css_colours(roles: Sequence[str] = ("truth", "agent")) -> list[str]:
    """The colours of boxes of these roles, as CSS."""
    return [to_css(rendering.COLOURS[role]) for role in roles]


def to_css(colour: Sequence[int]) -> str:
    """An RGB colour as CSS."""
    return "rgb({}, {}, {})".format(*colour)
