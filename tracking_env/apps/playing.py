"""Playing an environment by hand: what the player sees, and the action that follows from mouse and keys.

`Game` opens no window and waits for nobody. `tracking_env.apps.player_window` connects it with a window.
"""

from collections.abc import Mapping

import cv2
import gymnasium as gym
import numpy as np

from tracking_env import boxes as bx
from tracking_env import rendering
from tracking_env.envs.base import TrackEnv
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.otb_track_search import OTBTrackSearchEnv
from tracking_env.errors import InputError
from tracking_env.search import regions

MOVE, GROW = 0.1, 1.05
"""What one key does: the centre moves by a tenth of the side; a side grows by a factor."""
SMALLEST = 4.0  # pixels, the shortest side of the player's box
UNSEEN = 0.25  # brightness outside the region that the agent observes
SHIFTS: Mapping[str, tuple[int, int]] = {"a": (-1, 0), "d": (1, 0), "w": (0, -1), "s": (0, 1)}
GROWTHS: Mapping[str, tuple[int, int]] = {"+": (1, 1), "=": (1, 1), "-": (-1, -1), ".": (1, 0), ",": (-1, 0)}
BOX_KEYS = "w a s d: move; + -: size; . ,: width; click or space: next frame"
EXPERT_KEYS = "0: the rule; 1-9 or a click: trust that expert; r: put the others back on it; f: scan; space: next frame"


