"""The window in which an environment is played."""

import time
from collections.abc import Callable
from typing import Any

import cv2

from tracking_env import rendering
from tracking_env.apps.playing import Game
from tracking_env.terminal import print_result

ACT, NEXT = " \r", "n"
"""Keys that act, and that start the next episode."""
WITHOUT_WINDOW = "on a server give ssh -X, or let an agent play: examples/random_agent.py writes a video"
"""What to do where there is no display."""
_WIDTH = 960  # pixels of the window at first
_WAIT = 20  # milliseconds between two looks at the keys


def play(game: Game, fps: float = 0.0, say: Callable[[str], Any] = print_result) -> None:
    """Play in a window until the player presses q or Esc, or closes it.

    Args:
        game: what is played.
        fps: actions per second that are taken by themselves; 0: only a click or a key acts.
        say: gets the score of each finished episode, one line.

    Raises:
        InputError: no window can be opened.
    """
    rendering.require_display("playing", WITHOUT_WINDOW)
    cv2.namedWindow(rendering.WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    height, width, _ = game.picture().shape
    cv2.resizeWindow(rendering.WINDOW, _WIDTH, round(_WIDTH * height / width))
    cv2.setWindowTitle(rendering.WINDOW, f"{game.keys}; n: next episode; q: end")
    cv2.setMouseCallback(rendering.WINDOW, lambda event, x, y, flags, _: use_mouse(game, event, x, y, flags))
    told, due = False, time.monotonic()
    while True:
        cv2.imshow(rendering.WINDOW, cv2.cvtColor(game.picture(), cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(_WAIT) & 0xFF
        # A window that the player closed is no longer visible.
        if key in rendering.QUIT_KEYS or cv2.getWindowProperty(rendering.WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            break
        if key != 0xFF:  # no key
            use_key(game, chr(key))
        if fps and not game.over and time.monotonic() >= due:
            due = time.monotonic() + 1 / fps
            game.act()
        if game.over and not told:
            say(game.summary())
        told = game.over
    rendering.close_window()


def use_key(game: Game, key: str) -> None:
    """Let the player press a key, one character."""
    if key in ACT:
        game.act()
    elif key == NEXT:
        game.start()
    else:
        game.press(key)


def use_mouse(game: Game, event: int, x: float, y: float, flags: int) -> None:
    """Let the player move the mouse, click, or turn its wheel: an event of OpenCV at a place on the picture."""
    if event == cv2.EVENT_MOUSEMOVE:
        game.point(x, y)
    elif event == cv2.EVENT_LBUTTONDOWN:
        game.click(x, y)
    elif event == cv2.EVENT_MOUSEWHEEL:
        game.press("+" if flags > 0 else "-")
