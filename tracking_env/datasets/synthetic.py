"""Drawn sequences: any number of them from seeds, as a substitute for a benchmark folder.

A vivid target moves over a muted, textured scene. It is an ellipse, a rounded polygon, a figure (body and head) or a
car (windows and wheels). It has stripes, checks or blobs in saturated colours of any hue. Backgrounds and occluders are
nearly grey, so that even weak features tell the target from them. Distractors share the target's shape and texture, but
are smaller and paler. Every sequence has two to four of the difficulties in `ATTRIBUTES`, tagged with OTB's codes.

`tracking_env.datasets.synthetic_drawing` draws the objects; its coordinates are used here too.
"""

import re
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from tracking_env.boxes import Size
from tracking_env.datasets import synthetic_drawing
from tracking_env.datasets.sequence import Sequence, short_hash
from tracking_env.errors import InputError

VERSION = 1  # part of every seed and fingerprint; it must be raised when the drawing changes
ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC")
EXTENT = {  # the target's mean width and height over the image's, (lowest, highest) each
    "ellipse": ((0.24, 0.37), (0.32, 0.52)),
    "polygon": ((0.25, 0.37), (0.34, 0.52)),
    "figure": ((0.19, 0.28), (0.44, 0.58)),
    "car": ((0.32, 0.42), (0.30, 0.42)),
}
MOST = 100_000  # sequences that one specification may name
SMALLEST = 32  # pixels, the least width and height of a frame


