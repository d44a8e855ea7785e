"""The pictures of a report's page: which sequences and trackers it shows first, and the frames of a sequence.

A sequence has pictures without boxes, since the page draws the boxes of any tracker on them. They are WebP, which has
half of a JPEG's size and which every browser shows.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tracking_env.datasets.sequence import Frames
from tracking_env.errors import InputError, option
from tracking_env.registry import TABLE
from tracking_env.report.summary import Summary

DEFAULT_SIZE = 20
"""Number of sequences with pictures by default."""
_WIDTH = 320  # pixels
_QUALITY = 30  # of the WebP: about 7 kB a picture, 13 sequences of OTB 4 MB


@dataclass(frozen=True)
class Gallery:
    """Which sequences the page has pictures of, and which trackers it shows first.

    Attributes:
        size: number of sequences; 0 for none.
        ours: the tracker whose boxes are shown, by its name on the page; by default the first one.
        rival: the tracker beside it; by default the best of the others by AUC. The defaults skip baselines that use no
            frame (see `tracking_env.registry.TABLE`), unless nothing else is left.

    Raises:
        InputError: a negative number, or the two trackers are the same.
    """

    size: int = DEFAULT_SIZE
    ours: str | None = None
    rival: str | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise InputError(f"{option('gallery')} is of {self.size} sequences; give a number from 0 on")
        if self.ours is not None and self.ours == self.rival:
            raise InputError(
                f"{option('ours')} and {option('rival')} are both {self.ours}; give two trackers of the page"
            )

    def choose_trackers(self, summaries: Mapping[str, Summary]) -> tuple[str, str | None]:
        """Names of ours and the rival; the rival is None if there is one tracker only.

        Raises:
            InputError: a tracker that was named is not among the summaries.
        """
        for argument, name in (("ours", self.ours), ("rival", self.rival)):
            if name is not None and name not in summaries:
                raise InputError(
                    f"{option(argument)} is {name!r}, on the page are {', '.join(summaries)}; give one of them"
                )
        candidates = [name for name in summaries if name != self.rival] or list(summaries)
        ours = self.ours or max(candidates, key=_uses_frames)  # max returns the first of equals
        if self.rival is not None or len(summaries) == 1:
            return ours, self.rival
        others = [name for name in summaries if name != ours]
        return ours, max(others, key=lambda name: (_uses_frames(name), _headline_auc(summaries[name])))

    def choose_sequences(self, summary: Summary, names: Sequence[str]) -> list[str]:
        """At most `size` of these sequences, in their order: from the tracker's best to its worst at even steps.

        Args:
            summary: the tracker's.
            names: sequences; those without a score count as the worst.
        """

        def auc(name: str) -> float:
            return getattr(summary.sequences.get(name, {}).get("whole"), "auc", 0.0)

        ranked = sorted(names, key=auc, reverse=True)
        steps = np.linspace(0, len(ranked) - 1, min(self.size, len(ranked))).round().astype(int)
        chosen = {ranked[step] for step in steps}
        return [name for name in names if name in chosen]


def picture_frames(frames: Frames, indices: Sequence[int]) -> list[str]:
    """Frames by their indices, 320 pixels wide, as data URIs.

    Raises:
        InputError: a frame cannot be read.
    """
    pictures = []
    for index in indices:
        frame = frames[index]
        height = max(1, round(frame.shape[0] * _WIDTH / frame.shape[1]))
        small = cv2.resize(frame, (_WIDTH, height), interpolation=cv2.INTER_AREA)
        data = io.BytesIO()
        Image.fromarray(small).save(data, "WEBP", quality=_QUALITY)
        pictures.append(f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}")
    return pictures


def _uses_frames(name: str) -> bool:
    """Whether a tracker of this name uses frames; True of an unknown one."""
    return name not in TABLE or TABLE[name].kind == "tracker"


def _headline_auc(summary: Summary) -> float:
    score = summary.mean["whole"]
    return score.auc if score else -1.0
