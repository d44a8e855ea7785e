"""Playing by hand: what mouse and keys do, without a window."""

import cv2
import gymnasium as gym
import numpy as np
import pytest

from tracking_env import boxes as bx
from tracking_env import cli, rendering
from tracking_env.apps import player_window
from tracking_env.apps.playing import ExpertsGame, make_game
from tracking_env.errors import InputError, MissingPackageError

pytestmark = pytest.mark.usefixtures("own_cache")
BOXES = ["OTBTrack-v0", "OTBTrackPixels-v0", "OTBTrackSearch-v0"]
DRAWN = {"sequences": "synthetic:0", "split": "all", "reward": "iou"}


def game_of(id, **options):
    options = {"clip_length": 3, "reward": "iou"} | ({} if id.startswith("Synth") else DRAWN) | options
    if id == "OTBTrackExperts-v0":
        options["experts"] = ["grey", "colour"]
    return make_game(gym.make(id, **options), seed=0)


def truth_now(game):
    """The true box of the frame that the next action is for."""
    return game.base._sequence.boxes[game.base._frame]


@pytest.mark.parametrize("id", [*BOXES, "SyntheticTrack-v0"])
def test_a_player_who_puts_the_box_on_the_target_in_every_frame_has_an_overlap_of_one(id):
    game = game_of(id)
    while not game.over:
        game.box = np.array(truth_now(game), float)
        game.act()
    assert len(game.ious) == 3 and np.min(game.ious) > 0.999 and game.total == pytest.approx(sum(game.ious))
    assert "3 frames, mean IoU 1.000, return 3.00" in game.summary()
    game.act()  # after the end: the next episode
    assert not game.over and not game.ious


def test_the_mouse_moves_the_centre_in_the_pixels_of_the_picture():
    game = game_of("OTBTrack-v0")
    height, width, _ = game.picture().shape
    assert (width, height) == (320, 240)  # of a frame of 160 x 120
    sides = game.box[2:].copy()
    player_window.use_mouse(game, cv2.EVENT_MOUSEMOVE, 100, 60, 0)
    np.testing.assert_allclose(bx.centre(game.box)[:2], [51, 31])
    np.testing.assert_array_equal(game.box[2:], sides)
    player_window.use_mouse(game, cv2.EVENT_MOUSEWHEEL, 100, 60, 1)
    np.testing.assert_allclose(game.box[2:], sides * 1.05)
    assert not game.ious
    player_window.use_mouse(game, cv2.EVENT_LBUTTONDOWN, 120, 60, 0)
    np.testing.assert_allclose(bx.centre(game.info["prediction"])[:2], [61, 31], atol=1e-3)


def test_keys_move_and_resize_the_box_and_keep_it_in_the_image():
    game = game_of("OTBTrack-v0")
    game.box = np.array([41.0, 31, 20, 40])
    for key, expected in {
        "d": [43, 31, 20, 40],
        "s": [43, 35, 20, 40],
        "a": [41, 35, 20, 40],
        "w": [41, 31, 20, 40],
        ".": [40.5, 31, 21, 40],
        ",": [41, 31, 20, 40],
        "+": [40.5, 30, 21, 42],
        "-": [41, 31, 20, 40],
        "x": [41, 31, 20, 40],  # none of the keys
    }.items():
        player_window.use_key(game, key)
        np.testing.assert_allclose(game.box, expected, err_msg=key)
    for _ in range(200):
        game.press("a")
        game.press("-")
    assert game.box[2:].min() == 4 and bx.centre(game.box)[0] == 1


def test_the_true_box_is_shown_in_the_first_frame_only():
    game = game_of("OTBTrack-v0")
    green = np.array(rendering.COLOURS["truth"])
    game.press("d")
    assert (np.abs(game.picture().astype(int) - green).max(axis=-1) < 10).any()
    game.act()
    assert not (np.abs(game.picture().astype(int) - green).max(axis=-1) < 10).any()
    assert game.caption().startswith("frame 1: IoU 0.")


