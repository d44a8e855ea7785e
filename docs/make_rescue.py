"""Make the README's animation: python docs/make_rescue.py [FOLDER], after tracking-env download nanotrack-v3 fear-xs.

The tracker ``experts`` follows a drawn target. Where frames are missing it is left behind with a lookalike. It expects
that no box is on the target, scans the image, and puts its experts back. FOLDER holds the experts' files, if they are
not the downloaded ones.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from make_gifs import write

from tracking_env import rendering
from tracking_env.datasets import synthetic
from tracking_env.datasets.augmentation import harden
from tracking_env.search.ensemble.trained import tracker
from tracking_env.search.experts import Look, Template

SEQUENCE, SHOWN = synthetic.generate(2023, 80, (320, 240)), range(1, 32)
"""A drawn target, and the frames that are shown of its clip with missing frames."""
SCALE, MARGIN = 1.25, 24
"""Of the frame, and rows of pixels for the caption below it."""
PLACE = 255, 225, 90
"""Colour of the places that a scan looks at."""


def pictures(weights: Sequence[Path]) -> Iterator[np.ndarray]:
    """The frames with the true box, the tracker's box, and what it expects of it; RGB uint8."""
    clip = harden(SEQUENCE, range(len(SEQUENCE)), "dropped", 0)
    agent = tracker(None, weights)
    scanner, places = agent.team.experts[-1], []
    look_at_all = scanner.look_at_all

    def record(frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray], templates: Sequence[Template]) -> Look:
        places.extend(boxes)
        return look_at_all(frames, boxes, templates)

    scanner.look_at_all = record  # type: ignore[method-assign]
    agent.init(clip.frames[0], clip.boxes[0])
    for index in range(1, SHOWN.stop):
        scanning = bool(agent.team.scanning[0])
        places.clear()
        box = agent.update(clip.frames[index])
        if index in SHOWN:
            # The first look of a frame is around the last box, the others are the scan's.
            yield picture(clip.frames[index], clip.boxes[index], box, agent.confidence, places[1:] if scanning else [])


def picture(
    frame: np.ndarray, truth: np.ndarray, box: np.ndarray, confidence: float, places: Sequence[np.ndarray]
) -> np.ndarray:
    """A frame with boxes, the places of a scan, and a caption below."""
    shown = rendering.draw(frame, {"truth": truth, "agent": box})
    shown = cv2.resize(shown, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
    for x, y, width, height in places:
        centre = int(SCALE * (x - 1 + width / 2)), int(SCALE * (y - 1 + height / 2))
        cv2.drawMarker(shown, centre, PLACE, cv2.MARKER_CROSS, 10, 2)
    caption = np.full((MARGIN, shown.shape[1], 3), 255, np.uint8)
    text = f"expected overlap {confidence:.2f}" + (": lost, scanning" if places else "")
    cv2.putText(caption, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([shown, caption])


if __name__ == "__main__":
    write(Path(__file__).parent / "images" / "rescue.gif", pictures([Path(each) for each in sys.argv[1:]]))
