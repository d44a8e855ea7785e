"""The frames of all sequences in one table, for environments that step as arrays."""

import numpy as np

from tracking_env.envs.clips import ChosenClips, Clips
from tracking_env.envs.otb_track import OTBTrackEnv
from tracking_env.search.parallel import run_parallel


class FrameTable:
    """The frames of K sequences' splits, one sequence after the other, as M rows to gather from.

    Args:
        clips: the sequences, and the split.

    Attributes:
        sequences: the K sequences.
        names: their names, ``(K,)`` object; ``datasets`` likewise.
        size: widths and heights of their frames, in pixels, ``(2, K)`` float64.
        truth: true pixel boxes, ``(M, 4)`` float64.
        relative: true boxes relative to the image, components first, ``(4, M)`` float64.
        annotated: which frames have a true box, ``(M,)`` bool.
        all_annotated: whether all of them have.
    """

    def __init__(self, clips: Clips) -> None:
        self.sequences = list(clips.sequences.values())
        self.names = np.array([sequence.name for sequence in self.sequences], object)
        self.datasets = np.array([sequence.dataset for sequence in self.sequences], object)
        self.size = np.array([sequence.size for sequence in self.sequences], np.float64).T
        parts = [sequence.part(clips.split) for sequence in self.sequences]
        ends = np.cumsum([len(part) for part in parts])
        self._shift = ends - [part.stop for part in parts]  # from a frame's number to its row, (K,)
        self._last_frame = np.array([part.stop - 1 for part in parts])
        truth, relative, annotated = [], [], []
        for sequence, part in zip(self.sequences, parts, strict=True):
            frames = slice(part.start, part.stop)
            truth.append(sequence.boxes[frames])
            relative.append(sequence.relative[frames])
            annotated.append(sequence.annotated[frames])
        self.truth = np.concatenate(truth)
        # Components first, each contiguous: rewards are computed component by component.
        self.relative = np.concatenate(relative, dtype=np.float64).T.copy()
        self.annotated = np.concatenate(annotated)
        self.all_annotated = bool(self.annotated.all())
        self._decoded: dict[tuple[int, int], np.ndarray] = {}

    def __len__(self) -> int:
        """M."""
        return len(self.truth)

    def rows(self, number: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """The rows of frames ``(N,)`` of the sequences ``number`` ``(N,)``; after a split's end, its last row again."""
        return self._shift[number] + np.minimum(frame, self._last_frame[number])

    def frame_of(self, number: int, row: int) -> int:
        """The number of the frame in a row of a sequence; the inverse of `rows`."""
        return int(row - self._shift[number])

    def decode(self, number: np.ndarray, frame: np.ndarray) -> list[np.ndarray]:
        """The frames themselves, ``(height, width, 3)`` uint8 RGB, for the arguments of `rows`.

        Episodes that are at the same frame share one array, which must not be changed.
        """
        keys = list(zip(number.tolist(), np.minimum(frame, self._last_frame[number]).tolist(), strict=True))
        missing = [key for key in dict.fromkeys(keys) if key not in self._decoded]
        decoded = run_parallel(lambda key: self.sequences[key[0]].frames[key[1]], missing)
        known = self._decoded | dict(zip(missing, decoded, strict=True))
        self._decoded = {key: known[key] for key in keys}  # an episode's start and first look use the same frames
        return [known[key] for key in keys]


class FeatureTable:
    """The observations ``features`` of a table's frames, which are filled in when a clip first needs them, and stay.

    Args:
        env: the single environment, which gives them.
        table: the frames.

    Attributes:
        rows: the features, ``(M, ...)``; of rows that were not filled yet, undefined.
    """

    def __init__(self, env: OTBTrackEnv, table: FrameTable) -> None:
        self._env, self._table = env, table
        space = env.observation_space["features"]  # type: ignore[index]
        # `empty` takes no memory before a row is written, so frames that are never observed cost none.
        self.rows = np.empty((len(table), *space.shape), space.dtype)
        self._filled = np.zeros(len(table), bool)
        self._filled_to = np.zeros(len(table), np.intp)  # for a clip's first row: the end of the rows filled from there

    def fill(self, clips: ChosenClips) -> None:
        """Fill in the features of these clips' frames, and of the frame after each clip."""
        first_rows = self._table.rows(clips.number, clips.start)
        end_rows = self._table.rows(clips.number, clips.stop) + 1
        # Most clips begin where another one did, so this test is all that most resets pay for.
        for index in np.flatnonzero(self._filled_to[first_rows] < end_rows).tolist():
            number, first, end = clips.number[index], first_rows[index], end_rows[index]
            observer = self._env.observer(self._table.sequences[number])
            for row in first + np.flatnonzero(~self._filled[first:end]):
                self.rows[row] = observer.observe(self._table.frame_of(number, row))
                self._filled[row] = True
            self._filled_to[first] = end
