"""OTBTrack-v0: the pictures that render draws."""

import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from tests.helpers.episodes import ACTION, make, small
from tracking_env.datasets.sequence import ArrayFrames
from tracking_env.rendering import COLOURS

pytestmark = pytest.mark.usefixtures("own_cache")


def colour_at(picture, role, row, column):
    return np.abs(picture[row, column].astype(int) - COLOURS[role]).max() < 40


def test_render_draws_the_truth_green_and_the_agent_red():
    grey = replace(small(), frames=ArrayFrames(np.full((12, 200, 400, 3), 128, np.uint8)))
    env = make([grey], render_mode="rgb_array", split="all")
    env.reset(options={"start": 0})
    first = env.render()
    assert first.shape == (200, 400, 3) and first.dtype == np.uint8
    assert colour_at(first, "truth", 5, 25) and colour_at(first, "truth", 15, 10)  # sides of 11, 6, 30, 20
    assert not colour_at(first, "agent", 100, 100)
    env.step(np.array([0.5, 0.5, 0.5, 0.5], np.float32))  # from (100, 50) to (300, 150)
    after = env.render()
    assert colour_at(after, "truth", 5, 25) and colour_at(after, "agent", 100, 100)
    assert colour_at(after, "agent", 100, 300) and colour_at(after, "agent", 50, 200)


def test_render_shows_the_frame_of_the_last_action():
    frames = np.repeat(np.arange(12, dtype=np.uint8), 200 * 400 * 3).reshape(12, 200, 400, 3)
    env = make([replace(small(), frames=ArrayFrames(frames))], render_mode="rgb_array", split="all")
    env.reset(options={"start": 3, "length": 2})
    shades = [env.render()[-1, -1, 0]]
    for _ in range(2):
        env.step(ACTION)
        shades.append(env.render()[-1, -1, 0])
    assert shades == [3, 3, 4]


def test_human_mode_shows_every_frame(shown):
    env = make([small()], render_mode="human", clip_length=3)
    env.reset()
    for _ in range(3):
        env.step(ACTION)
    assert len(shown) == 4
    assert env.render() is None
    env.close()


@pytest.fixture
def no_display(monkeypatch):
    if sys.platform != "linux":
        pytest.skip("only X11 and Wayland have a variable to look at")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def test_human_mode_without_a_display_warns_and_goes_on(no_display):
    env = make([small()], render_mode="human").unwrapped
    with pytest.warns(UserWarning, match="no display for render_mode='human'; use render_mode='rgb_array'"):
        env.reset()
    with pytest.warns(UserWarning, match="no display"):
        assert env.render() is None
    env.close()


@pytest.mark.parametrize("make_one", [gym.make, lambda *args, **options: gym.make_vec(*args, num_envs=2, **options)])
def test_render_without_a_render_mode_warns_and_returns_nothing(make_one):
    env = make_one("OTBTrack-v0", sequences=[small()]).unwrapped
    env.reset()
    with pytest.warns(UserWarning, match="without a render mode; make the environment with render_mode='rgb_array'"):
        assert env.render() is None
