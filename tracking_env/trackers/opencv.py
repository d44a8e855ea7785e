"""OpenCV's trackers behind the `Tracker` protocol.

OpenCV takes frames in BGR, and boxes as whole numbers that count from 0. Where one of its trackers reports that it has
lost the target, the last box is returned. OpenCV 5 has no KCF and no CSRT.
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env import boxes as bx
from tracking_env.errors import InputError, first_line, option
from tracking_env.files import path_for_opencv, require_file
from tracking_env.log_levels import ERRORS, quiet_opencv

_cv2: Any = cv2  # its stubs know no trackers


class OpenCVTracker:
    """One of OpenCV's trackers, made anew for every target.

    Args:
        name: the tracker's, for error messages.
        create: makes OpenCV's object.
        seed: seeds OpenCV's random generators; equal seeds give equal boxes.
        inside: clip the first box to the image (MIL takes no other).
        needs_features: whether the first box needs room for one of MIL's features.
        lost_below: see `Tracker`; chosen on validation videos.

    Attributes:
        confidence: OpenCV's score of the last box, in [0, 1]; NaN of a tracker of OpenCV that gives none.
    """

    def __init__(
        self,
        name: str,
        create: Callable[[], Any],
        seed: int = 0,
        inside: bool = True,
        needs_features: bool = False,
        lost_below: float | None = None,
    ) -> None:
        self.name, self.create, self.seed, self.inside = name, create, seed, inside
        self.needs_features, self.lost_below = needs_features, lost_below
        self.confidence = float("nan")

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the pixel box ``(4,)``.

        Raises:
            InputError: the box has no width, no height, or a NaN; or OpenCV's tracker cannot start on it.
        """
        self.box = np.array(box, dtype=np.float64)
        if not (np.isfinite(self.box).all() and (self.box[2:] > 0).all()):
            raise InputError(f"cannot start on the box {self.box.tolist()}; give one with a width and a height")
        low = np.rint(self.box[:2] - 1)
        # Sides are rounded by themselves, so that they do not depend on the place.
        high = low + np.rint(self.box[2:])
        if self.inside:
            low, high = (np.clip(corner, 0, frame.shape[1::-1]) for corner in (low, high))
            # Of a box beside the image, one pixel inside is left.
            low = np.minimum(low, np.array(frame.shape[1::-1]) - 1)
        x, y, w, h = map(int, (*low, *np.maximum(high - low, 1)))
        if self.needs_features and not _has_room_for_features(w, h):
            raise InputError(f"{self.name} cannot start on {w}x{h} pixels; give a larger box, of at least 5x5 pixels")
        # First, since MIL draws its features while it starts.
        _seed(self.seed)
        self.tracker = self.create()
        with self._explained(f"cannot start on {w}x{h} of {frame.shape[1]}x{frame.shape[0]} pixels"):
            self.tracker.init(_bgr(frame), (x, y, w, h))

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The pixel box ``(4,)`` in the next frame; the last one where the target is lost."""
        with self._explained("cannot go on"):
            located, box = self.tracker.update(_bgr(frame))
            if hasattr(self.tracker, "getTrackingScore"):
                self.confidence = float(self.tracker.getTrackingScore())
        if located:
            self.box = bx.to_one_based(np.array(box, dtype=np.float64))
        return self.box.copy()

    @contextlib.contextmanager
    def _explained(self, problem: str) -> Iterator[None]:
        """Name this tracker in OpenCV's errors, whose own text names a file of the machine that built OpenCV."""
        try:
            yield
        except cv2.error as error:
            raise InputError(
                f"OpenCV's {self.name} {problem} ({error.err or first_line(error)}); give another box"
            ) from None


def mil(seed: int = 0) -> OpenCVTracker:
    """Multiple instance learning (Babenko et al., 2009): in every OpenCV."""
    return OpenCVTracker("MIL", _cv2.TrackerMIL_create, seed, needs_features=True)


def _has_room_for_features(width: int, height: int) -> bool:
    """Whether any of MIL's features fits into a box of so many pixels. OpenCV draws at random until 250 do: for ever.

    A feature is two equal rectangles side by side, of at least 9 pixels, and smaller than the box in both directions
    (``modules/video/src/tracking/detail/tracking_feature.cpp`` of github.com/opencv/opencv).
    """
    side_by_side = 2 * ((width - 1) // 2) * (height - 1)
    stacked = 2 * ((height - 1) // 2) * (width - 1)
    return max(side_by_side, stacked) >= 9


def nano(weights: Sequence[str] = ()) -> OpenCVTracker:
    """NanoTrack, a small Siamese network.

    Args:
        weights: paths of its two files, backbone and head (``.onnx``).

    Raises:
        InputError: they are not given, or OpenCV cannot read them.
    """
    if len(weights) != 2:
        raise InputError(
            "nano needs its two files, such as nanotrack_backbone_sim.onnx and nanotrack_head_sim.onnx from "
            f"github.com/HonglinChu/SiamTrackers; give their folder with {option('weights')}"
        )
    for path in weights:
        require_file(Path(path))
    parameters = _cv2.TrackerNano_Params()
    parameters.backbone, parameters.neckhead = (path_for_opencv(Path(path)) for path in weights)

    def create() -> Any:
        with quiet_opencv(ERRORS):  # it warns of a default of its own
            return _cv2.TrackerNano_create(parameters)

    try:
        create()
    except cv2.error as error:
        raise InputError(
            f"OpenCV cannot read {' and '.join(map(str, weights))} as NanoTrack's backbone and head "
            f"({error.err or 'no reason given'}); fetch them again"
        ) from None
    return OpenCVTracker("NanoTrack", create, inside=False, lost_below=0.92)


def kcf() -> OpenCVTracker:
    """Kernelised correlation filters (Henriques et al., 2015), where the installed OpenCV has them."""
    return OpenCVTracker("KCF", _contributed("KCF"))


def csrt() -> OpenCVTracker:
    """Channel and spatial reliability (Lukezic et al., 2017), where the installed OpenCV has it."""
    return OpenCVTracker("CSRT", _contributed("CSRT"))


def _contributed(name: str) -> Callable[[], Any]:
    """A tracker that left OpenCV's main modules; it has been in two places.

    Raises:
        InputError: it is in neither.
    """
    for module in (cv2, getattr(cv2, "legacy", None)):
        create = getattr(module, f"Tracker{name}_create", None)
        if create is not None:
            return create
    raise InputError(
        f"the installed OpenCV {cv2.__version__} has no {name}; type: pip uninstall opencv-python && "
        "pip install 'opencv-contrib-python<5'"
    )


def _seed(seed: int) -> None:
    """Seed what OpenCV's trackers draw from: its own generator, and C's ``rand`` (MIL's features)."""
    cv2.setRNGSeed(seed)
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no C library by this name (Windows): MIL varies
        ctypes.CDLL(None).srand(seed + 1)  # glibc takes 0 for 1


def _bgr(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
