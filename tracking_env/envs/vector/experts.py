"""Many episodes of OTBTrackExperts-v0 at once: the experts look at all targets together, each core at another."""

from typing import Any

import numpy as np

from tracking_env import boxes as bx
from tracking_env.boxes import Array
from tracking_env.envs.clips import ChosenClips
from tracking_env.envs.otb_track_experts import OTBTrackExpertsEnv
from tracking_env.envs.vector.base import TrackVectorEnv
from tracking_env.search.ensemble import fusion
from tracking_env.search.ensemble.action import split_action
from tracking_env.search.ensemble.observation import Means, observe
from tracking_env.search.ensemble.team import Report, Team


class OTBTrackExpertsVectorEnv(TrackVectorEnv):
    """``num_envs`` times `OTBTrackExpertsEnv` with one set of experts.

    Arguments are those of `TrackVectorEnv` and `OTBTrackExpertsEnv`. Networks take nearly all of the time. On a CPU the
    crops of all episodes are shared among the cores, on a GPU they are one batch. Episodes that start on the same frame
    prepare it once.

    Example:
        >>> envs = gym.make_vec("OTBTrackExperts-v0", num_envs=8, experts=("grey", "colour"), sequences="synthetic:0-7")
        >>> observation, info = envs.reset(seed=0)
        >>> observation.shape
        (8, 40)
    """

    single = OTBTrackExpertsEnv

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        experts = len(self._env.experts)
        self._team = Team(self._env.experts, self.num_envs)
        self._means = Means.new(self.num_envs, experts)
        self._running = np.ones((self.num_envs, experts), bool)  # the experts that look at the next frame
        self._vectors = np.zeros(self.observation_space.shape or (), np.float32)
        self._report: Report

    def start_episodes(self, environments: np.ndarray, clips: ChosenClips) -> None:
        """Start the experts on the true boxes of the first frames."""
        frames = self._table.decode(clips.number, clips.start)
        boxes = self._table.truth[self._table.rows(clips.number, clips.start)]
        self._team.start(environments.tolist(), frames, list(boxes))
        fresh = Means.new(len(environments), len(self._env.experts))
        self._means = _with_rows(self._means, environments, fresh)
        self._running[environments] = True

    def look(self, environments: np.ndarray) -> None:
        """Let the experts that run look at the current frames."""
        frames = self._table.decode(self._episodes.number[environments], self._episodes.frame[environments])
        report = self._team.look(frames, environments.tolist(), self._running[environments])
        vectors, means = observe(report, Means(*(part[environments] for part in self._means)))
        if len(environments) == self.num_envs:
            self._report, self._means = report, means
        else:
            self._report = _with_rows(self._report, environments, report)
            self._means = _with_rows(self._means, environments, means)
        self._vectors[environments] = vectors

    def observation(self) -> np.ndarray:
        """The observations ``(N, D)`` float32 of what was looked at last."""
        return self._vectors.copy()

    def predicted_boxes(self, actions: np.ndarray, acting: np.ndarray) -> tuple[Array, Array]:
        """The reported boxes; experts are put back."""
        # Actions of environments that only start anew may be NaN, and decide nothing.
        decision = split_action(np.where(acting, actions, 0.0).T, len(self._env.experts), self._env.cost > 0)
        report = self._report
        fused = fusion.fuse(report.boxes, decision.trust, report.confidence, report.running)
        rows = np.flatnonzero(acting)
        self._team.put_back(
            rows.tolist(), decision.reset[rows], decision.trust[rows], Report(*(part[rows] for part in report))
        )
        self._running = decision.running
        pixels = tuple(fusion.move_box(fused, decision.residual).T)
        return bx.to_relative(pixels, tuple(self._table.size.take(self._episodes.number, axis=1))), pixels

    def costs(self) -> np.ndarray:
        """The cost of the experts that looked at the frames, ``(N,)``."""
        return self._env.cost * (self._report.running * self._env.milliseconds).sum(axis=1)

    def observation_info(self) -> dict[str, np.ndarray]:
        """``expert_boxes``, ``(N, K, 4)``."""
        return {"expert_boxes": self._report.boxes.copy()}


def _with_rows(batch: Any, rows: np.ndarray, part: Any) -> Any:
    """A named tuple of arrays ``(N, ...)`` with some rows replaced by those of another."""
    arrays = [array.copy() for array in batch]
    for array, replaced in zip(arrays, part, strict=True):
        array[rows] = replaced
    return type(batch)(*arrays)
