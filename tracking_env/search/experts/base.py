"""What the experts share: the template, looking around a box, and the loop of a tracker.

An expert is a small pretrained Siamese network. It keeps features of the target in the first frame, the template, and
compares them with a region of a later frame. Each cell of the comparison is a score and a box.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np

from tracking_env.errors import InputError, first_line
from tracking_env.search import regions
from tracking_env.search.experts.geometry import in_pixels

Colour = tuple[float, float, float]
Item = TypeVar("Item")


class Template(NamedTuple):
    """A target as an expert remembers it.

    Attributes:
        features: the network's, float32, without a batch axis.
        fill: the colour that stands for pixels beyond the image, in this frame and the later ones.
    """

    features: np.ndarray
    fill: Colour


class Look(NamedTuple):
    """What an expert sees in a region. A batch of looks has a leading axis.

    Attributes:
        scores: ``(n, n)`` float32 in [0, 1], how likely each cell's box is the target.
        boxes: ``(n, n, 4)`` float64, the cells' pixel boxes.
    """

    scores: np.ndarray
    boxes: np.ndarray


class Choice(NamedTuple):
    """An expert's answer for a frame: a pixel box ``(4,)``, its score in [0, 1], and its cell's row and column."""

    box: np.ndarray
    confidence: float
    cell: tuple[int, int]


class Expert(ABC):
    """A frozen network and the published way to use it. It keeps no state: everything is an argument.

    Attributes:
        name: the tracker's.
        template_side: rows and columns of the template's crop.
        search_side: rows and columns of the search region's crop.
        cells: rows and columns of its maps.
        smallest: shortest side of a box that is looked around, in pixels.
        lost_below: confidence below which its box probably misses the target: the largest F1 of frames without overlap
            on validation videos. None if that was not measured.
        paths: its weights files.
        id: tells its weights files, and the device if it is not the CPU, from others.
        on_gpu: whether its networks run on a GPU.
    """

    name: ClassVar[str]
    template_side: ClassVar[int]
    search_side: ClassVar[int]
    cells: ClassVar[int]
    smallest: ClassVar[float]
    lost_below: ClassVar[float | None] = None
    paths: list[Path]
    id: str
    on_gpu: bool = False

    @abstractmethod
    def __init__(self, weights: Sequence[Path | str] = (), device: str = "cpu", threads: int = 1) -> None:
        """Open the weights files, or the downloaded ones, on a device; on the CPU with so many threads for a frame."""

    @abstractmethod
    def template_region(self, box: np.ndarray) -> np.ndarray:
        """The pixel box that is cropped as the template of a target with the pixel box ``(4,)``."""

    @abstractmethod
    def search_region(self, box: np.ndarray) -> np.ndarray:
        """The pixel box that is cropped to look around the pixel box ``(4,)``."""

    @abstractmethod
    def fill(self, frame: np.ndarray) -> Colour:
        """The colour for pixels beyond the image, from the first frame."""

    @abstractmethod
    def prepare(self, crop: np.ndarray) -> np.ndarray:
        """``(side, side, 3)`` uint8 RGB -> the network's input, ``(3, side, side)`` float32."""

    @abstractmethod
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Prepared template crops ``(B, 3, side, side)`` -> template features ``(B, ...)`` float32."""

    @abstractmethod
    def compare(self, images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prepared search crops ``(B, 3, side, side)`` and template features ``(B, ...)``, compared.

        Returns:
            Scores ``(B, n, n)`` in [0, 1], and boxes ``(B, n, n, 4)`` ``x, y, w, h`` relative to the crop.
        """

    @abstractmethod
    def choose(self, look: Look, box: np.ndarray) -> Choice:
        """The published rule: which box follows the pixel box ``(4,)`` that was looked around."""

    def check(self) -> None:
        """Run the networks once on black crops.

        Raises:
            InputError: they do not run, or give maps of other sizes: the files are another network's.
        """
        sides = self.template_side, self.search_side
        template, search = (self.prepare(np.zeros((side, side, 3), np.uint8))[None] for side in sides)
        problem = ""
        try:
            scores, boxes = self.compare(search, self.encode(template))
            if (scores.shape[1:], boxes.shape[1:]) != ((self.cells, self.cells), (self.cells, self.cells, 4)):
                problem = f"maps of {scores.shape[1:]}, wanted {(self.cells, self.cells)}"
        except (ValueError, IndexError) as error:
            problem = first_line(error)
        if problem:
            names = " and ".join(str(path) for path in self.paths)
            raise InputError(
                f"{names} cannot run as {self.name}: {problem}; give its own files, or type: tracking-env download "
                f"{self.name}"
            )

    def batches(self, items: list[Item]) -> list[list[Item]]:
        """Crops or other items, grouped as the networks compute them fastest."""
        # On a CPU one at a time on each core is fastest, and the result does not depend on how many there are.
        return [items] if self.on_gpu and items else [[item] for item in items]

    def template(self, frame: np.ndarray, box: np.ndarray) -> Template:
        """Remember the target with the pixel box ``(4,)`` in a frame ``(height, width, 3)`` uint8 RGB."""
        fill = self.fill(frame)
        crop = regions.crop(frame, self.template_region(box), self.template_side, fill)
        return Template(self.encode(self.prepare(crop)[None])[0], fill)

    def look(self, frame: np.ndarray, box: np.ndarray, template: Template) -> Look:
        """Look for a template around any pixel box ``(4,)`` of a frame ``(height, width, 3)`` uint8 RGB."""
        scores, boxes = self.look_at_all([frame], [box], [template])
        return Look(scores[0], boxes[0])

    def look_at_all(
        self, frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray], templates: Sequence[Template]
    ) -> Look:
        """A batch of looks, one for each frame, box and template: ``(B, n, n)`` scores, ``(B, n, n, 4)`` boxes."""
        places = np.stack([self.search_region(box) for box in boxes])
        images = np.empty((len(frames), 3, self.search_side, self.search_side), np.float32)
        for index, (frame, place, template) in enumerate(zip(frames, places, templates, strict=True)):
            images[index] = self.prepare(regions.crop(frame, place, self.search_side, template.fill))
        scores, relative = self.compare(images, np.stack([template.features for template in templates]))
        return Look(scores, in_pixels(relative, places[:, None, None]))

    def look_and_choose(
        self, frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray], templates: Sequence[Template]
    ) -> list[tuple[Look, Choice]]:
        """`look_at_all`, one look for each frame, box and template, and what `choose` answers to each."""
        looks = self.look_at_all(frames, boxes, templates)
        pairs = [(Look(*look), box) for *look, box in zip(looks.scores, looks.boxes, boxes, strict=True)]
        return [(look, self.choose(look, box)) for look, box in pairs]


