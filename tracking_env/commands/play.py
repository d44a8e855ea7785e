"""``tracking-env play``: play an environment by mouse and keys."""

from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import tyro

from tracking_env import rendering
from tracking_env.apps.player_window import WITHOUT_WINDOW, play
from tracking_env.apps.playing import make_game
from tracking_env.datasets.loading import EMBEDDED
from tracking_env.errors import InputError

Id = Literal["OTBTrack-v0", "OTBTrackPixels-v0", "OTBTrackSearch-v0", "OTBTrackExperts-v0", "SyntheticTrack-v0"]
DRAWS = "SyntheticTrack-v0"
"""The id whose videos are always drawn."""


def play_environment(
    id: tyro.conf.Positional[Id] = "OTBTrackSearch-v0",
    root: Path | None = None,
    sequences: str | None = None,
    experts: str | None = None,
    weights: Path | None = None,
    reward: Literal["l1", "iou"] = "iou",
    clip_length: int | None = None,
    fps: float = 0.0,
    seed: int | None = None,
) -> int:
    """Play an environment by mouse and keys, as an agent would: the true box is shown once.

    The mouse moves the box, + and - resize it, a click or the space bar takes the action. Among experts, keys 1 to 9
    choose the one to trust. The window's title has all keys. Each episode's score is printed.

    Example: tracking-env play OTBTrackSearch-v0

    Args:
        id: the environment.
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. By default they are drawn.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default all.
        experts: names, with commas between them; grey,colour need no files. By default nanotrack-v3,fear-xs.
        weights: folder of the experts' files. By default the downloaded ones.
        reward: l1 (Eq. 2) or iou (Eq. 3), whose sum is the return.
        clip_length: frames of an episode. By default the whole video.
        fps: actions per second that are taken by themselves. By default only a click or a key acts.
        seed: of the first episode. By default each game is another one.
    """
    rendering.require_display("playing", WITHOUT_WINDOW)  # before any file is read
    if fps < 0:
        raise InputError(f"--fps is {fps:g}; give a number >= 0")
    options: dict[str, Any] = {"root": root, "sequences": sequences, "weights": weights}
    if experts is not None:
        options["experts"] = experts.split(",")
    options = {name: value for name, value in options.items() if value is not None}
    if id != DRAWS:
        options |= {"split": "all"} | ({} if root or sequences else {"sequences": EMBEDDED})
    env = gym.make(id, reward=reward, clip_length=clip_length, **options)
    play(make_game(env, seed), fps)
    env.close()
    return 0
