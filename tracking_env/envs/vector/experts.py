"""Many episodes of OTBTrackExperts-v0 at once: the experts look at all targets together, each core at another."""

from typing import Any, TypeVar

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Array
from tracking_env.envs.clips import ChosenClips
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.vector.base import TrackVectorEnv
from tracking_env.search.ensemble.action import Decision, split_action
from tracking_env.search.ensemble.observation import Means, observe
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.ensemble.team import Team

Batch = TypeVar("Batch", Report, Candidates, Decision)


class OTBTrackExpertsVectorEnv(TrackVectorEnv):
    """``num_envs`` times `OTBTrackExpertsEnv` with one set of experts.

    Arguments are those of `TrackVectorEnv` and `OTBTrackExpertsEnv`. Networks take nearly all of the time. On a CPU the
    crops of all episodes are shared among the cores, on a GPU they are one batch. Episodes that start on the same frame
    prepare it once.

    Example:
        >>> envs = gym.make_vec("OTBTrackExperts-v0", num_envs=8, experts=("grey", "colour"), sequences="synthetic:0-7")
        >>> observation, info = envs.reset(seed=0)
        >>> observation.shape
        (8, 44)
    """

    single = OTBTrackExpertsEnv

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        experts = len(self._env.experts)
        self._team = Team(self._env.experts, self.num_envs)
        self._means = Means.new(self.num_envs, experts)
        self._vectors = np.zeros(self.observation_space.shape or (), np.float32)
        self._report: Report
        self._candidates: Candidates

    def start_episodes(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Start the experts on the true boxes of the first frames."""
        frames = self._table.decode(clips.number, clips.start)
        boxes = self._table.truth[self._table.rows(clips.number, clips.start)]
        self._team.start(environments.tolist(), frames, list(boxes))
        fresh = Means.new(len(environments), len(self._env.experts))
        self._means = _with_rows(self._means, environments, fresh)

    def look(self, environments: np.ndarray) -> None:
        """Let the experts that run look at the current frames."""
        frames = self._table.decode(self._episodes.number[environments], self._episodes.frame[environments])
        targets = environments.tolist()
        report, candidates = self._team.look(frames, targets), self._team.scan(frames, targets)
        vectors, means = observe(report, candidates, Means(*(part[environments] for part in self._means)))
        if len(environments) == self.num_envs:
            self._report, self._candidates, self._means = report, candidates, means
        else:
            self._report = _with_rows(self._report, environments, report)
            self._candidates = _with_rows(self._candidates, environments, candidates)
            self._means = _with_rows(self._means, environments, means)
        self._vectors[environments] = vectors

    def observation(self) -> np.ndarray:
        """The observations ``(N, D)`` float32 of what was looked at last."""
        return self._vectors.copy()

    def predicted_boxes(self, actions: np.ndarray, acting: np.ndarray) -> tuple[Array, Array]:
        """The reported boxes; experts are put back."""
        # Actions of environments that only start anew may be NaN, and decide nothing.
        decision = split_action(np.where(acting, actions, 0.0).T, len(self._env.experts), self._env.cost > 0)
        rows = np.flatnonzero(acting)
        boxes = np.zeros((self.num_envs, 4))
        boxes[rows] = self._team.act(
            rows.tolist(), _rows_of(self._report, rows), _rows_of(self._candidates, rows), _rows_of(decision, rows)
        )
        pixels = tuple(boxes.T)
        return bx.to_relative(pixels, tuple(self._table.size.take(self._episodes.number, axis=1))), pixels

    def costs(self) -> np.ndarray:
        """The cost of the experts' looks at the frames, ``(N,)``."""
        return self._env.cost * (self._report.running + self._candidates.looks) @ self._env.milliseconds

    def observation_info(self) -> dict[str, np.ndarray]:
        """``expert_boxes``, ``(N, K, 4)``, and ``candidate``, ``(N, 4)``."""
        return {"expert_boxes": self._report.boxes.copy(), "candidate": self._candidates.boxes.copy()}


def _rows_of(batch: Batch, rows: np.ndarray) -> Batch:
    """Some rows of a named tuple of arrays ``(N, ...)``."""
    return type(batch)(*(array[rows] for array in batch))


def _with_rows(batch: Any, rows: np.ndarray, part: Any) -> Any:
    """A named tuple of arrays ``(N, ...)`` with some rows replaced by those of another."""
    arrays = [array.copy() for array in batch]
    for array, replaced in zip(arrays, part, strict=True):
        array[rows] = replaced
    return type(batch)(*arrays)