class ExpertTracker:
    """An expert as a tracker: it looks around its last box, always for the first frame's template.

    Attributes:
        confidence: score of the last box, in [0, 1]; 1 on the first frame.
        lost_below: the expert's.
        last_look: what it saw in the last frame; None on the first one.
    """

    def __init__(self, expert: Expert) -> None:
        self.expert = expert
        self.id, self.lost_below = expert.id, expert.lost_below

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, ``(height, width, 3)`` uint8 RGB, with the pixel box ``(4,)``.

        Raises:
            InputError: the box has no width, no height, or a NaN.
        """
        box = np.array(box, dtype=np.float64)
        if not (np.isfinite(box).all() and (box[2:] > 0).all()):
            raise InputError(f"cannot start on the box {box.tolist()}; give one with a width and a height")
        self.template = self.expert.template(frame, box)
        # The region that is looked at next must show some of the image.
        self.box = regions.within(box, (frame.shape[1], frame.shape[0]), smallest=min(self.expert.smallest, *box[2:]))
        self.confidence = 1.0
        self.last_look: Look | None = None

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The pixel box ``(4,)`` in the next frame, its centre in the image."""
        self.last_look = self.expert.look(frame, self.box, self.template)
        choice = self.expert.choose(self.last_look, self.box)
        self.confidence = choice.confidence
        self.box = regions.within(choice.box, (frame.shape[1], frame.shape[0]), self.expert.smallest)
        return self.box.copy()
