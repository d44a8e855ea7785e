"""Make the animations of the documentation from drawn sequences: python docs/make_gifs.py [FOLDER].

Writes docs/images/NAME.gif, or FOLDER/NAME.gif. On the environments' pages the action is the true box of the frame
before: a visible lag, and no agent. The others show trained agents, see `AGENTS`.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
from PIL import Image

import tracking_env  # noqa: F401  (registers the ids)
from tracking_env import boxes as bx
from tracking_env import cli, rendering
from tracking_env.datasets import loading, synthetic
from tracking_env.files import write_atomically
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
    "otb-track-experts": ("OTBTrackExperts-v0", DRAWN | {"experts": ("grey", "colour")}),
    "synthetic-track": ("SyntheticTrack-v0", {"size": SIZE, "features": "pixels", "clip_length": 8}),
}
"""For each environment's page: its id, and the arguments that it is made with."""
AGENTS = {"agent": ["--tracker", "search"], "ppo": ["--tracker", "sb3", "--checkpoint", "ppo-drawn"]}
"""Flags of evaluate for each trained agent."""
AGENT_SEQUENCE = "synthetic:2023"
"""The sequence that they follow: motion blur, and three distractors that look like the target."""


def pictures(page: str, frames: int) -> Iterator[np.ndarray]:
    """An environment's page: one ``(HEIGHT, width, 3)`` uint8 RGB picture per step, beside it what is observed."""
    name, options = PAGES[page]
    env = gym.make(name, render_mode="rgb_array", **options)
    observation, info = env.reset(seed=2)
    for _ in range(frames):
        picture, observation, info, over = _step(env, observation, info, info["truth"])
        yield picture
        if over:
            observation, info = env.reset()
    env.close()


def agent_pictures(name: str, frames: int) -> Iterator[np.ndarray]:
    """A trained agent: pictures as of `pictures`, with the region that the agent sees on the right."""
    sequence = loading.load(None, AGENT_SEQUENCE)[0]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        cli.main(["evaluate", *AGENTS[name], "--sequences", AGENT_SEQUENCE, "--name", name, "--out", folder])
        boxes = np.loadtxt(Path(folder) / name / f"{sequence.name}.txt", delimiter=",")
    env = gym.make("OTBTrackSearch-v0", render_mode="rgb_array", sequences=[sequence], split="all")
    observation, info = env.reset(options={"start": 0})
    for box in boxes[:frames]:
        picture, observation, info, _ = _step(env, observation, info, box)
        yield picture
    env.close()


def _step(env: gym.Env, seen: Any, info: dict[str, Any], box: np.ndarray) -> tuple[np.ndarray, Any, dict, bool]:
    """Answer an observation with a pixel box: the picture of both, and what `step` returns, without the reward.

    With experts the answer is the action 0, their hand-made rule.
    """
    region, experts = info.get("region"), info.get("expert_boxes")
    action = bx.to_relative(box, SIZE) if region is None else regions.to_region(box, region)
    if experts is not None:
        action = np.zeros(env.action_space.shape)  # type: ignore[arg-type]  # it is a Box
    frame = env.unwrapped.clips.sequences[info["sequence"]].frames[info["frame"]] if experts is not None else None
    observation, _, _, over, info = env.step(action.clip(0, 1).astype(np.float32))
    shown = [np.asarray(env.render())]
    if experts is not None:
        assert frame is not None
        shown.append(rendering.draw(frame, {"rival": experts[0], "agent": experts[1]}))
    elif region is not None:
        enlarged = region * (shown[0].shape[1] / SIZE[0])
        shown.append(regions.crop(shown[0], enlarged, HEIGHT, regions.mean_colour(shown[0])))
    elif env.spec is not None and env.spec.id == "OTBTrackPixels-v0":
        shown.append(np.asarray(seen["features"]))
    return np.concatenate([_fit(picture) for picture in shown], axis=1), observation, info, over


def _fit(picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    how = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_NEAREST
    return cv2.resize(picture, (width * HEIGHT // height, HEIGHT), interpolation=how)


def write(path: Path, shown: Iterator[np.ndarray]) -> None:
    """Write a GIF that repeats for ever, ten pictures a second."""
    images = [few_colours(Image.fromarray(picture)) for picture in shown]
    with write_atomically(path) as partial:
        images[0].save(partial, save_all=True, append_images=images[1:], duration=100, loop=0)


def few_colours(image: Image.Image, by: Image.Quantize = Image.Quantize.MAXCOVERAGE) -> Image.Image:
    """Reduce a picture to `COLOURS` colours of its own and those of the boxes, which would else be lost."""
    own = image.quantize(COLOURS, by).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own[: 3 * COLOURS], *rendering.COLOURS["truth"], *rendering.COLOURS["agent"]])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def make(folder: Path, frames: int = FRAMES) -> None:
    """Write all animations; those of agents have twice as many frames."""
    for page in PAGES:
        write(folder / f"{page}.gif", pictures(page, frames))
    for name in AGENTS:
        write(folder / f"{name}.gif", agent_pictures(name, 2 * frames))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
