"""OTBTrackExperts-v0: pretrained trackers follow one target, and the agent decides among them."""

import math
from collections.abc import Sequence as Many
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tracking_env import boxes as bx
from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.envs.base import Box, Sequences, TrackEnv, load_sequences, refuse_unknown
from tracking_env.envs.clips import Clips
from tracking_env.errors import InputError
from tracking_env.search.ensemble.action import action_size, split_action
from tracking_env.search.ensemble.observation import LIMIT, Means, observation_names, observe
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.ensemble.team import Team
from tracking_env.search.experts import Expert, make_expert

EXPERTS = ("nanotrack-v3", "fear-xs")
MILLISECONDS = {"nanotrack-v3": 5.3, "fear-xs": 10.5, "vittrack": 5.0, "grey": 0.5, "colour": 0.5}
"""What a frame of each expert costs: measured once on one thread of a CPU, and fixed, so that rewards do not depend on
the machine."""
OTHER_MILLISECONDS = 5.0


def look_milliseconds(experts: Many[Expert]) -> np.ndarray:
    """What a look of each expert costs, ``(K,)``: `MILLISECONDS`, or for an expert of your own `OTHER_MILLISECONDS`."""
    return np.array([MILLISECONDS.get(expert.name, OTHER_MILLISECONDS) for expert in experts])