class DrawnFrames:
    """The frames of one sequence, each drawn when it is asked for. It pickles as its three arguments.

    Args:
        seed: any integer >= 0.
        length: number of frames T, >= 1.
        size: width and height in pixels, each at least `SMALLEST`.

    Attributes:
        attributes: the difficulties, two to four of `ATTRIBUTES`.
        boxes: ground-truth pixel boxes ``x, y, w, h`` (1-based), ``(T, 4)`` float64.
        distractors: number of distractors; 0 without the attribute ``BC``.

    Raises:
        InputError: an argument is out of its range.
    """

    def __init__(self, seed: int, length: int, size: Size) -> None:
        if seed < 0 or length < 1 or min(size) < SMALLEST:
            raise InputError(
                f"cannot draw seed {seed}, length {length}, size {tuple(size)}; "
                f"give a seed >= 0, a length >= 1 and sides >= {SMALLEST} pixels"
            )
        self.seed, self.length, self.size = int(seed), int(length), (int(size[0]), int(size[1]))
        # Two streams, so that textures, which are drawn late, do not depend on how much motion was drawn before.
        motion, self._looks = np.random.SeedSequence([VERSION, self.seed]).spawn(2)
        rng = np.random.default_rng(motion)
        chosen = rng.choice(len(ATTRIBUTES), size=rng.integers(2, 5), replace=False)
        self.attributes = tuple(ATTRIBUTES[i] for i in sorted(chosen))
        self._shape = list(EXTENT)[rng.integers(len(EXTENT))]
        time, extent = np.arange(self.length), np.array(self.size, dtype=np.float64)

        self._vertices = synthetic_drawing.outline(self._shape, rng)
        sides = extent * [rng.uniform(*bounds) for bounds in EXTENT[self._shape]]
        target = _motion(rng, self._vertices, sides, self.attributes, time, extent)
        outlines = synthetic_drawing.move(self._vertices, target)
        low, high = outlines.min(axis=2), outlines.max(axis=2)
        # Drawing counts from the first pixel's corner as 0, pixel boxes from 1.
        self.boxes = np.concatenate([low + 1, high - low], axis=1)
        self.distractors = int(rng.integers(2, 4)) if "BC" in self.attributes else 0
        small = [sides * rng.uniform(0.5, 0.65) for _ in range(self.distractors)]
        # Farthest first, so that the target, the last, is in front.
        self._actors = [*(_motion(rng, self._vertices, s, (), time, extent) for s in small), target]

        self._border = np.ceil(0.08 * extent).astype(int)  # of the background, so that the camera can sway
        self._sway = np.stack([_wave(rng, time, 50, 110), _wave(rng, time, 50, 110)], axis=1) * self._border
        self._bar = self._occluder(rng, extent) if "OCC" in self.attributes else np.zeros((self.length, 4))
        cast = np.stack([_wave(rng, time, 40, 90) for _ in range(3)], axis=1)
        # From half as bright to slightly brighter: much more light would saturate vivid colours.
        self._gains = np.exp(0.42 * _wave(rng, time, 30, 60)[:, None] - 0.3 + 0.05 * cast)  # of the three channels
        self._contrasts = 0.85 + 0.15 * _wave(rng, time, 40, 90)
        self._speeds = np.gradient(low + high, axis=0) / 2 if self.length > 1 else np.zeros((1, 2))

    def __reduce__(self) -> tuple[Any, ...]:
        return DrawnFrames, (self.seed, self.length, self.size)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame ``index`` (0-based): ``(height, width, 3)`` uint8, RGB."""
        # A range counts negative indices from the end, and raises IndexError as a list does.
        i = range(self.length)[index]
        background, texture, pale, bar = self._textures
        (left, top), (width, height) = self._border - np.round(self._sway[i]).astype(int), self.size
        frame = background[top : top + height, left : left + width].copy()
        for actor in self._actors:
            synthetic_drawing.paint(frame, texture if actor is self._actors[-1] else pale, self._vertices, actor[i])
        x, y, w, h = np.round(self._bar[i]).astype(int)
        x0, y0, x1, y1 = np.clip([x, y, x + w, y + h], 0, [width, height, width, height])
        frame[y0:y1, x0:x1] = bar[y0 - y : y1 - y, x0 - x : x1 - x]
        # Light and blur come last, since they act on the whole picture, occluder included.
        if "IV" in self.attributes:
            # Contrast around a middle grey, then light, in one table for the 256 levels.
            levels = 110 + self._contrasts[i] * (np.arange(256)[:, None, None] - 110)
            frame = cv2.LUT(frame, np.clip(levels * self._gains[i], 0, 255).astype(np.uint8))
        if "MB" in self.attributes:
            frame = cv2.filter2D(
                frame, -1, synthetic_drawing.streak(self._speeds[i], width), borderType=cv2.BORDER_REPLICATE
            )
        return frame

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the generator's version and the three arguments."""
        key = f"{VERSION} {self.seed} {self.length} {self.size[0]}x{self.size[1]}"
        return short_hash(key)

    def mask(self, index: int) -> np.ndarray:
        """How much of each pixel the whole target covers, hidden parts too: ``(height, width)`` uint8, 0 to 255."""
        affine = self._actors[-1][range(self.length)[index]]
        return synthetic_drawing.cover(synthetic_drawing.move(self._vertices, affine), (0, 0), self.size)

    def _occluder(self, rng: np.random.Generator, extent: np.ndarray) -> np.ndarray:
        """A bar across the image on the target's path, fixed to the background: 0-based ``x, y, w, h``, ``(T, 4)``."""
        axis = int(rng.integers(2))
        sides = self.boxes[:, 2 + axis]
        path = self.boxes[:, axis] - 1 + sides / 2 - self._sway[:, axis]  # of the target's centre, on the background
        # Narrower than the target's mean, so that it hides the target in part, and seldom as a whole.
        breadth = min(rng.uniform(0.5, 0.75) * sides.mean(), 0.25 * extent[axis])
        far = np.abs(path - path[0])
        clear = np.flatnonzero(far > (sides[0] + breadth) / 2)  # a bar there leaves the first box free
        met = int(rng.choice(clear)) if len(clear) else int(far.argmax())
        bar = np.zeros((self.length, 4))
        bar[:, axis] = path[met] + self._sway[:, axis] - breadth / 2
        bar[:, 2 + axis], bar[:, 3 - axis] = breadth, extent[1 - axis]
        return bar

    @cached_property
    def _textures(self) -> tuple[np.ndarray, ...]:
        """Textures of background (with border), target, distractor and occluder: ``(height, width, 3)`` uint8 each."""
        rng = np.random.default_rng(self._looks)
        background = synthetic_drawing.backdrop(rng, *(np.array(self.size) + 2 * self._border).tolist())
        texture = synthetic_drawing.texture(rng, self._shape)
        grey = texture.mean(axis=2, keepdims=True)
        # A quarter of the saturation: colour tells the target from distractors that share its texture.
        pale = (grey + 0.25 * (texture - grey)).astype(np.uint8)
        bar_width, bar_height = np.ceil(self._bar[0, 2:]).astype(int).tolist()
        return (
            background,
            texture,
            pale,
            synthetic_drawing.muted(synthetic_drawing.noise(rng, bar_width + 1, bar_height + 1, (2, 6, 20)), rng),
        )


def generate(seed: int, length: int = 60, size: Size = (160, 120)) -> Sequence:
    """The sequence of a seed, named ``Synthetic-`` and the seed. The same arguments give the same bytes.

    Boxes enclose the whole target, with its hidden parts and those outside the image. Their centres are always inside
    the image.

    Args:
        seed: any integer >= 0.
        length: number of frames, >= 1.
        size: width and height in pixels, each at least `SMALLEST`.

    Raises:
        InputError: an argument is out of its range.

    Example::

        sequence = generate(7)
        sequence.frames[0].shape  # (120, 160, 3)
    """
    frames = DrawnFrames(seed, length, size)
    return Sequence(f"Synthetic-{seed:04d}", frames, frames.boxes, frames.attributes, "synthetic")


