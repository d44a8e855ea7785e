"""Make the pictures of the environments' pages from drawn sequences: python docs/make_gifs.py [FOLDER].

Writes docs/images/PAGE.gif, or FOLDER/PAGE.gif. What is said is the true box of the frame before: a lag to be seen, and
no agent.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
from PIL import Image

import tracking_env  # noqa: F401  (registers the ids)
from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.datasets import synthetic
from tracking_env.files import whole
from tracking_env.search import regions

FRAMES = 20
SIZE = 160, 120
HEIGHT = 160  # pixels, of a picture
COLOURS = 96
DRAWN = {"sequences": [synthetic.generate(4, 60, SIZE)], "split": "all"}
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "otb-track": ("OTBTrack-v0", DRAWN | {"features": "pixels", "clip_length": None}),
    "otb-track-pixels": ("OTBTrackPixels-v0", DRAWN | {"clip_length": None}),
    "otb-track-search": ("OTBTrackSearch-v0", DRAWN),
    "synthetic-track": ("SyntheticTrack-v0", {"size": SIZE, "features": "pixels", "clip_length": 8}),
}
"""Per page, its id and what it is made with."""


def pictures(page: str, frames: int) -> Iterator[np.ndarray]:
    """One ``(HEIGHT, width, 3)`` uint8 RGB for each step; beside the frame what was observed, where it is another."""
    name, options = PAGES[page]
    env = gym.make(name, render_mode="rgb_array", **options)
    observation, info = env.reset(seed=2)
    for _ in range(frames):
        seen, region, last = observation.get("features"), info.get("region"), info["truth"]
        action = bx.to_relative(last, SIZE) if region is None else regions.to_region(last, region)
        observation, _, _, over, info = env.step(action.clip(0, 1).astype(np.float32))
        shown = [np.asarray(env.render())]
        if region is not None:
            enlarged = region * (shown[0].shape[1] / SIZE[0])
            shown.append(regions.crop(shown[0], enlarged, HEIGHT, regions.mean_colour(shown[0])))
        elif name == "OTBTrackPixels-v0":
            shown.append(np.asarray(seen))
        yield np.concatenate([_fit(one) for one in shown], axis=1)
        if over:
            observation, info = env.reset()
    env.close()


def _fit(picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    how = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_NEAREST
    return cv2.resize(picture, (width * HEIGHT // height, HEIGHT), interpolation=how)


def write(path: Path, shown: Iterator[np.ndarray]) -> None:
    """A GIF that repeats for ever, ten pictures a second."""
    images = [few_colours(Image.fromarray(one)) for one in shown]
    with whole(path) as partial:
        images[0].save(partial, save_all=True, append_images=images[1:], duration=100, loop=0)


def few_colours(image: Image.Image, by: Image.Quantize = Image.Quantize.MAXCOVERAGE) -> Image.Image:
    """The picture's own `COLOURS`, chosen by a method of Pillow's, and those of the boxes, else lost among them."""
    own = image.quantize(COLOURS, by).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own[: 3 * COLOURS], *rendering.COLOURS["truth"], *rendering.COLOURS["agent"]])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def make(folder: Path, frames: int = FRAMES) -> None:
    """All pages' pictures."""
    for page in PAGES:
        write(folder / f"{page}.gif", pictures(page, frames))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