class OTBTrackExpertsEnv(TrackEnv):
    """Visual object tracking with experts: frozen pretrained trackers propose boxes, and the agent decides among them.

    ## Description
    K experts follow the same target, each around a box of its own. In every frame the agent observes what each reports,
    and answers how far to trust each, how to change the box that results, and which experts to put back on that box
    because they have lost the target. An expert that is put back sees another part of the next frame, so actions change
    later observations: a reset pays off, or does harm, many frames later. Data, splits and rewards are those of
    ``OTBTrack-v0``.

    Two boxes are never mixed: the one that an expert looks around, and the one that is reported. Corrections and
    residuals change the reported box only.

    ## Action Space
    ``Box(-1, 1, (2 K + 5,), float32)``, or ``(3 K + 5,)`` with ``cost`` above 0. The action 0 is a hand-made rule: the
    mean of the experts' boxes, or the box of the most confident expert where they overlap by less than 0.3; no
    residual, no reset, no scan, and all experts run. In this order:

    * trust, K numbers: the reported box is the mean of the experts' boxes, weighted by ``exp(8 trust)``, over those
      that overlap the most trusted one's by 0.3;
    * residual, 4 numbers: shifts of the centre, by up to 0.2 sizes, and factors of the sides, by up to ``exp(0.2)``;
    * reset, K numbers: an expert is put back where its number is above 0.5: on the candidate of a scan or, without
      one, on the fused box;
    * scan, 1 number: above 0.5 the last expert also looks at eight other places of the next frame, the nearest first,
      in later frames at the next eight. What it finds and the other experts confirm is the frame's candidate;
    * pause, K numbers, only with ``cost``: an expert does not look at the next frame where its number is below -0.5.

    Components outside [-1, 1] are clipped. Another shape or a NaN is an error.

    ## Observation Space
    ``Box(-10, 10, (22 K,), float32)``: for each expert 14 numbers of this frame and running means of four of them
    over 10 and 50 frames. ``observation_names`` lists them; `tracking_env.search.ensemble.observation` defines them.

    ## Rewards
    ``l1`` (Eq. 2) or ``iou`` (Eq. 3), as in ``OTBTrack-v0``, of the reported box relative to the image; less ``cost``
    times the milliseconds of all looks of experts at the frame, from a table: a clock would make rewards depend on
    the machine.

    ## Starting State
    A clip drawn as in ``OTBTrack-v0``, with the same ``options``. All experts start on the true box of its first frame.

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never.

    ## Info
    As in ``OTBTrack-v0``, and of the observed frame ``expert_boxes``, the experts' pixel boxes ``(K, 4)``, and
    ``candidate``, the pixel box ``(4,)`` of a scan's candidate, zeros without one.

    ## Arguments
    * ``root``, ``sequences``, ``split``, ``reward``, ``render_mode``: as in ``OTBTrack-v0``.
    * ``experts``: names, or `Expert` objects. ``nanotrack-v3``, ``fear-xs`` and ``vittrack`` are pretrained
      (``tracking-env download nanotrack-v3 fear-xs vittrack``); ``grey`` and ``colour`` are weak and need no files.
    * ``weights``: the folder of the experts' files, by default that of the downloads.
    * ``cost``: reward per millisecond of an expert, such as 0.002; 0: all experts always run.
    * ``clip_length``: frames per episode; None, the default, for the whole split.

    ## Version History
    * v0: first version.
    """

    id = "OTBTrackExperts-v0"

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: Sequences = None,
        split: Split = "train",
        experts: Many[str | Expert] = EXPERTS,
        weights: str | Path | None = None,
        reward: str = "iou",
        cost: float = 0.0,
        clip_length: int | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, OTBTrackExpertsEnv)
        if not experts:
            raise InputError("experts is empty; give at least one, such as ('nanotrack-v3', 'fear-xs')")
        if not (cost >= 0 and math.isfinite(cost)):
            raise InputError(f"cost is {cost}; give a reward per millisecond >= 0")
        loaded = load_sequences(self.id, root, sequences)
        self.clips = Clips(loaded, split, clip_length)
        files = () if weights is None else (weights,)
        self.experts = [make_expert(expert, files) if isinstance(expert, str) else expert for expert in experts]
        self.cost = cost
        self.milliseconds = look_milliseconds(self.experts)
        self.observation_names = observation_names([expert.name for expert in self.experts])
        observation_space = spaces.Box(-LIMIT, LIMIT, (len(self.observation_names),), np.float32)
        action_space = spaces.Box(-1.0, 1.0, (action_size(len(self.experts), cost > 0),), np.float32)
        super().__init__(observation_space, reward, render_mode, action_space)
        self.team = Team(self.experts)
        self._report: Report
        self._means: Means
        self._candidates: Candidates

    def episode_clips(self) -> Clips:
        """The clips that the next episode is drawn from: always the same."""
        return self.clips

    def first_observation(self, sequence: Sequence, start: int) -> np.ndarray:
        """Start the experts on the true box, and let all of them look at the first frame."""
        frame = sequence.frames[start]
        self.team.start([0], [frame], [sequence.boxes[start]])
        self._means = Means.new(1, len(self.experts))
        return self._look(frame)

    def next_observation(self, frame: int) -> np.ndarray:
        """Let the experts that run look at a later frame."""
        assert self._sequence is not None
        return self._look(self._sequence.frames[frame])

    def predicted_boxes(self, action: Box) -> tuple[Box, Box]:
        """The reported box relative to the image, and in pixels; experts are put back."""
        assert self._sequence is not None
        decision = split_action(np.array(action)[None], len(self.experts), self.cost > 0)
        box = self.team.act([0], self._report, self._candidates, decision)[0]
        return tuple(bx.to_relative(box, self._sequence.size).tolist()), tuple(box.tolist())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see *Starting State* for ``options``.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that does not exist.
        """
        observation, info = super().reset(seed=seed, options=options)
        return observation, info | self._seen()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take the action as the decision about the frame observed last, and let the experts look at the next one.

        Raises:
            InputError: the action is not as many finite numbers as the action space has.
            gymnasium.error.ResetNeeded: there is no episode, or it is over.
        """
        price = self.cost * float(self.milliseconds @ self._looks()) if self._sequence is not None else 0.0
        observation, reward, terminated, truncated, info = super().step(action)
        reward -= price
        return observation, reward, terminated, truncated, info | self._seen()

    def _seen(self) -> dict[str, np.ndarray]:
        return {"expert_boxes": self._report.boxes[0].copy(), "candidate": self._candidates.boxes[0].copy()}

    def _looks(self) -> np.ndarray:
        """How often each expert looked at the frame, ``(K,)``."""
        return self._report.running[0] + self._candidates.looks[0]

    def _look(self, frame: np.ndarray) -> np.ndarray:
        self._report = self.team.look([frame], [0])
        self._candidates = self.team.scan([frame], [0])
        observation, self._means = observe(self._report, self._candidates, self._means)
        return observation[0]