class Game:
    """Episodes of an environment with a player in place of an agent.

    Args:
        env: an environment of this package, wrapped as `gymnasium.make` does, but not otherwise.
        seed: of the first episode.

    Attributes:
        keys: what each key does, in one line.
        over: whether the episode is over.

    Raises:
        InputError: it is no environment of this package.
    """

    keys = BOX_KEYS

    def __init__(self, env: gym.Env, seed: int | None = None) -> None:
        base = env.unwrapped
        if not isinstance(base, TrackEnv):
            raise InputError(f"{type(base).__name__} is no environment of this package")
        self.env, self.base = env, base
        self.start(seed)

    def start(self, seed: int | None = None) -> None:
        """Start the next episode. The player's box is the true one of its first frame."""
        _, info = self.env.reset(seed=seed)
        self.info, self.over = info, False
        self.ious: list[float] = []
        self.total = 0.0  # of rewards
        self.box = np.array(info["truth"], dtype=np.float64)

    def press(self, key: str) -> None:
        """Move or resize the box with a key of `BOX_KEYS`; other keys do nothing."""
        shift, growth = SHIFTS.get(key, (0, 0)), GROWTHS.get(key, (0, 0))
        self._set(bx.centre(self.box)[:2] + MOVE * np.array(shift) * self.box[2:], GROW ** np.array(growth))

    def point(self, x: float, y: float) -> None:
        """Move the box's centre to a place on the picture, in its own pixels."""
        self._set(np.array([x, y]) / self._scale + 1, np.ones(2))

    def click(self, x: float, y: float) -> None:
        """Act with the box at this place on the picture."""
        self.point(x, y)
        self.act()

    def act(self) -> None:
        """Take the action for the frame that is shown. When the episode is over, start the next one instead."""
        if self.over:
            self.start()
            return
        _, reward, terminated, truncated, self.info = self.env.step(self.action())
        self.ious.append(float(self.info["iou"]))
        self.total += float(reward)
        self.over = terminated or truncated

    def action(self) -> np.ndarray:
        """The environment's action that the player's box stands for, ``(4,)`` float32."""
        if isinstance(self.base, OTBTrackSearchEnv):
            relative = regions.to_region(self.box, self.base.windows.regions[0])
        else:
            relative = bx.to_relative(self.box, self._size)
        return np.clip(relative, 0, 1).astype(np.float32)

    def picture(self) -> np.ndarray:
        """What the player sees: the frame to act on with the box, ``(height, width, 3)`` uint8 RGB.

        The first frame also has the true box. In ``OTBTrackSearch-v0`` all that the agent does not observe is dark.
        """
        frame = self.base.current_frame
        if isinstance(self.base, OTBTrackSearchEnv):
            frame = _darken_outside(frame, self.base.windows.regions[0])
        # The true box last: where the player's lies on it, the green one is seen.
        boxes = {"agent": self.box} | ({} if self.ious else {"truth": self.info["truth"]})
        return rendering.draw(frame, boxes, self.caption())

    def caption(self) -> str:
        """The score so far."""
        if not self.ious:
            return f"{self.info['sequence']}: follow the green box"
        if self.over:
            return f"mean IoU {np.mean(self.ious):.2f}; space: next, q: end"
        return f"frame {len(self.ious)}: IoU {self.ious[-1]:.2f}, mean {np.mean(self.ious):.2f}"

    def summary(self) -> str:
        """The episode's score in one line."""
        return (
            f"{self.info['sequence']}: {len(self.ious)} frames, mean IoU {np.mean(self.ious or [0]):.3f}, "
            f"return {self.total:.2f}"
        )

    @property
    def _size(self) -> bx.Size:
        height, width, _ = self.base.current_frame.shape
        return width, height

    @property
    def _scale(self) -> int:
        """Pixels of the picture per pixel of the frame, see `rendering.draw`."""
        return -(-rendering.LEAST_WIDTH // self._size[0])

    def _set(self, middle: np.ndarray, factors: np.ndarray) -> None:
        sides = np.clip(self.box[2:] * factors, SMALLEST, np.maximum(self._size, SMALLEST))
        self.box = bx.top_left(np.concatenate([np.clip(middle, 1, self._size), sides]))


class ExpertsGame(Game):
    """A `Game` of ``OTBTrackExperts-v0``, in which the player says which expert to trust."""

    keys = EXPERT_KEYS
    base: OTBTrackExpertsEnv

    def start(self, seed: int | None = None) -> None:
        """Start the next episode with the action 0, the hand-made rule."""
        self.trusted: int | None = None
        self.puts_back = self.scans = False
        super().start(seed)

    def press(self, key: str) -> None:
        """Choose with a key of `EXPERT_KEYS`; other keys do nothing."""
        count = len(self.base.experts)
        if key == "r":
            self.puts_back = not self.puts_back
        elif key == "f":
            self.scans = not self.scans
        elif key.isdecimal() and int(key) <= count:
            self.trusted = int(key) - 1 if int(key) else None

    def point(self, x: float, y: float) -> None:
        """Nothing: the mouse moves no box here."""

    def click(self, x: float, y: float) -> None:
        """Trust the expert whose box has its centre nearest to this place; it takes no action."""
        place = np.array([x, y]) / self._scale + 1
        distances = np.linalg.norm(bx.centre(self.info["expert_boxes"])[:, :2] - place, axis=1)
        self.trusted = int(distances.argmin())

    def act(self) -> None:
        """Take the decision. Resets and scans are for one frame, so they are not asked for again."""
        super().act()
        self.puts_back = self.scans = False

    def action(self) -> np.ndarray:
        """Trust 1 in the chosen expert and -1 in the others, float32; 0 is the hand-made rule."""
        count = len(self.base.experts)
        action = np.zeros(self.base.action_space.shape, np.float32)
        if self.trusted is not None:
            others = np.arange(count) != self.trusted
            action[:count] = np.where(others, -1, 1)
            action[count + 4 : 2 * count + 4] = others & self.puts_back
        action[2 * count + 4] = self.scans
        return action

    def caption(self) -> str:
        """The score so far, and whether a scan is asked for."""
        return super().caption() + ", scan" * self.scans

    def picture(self) -> np.ndarray:
        """The frame to act on with the experts' boxes, each with its number; the trusted one's is red."""
        frame = self.base.current_frame
        boxes = self.info["expert_boxes"]
        picture = rendering.draw(frame, {} if self.ious else {"truth": self.info["truth"]}, self.caption())
        # The trusted one last, so that no other hides it.
        for number in sorted(range(len(boxes)), key=lambda number: number == self.trusted):
            colour = rendering.COLOURS["agent" if number == self.trusted else "rival"]
            x, y, w, h = (bx.to_zero_based(boxes[number]) * self._scale).astype(int).tolist()
            cv2.rectangle(picture, (x, y), (x + w, y + h), colour, 2, cv2.LINE_AA)
            label = f"{number + 1}{' <-' * (self.puts_back and self.trusted not in (None, number))}"
            place = x + 16 * number, y + h + 14
            cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
        return picture


def make_game(env: gym.Env, seed: int | None = None) -> Game:
    """The game of an environment of any id, see `Game`."""
    return (ExpertsGame if isinstance(env.unwrapped, OTBTrackExpertsEnv) else Game)(env, seed)


def _darken_outside(frame: np.ndarray, region: np.ndarray) -> np.ndarray:
    """A copy of a frame that is dark outside a square pixel box ``(4,)``."""
    left, top, side = np.rint([*(region[:2] - 1), region[2]]).astype(int).tolist()
    rows, columns = (slice(max(0, begin), max(0, begin + side)) for begin in (top, left))
    dark = (frame * UNSEEN).astype(np.uint8)
    dark[rows, columns] = frame[rows, columns]
    return dark