def test_what_the_closed_loop_does_not_observe_is_dark():
    game = game_of("OTBTrackSearch-v0", sequences="synthetic:3")
    game.box = np.array([1.0, 1, 8, 8])  # in the corner
    game.act()
    frame = game.base.current_frame
    corner, far = game.picture()[36, 16], game.picture()[-1, -1]
    np.testing.assert_array_equal(corner, frame[18, 8])
    np.testing.assert_array_equal(far, frame[-1, -1] // 4)


def test_among_experts_keys_choose_whom_to_trust_and_whom_to_put_back():
    game = game_of("OTBTrackExperts-v0", clip_length=10)
    assert isinstance(game, ExpertsGame) and not game.action().any()
    game.act()
    game.base._report.boxes[0, 1] = [5, 5, 10, 10]  # the second expert is elsewhere
    expected = game.base._report.boxes[0, 0].copy()
    game.press("1")
    game.press("r")
    np.testing.assert_array_equal(game.action(), [1, -1, 0, 0, 0, 0, 0, 1, 0])
    game.press("f")
    assert game.action()[8] == 1 and game.caption().endswith(", scan")
    game.act()
    np.testing.assert_allclose(game.info["prediction"], expected, atol=0.01)
    np.testing.assert_array_equal(game.action(), [1, -1, 0, 0, 0, 0, 0, 0, 0])
    game.press("0")
    assert not game.action().any()
    game.press("9")  # there is no ninth expert
    assert game.trusted is None
    middle = 2 * (bx.centre(game.info["expert_boxes"])[1, :2] - 1)
    game.info["expert_boxes"][0] = 1  # away from the second
    game.click(*middle)
    assert game.trusted == 1 and game.picture().shape == (240, 320, 3)


@pytest.fixture
def window(monkeypatch):
    """A window whose player presses the keys of a list; the calls of OpenCV that it got."""
    keys, calls = [], []
    monkeypatch.setattr(rendering, "has_display", lambda: True)
    monkeypatch.setattr(cv2, "waitKey", lambda wait: ord(keys.pop(0)) if keys else -1)
    for name in ("namedWindow", "resizeWindow", "setWindowTitle", "setMouseCallback", "imshow", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *arguments, name=name: calls.append(name))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1 if calls.count("imshow") < 100 else 0)
    return keys, calls


def test_a_game_in_a_window_ends_with_q_and_prints_each_score_once(window, capsys):
    keys, calls = window
    keys += "d  \r.n q"
    assert cli.main(["play", "OTBTrack-v0", "--sequences", "synthetic:0", "--clip-length", "3", "--seed", "0"]) == 0
    assert capsys.readouterr().out.count("Synthetic-0000: 3 frames, mean IoU 0.") == 1
    assert calls.count("imshow") == 8 and calls[-1] == "destroyAllWindows"


def test_with_fps_the_game_goes_on_by_itself_until_the_window_is_closed(window, capsys):
    assert cli.main(["play", "SyntheticTrack-v0", "--fps", "1e9", "--seed", "0", "--clip-length", "20"]) == 0
    assert capsys.readouterr().out.count("20 frames, mean IoU") == 1
    assert window[1].count("imshow") == 100


def test_without_a_display_or_a_window_the_error_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(rendering, "has_display", lambda: False)
    assert cli.main(["play"]) == 2
    assert "playing needs a display, and there is none; on a server give ssh -X" in capsys.readouterr().err
    monkeypatch.setattr(rendering, "has_display", lambda: True)
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(MissingPackageError, match="playing in a window needs opencv-python; type: pip install"):
        rendering.require_display("playing", "")


def test_an_environment_of_others_is_refused():
    with pytest.raises(InputError, match="CartPoleEnv is no environment of this package"):
        make_game(gym.make("CartPole-v1"))