def parse(spec: str, length: int = 60, size: Size = (160, 120)) -> list[Sequence]:
    """The sequences that a specification names: ``synthetic:7``, ``synthetic:0-95`` or ``synthetic:0-9,20``.

    Args:
        spec: ``synthetic:`` and seeds. Ranges include both ends; a seed named twice counts once.
        length: number of frames of each sequence.
        size: width and height in pixels.

    Raises:
        InputError: the specification has another form, a range is reversed, or it names more than `MOST` sequences.
    """
    advice = "type synthetic:0-95, synthetic:7 or synthetic:0-9,20"
    kind, _, items = spec.partition(":")
    matches = [re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", item) for item in items.split(",")]
    ranges = [range(int(match[1]), int(match[2] or match[1]) + 1) for match in matches if match]
    if kind != "synthetic" or len(ranges) < len(matches):
        raise InputError(f"cannot read {spec!r} as seeds of synthetic sequences; {advice}")
    if not all(ranges):
        raise InputError(f"a range in {spec!r} is reversed; {advice}")
    # Count before the seeds are listed, since a huge range would fill the memory.
    count = sum(seeds.stop - seeds.start for seeds in ranges)
    if count > MOST:
        raise InputError(f"{spec!r} names {count:,} sequences, more than {MOST:,}; {advice}")
    return [generate(seed, length, size) for seed in dict.fromkeys(seed for seeds in ranges for seed in seeds)]


def _wave(rng: np.random.Generator, time: np.ndarray, shortest: float, longest: float) -> np.ndarray:
    """A sine in [-1, 1] with a random phase and a period drawn from ``shortest`` to ``longest`` frames, ``(T,)``."""
    return np.sin(2 * np.pi * (time / rng.uniform(shortest, longest) + rng.uniform()))


def _motion(
    rng: np.random.Generator,
    vertices: np.ndarray,
    sides: np.ndarray,
    attributes: tuple[str, ...],
    time: np.ndarray,
    extent: np.ndarray,
) -> np.ndarray:
    """Affine maps from the unit square [-1, 1]² to pixels, ``(T, 2, 3)``, that move an object through the image.

    ``sides`` are the object's mean width and height, ``extent`` the image's, both in pixels.
    """
    scale = np.exp((0.42 if "SV" in attributes else 0.03) * _wave(rng, time, 40, 70))
    angle = (rng.uniform(0.6, 1.3) if "IPR" in attributes else 0.04) * _wave(rng, time, 35, 70)  # radians
    stretch = (rng.uniform(0.22, 0.32) if "DEF" in attributes else 0.0) * _wave(rng, time, 25, 50)
    shear = (0.3 if "DEF" in attributes else 0.0) * _wave(rng, time, 15, 40)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # With determinant 1: an object that gets wider gets lower, and keeps its area.
    deform = np.array([[np.exp(stretch), shear], [np.zeros(len(time)), np.exp(-stretch)]])
    affines = np.zeros((len(time), 2, 3))
    affines[..., :2] = np.einsum("abt,b,bct,t->tac", turn, sides / 2, deform, scale)
    reach = synthetic_drawing.move(vertices, affines).max(axis=2), synthetic_drawing.move(vertices, affines).min(axis=2)
    shrink = min(1.0, ([0.5, 0.62] * extent / (reach[0] - reach[1]).max(axis=0)).min())  # it never fills the image
    affines *= shrink
    # An outline that turns or shears is not centred on its origin, so the box's middle is moved, not the origin.
    spans, middles = (reach[0] - reach[1]) * shrink, (reach[0] + reach[1]) / 2 * shrink

    pace = 0.42 if "FM" in attributes else 1.0
    steady = np.stack([_wave(rng, time, 50 * pace, 90 * pace) for _ in range(2)], axis=1)
    lively = np.stack([_wave(rng, time, 24 * pace, 44 * pace) for _ in range(2)], axis=1)
    place = 0.5 + 0.49 * (0.78 * steady + 0.22 * lively)  # 0 and 1: the box touches the image's opposite edges
    centres = spans / 2 + (extent - spans) * place
    if "OV" in attributes:
        axis, when = int(rng.integers(2)), int(rng.uniform(0.3, 0.9) * len(time))
        # Part of the target leaves the image for some frames, but never its centre.
        edge = (0.07 if place[when, axis] < 0.5 else 0.93) * extent[axis]
        centres[:, axis] += np.exp(-(((time - when) / 6.0) ** 2)) * (edge - centres[:, axis])
    affines[..., 2] = centres - middles
    return affines
